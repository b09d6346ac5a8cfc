/// Fuzz target: any bytes as the answer of a model, in each format. The first byte names the format, the second the size of
/// pieces, what the prompt ended with, and whether there are tools; however it is cut, the same is read, and a call that is
/// complete is of a tool and has an object for arguments.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "nibble/text/answer/formats.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/utf8.hpp"

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

struct beginning {
  nibble::answer_syntax syntax;
  std::string_view prompt_end;
  nibble::json tools;
};

const nibble::json& some_tools() {
  static const auto read = nibble::json::try_parse(
      R"([{"type": "function", "function": {"name": "look", "parameters": {"properties": {"where": {"type": "string"}, "far": {}}}}}, {"name": "f"}])");
  require(static_cast<bool>(read));
  return *read;
}

nibble::chat_answer read(const beginning& from, std::string_view text, std::size_t size) {
  nibble::chat_parser parser(from.syntax, from.prompt_end, from.tools);
  const auto check = [](std::span<const nibble::answer_delta> deltas) {
    for (const nibble::answer_delta& d : deltas) require(nibble::is_utf8(d.text));
  };
  for (std::size_t at = 0; at < text.size(); at += size) check(parser.feed(text.substr(at, size)));
  check(parser.finish());
  return parser.answer();
}

void compare(const nibble::chat_answer& a, const nibble::chat_answer& b) {
  require(a.text == b.text && a.reasoning == b.reasoning && a.calls.size() == b.calls.size());
  for (std::size_t i = 0; i < a.calls.size(); ++i) {
    const nibble::tool_call &x = a.calls[i], &y = b.calls[i];
    require(x.id == y.id && x.name == y.name && x.arguments == y.arguments && x.complete == y.complete);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  constexpr std::string_view prompts[] = {"", "<think>\n", "\n>>>", "<|start|>assistant"};
  const bool has_tools = (data[1] & 16) != 0;
  const beginning from{nibble::answer_syntax::named(nibble::answer_formats[data[0] % nibble::answer_formats.size()].name),
                       prompts[data[1] >> 5 & 3], has_tools ? some_tools() : nibble::json()};
  const nibble::chat_answer whole = read(from, text, size);
  compare(whole, read(from, text, 1u + data[1] % 16u));
  for (const nibble::tool_call& call : whole.calls) {
    require(!call.name.empty() && !call.id.empty());
    if (!call.complete) continue;
    require(!has_tools || call.name == "look" || call.name == "f");
    const auto arguments = nibble::json::try_parse(call.arguments);
    require(!arguments || arguments->is(nibble::json_kind::object));  // it may exceed the limits of a value
  }
  static_cast<void>(nibble::answer_syntax::of(text));
  return 0;
}
