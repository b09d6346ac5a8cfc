/// Fuzz target: a template from any text, run with fixed values and with what the text itself is. Whatever it does ends soon,
/// and what it writes is UTF-8.
///
/// A zero byte ends the template; behind it stand more values, as JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "nibble/text/json.hpp"
#include "nibble/text/template/jinja_template.hpp"
#include "nibble/text/utf8.hpp"

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

nibble::json fixed_values() {
  const auto read = nibble::json::try_parse(
      R"({"messages": [{"role": "system", "content": "You are <b>\u00e4</b>."}, {"role": "user", "content": " Hi\n\tthere "},
          {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function":
            {"name": "f", "arguments": {"a": 1, "b": [1.5, "x'y", true]}}}]}, {"role": "tool", "content": "{\"a\": 1}"}],
          "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}],
          "n": 7, "m": -3, "x": 2.5, "big": 123456789012345678901234567890, "s": "Hello \u00c9 World", "e": "", "l": [3, 1, 2],
          "d": {"b": 2, "a": 1}, "add_generation_prompt": true, "least": -9223372036854775808})");
  require(static_cast<bool>(read));
  return *read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const nibble::json fixed = fixed_values();
  nibble::limits limits;
  limits.template_steps = 20'000;
  limits.template_output_bytes = 1 << 20;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\0');
  const auto made = nibble::jinja_template::try_parse(text.substr(0, end), limits);
  if (!made) {
    require(std::string_view(made.failure().what()).size() < 1000);
    return 0;
  }
  nibble::json values = fixed;
  if (end != text.npos)
    if (const auto more = nibble::json::try_parse(text.substr(end + 1), limits))
      for (const auto& m : more->members()) values.set(m.key, m.value);
  nibble::template_options options;
  options.own = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  options.now = 1'721'981'350;
  const auto parts = made->try_render(values, options);
  if (!parts) {
    require(std::string_view(parts.failure().what()).size() < 1000);
    return 0;
  }
  std::string whole;
  bool special = false;
  for (const auto& part : *parts) {
    require(!part.text.empty() && (whole.empty() || part.special != special));
    special = part.special;
    whole += part.text;
  }
  require(nibble::is_utf8(whole) && whole.size() <= limits.template_output_bytes);
  return 0;
}
