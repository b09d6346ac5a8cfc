/// jinja_template: a chat template of a model's file, run within limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail::jinja {
struct program;
}

/// What a template is given beside the values of a call.
struct template_options {
  /// Texts that belong to the template itself, by the names of their variables: bos_token, eos_token.
  std::vector<std::pair<std::string, std::string>> own = {};
  /// What strftime_now tells, in seconds since the beginning of 1970; empty: the time of the system, UTC.
  std::optional<std::int64_t> now = {};
};

/// A template in the language of Jinja, as chat templates use it: for, if, set, macro, call, filter, with, block, raw,
/// generation; namespaces, filters, tests, and the methods of Python's texts and dicts; trim_blocks and lstrip_blocks are on.
/// There are no other templates to include, and no attribute reaches outside of the values it is given. What Jinja does lazily
/// is done lazily. Integers of more than 64 bits pass through and are compared, but not computed with.
///
/// What it writes knows where each piece comes from: a part is special where the template wrote it, and is not where it was in
/// the values, however it was cut, joined and filtered on its way. Immutable: any number of threads may render at once.
/// @example  auto chat = nibble::jinja_template::parse("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}");
///           auto parts = chat.render(nibble::json::parse(R"({"messages": [{"role": "user", "content": "Hi"}]})"));
///           auto ids = tokenizer.encode(parts);
class jinja_template {
 public:
  /// @errors  malformed, limit_exceeded (template_bytes, template_depth); the sentence names line and column
  /// @cost    O(source.size())
  static result<jinja_template> try_parse(std::string_view source, const limits& limits = {});
  /// What it writes of an object of values, or of none where it is null. The role of a message counts as the template's own
  /// where it is a plain word.
  /// @errors  invalid_argument: the template refuses the values, or does what it must not; limit_exceeded (template_steps,
  ///          template_depth, template_output_bytes); the sentence names line and column in the template
  /// @cost    O(template_steps), of which each is a piece of work of some 64 bytes; memory for five times
  ///          template_output_bytes, and less than half a megabyte of stack within the usual limits
  result<std::vector<prompt_part>> try_render(const json& values, const template_options& options = {}) const;
#if NIBBLE_EXCEPTIONS
  static jinja_template parse(std::string_view source, const limits& limits = {}) { return try_parse(source, limits).value(); }
  std::vector<prompt_part> render(const json& values, const template_options& options = {}) const {
    return try_render(values, options).value();
  }
#endif

  /// Whether it looks at a variable of this name, so that giving one makes sense.
  bool reads(std::string_view variable) const noexcept;
  /// Bytes that it has allocated.
  std::size_t memory_bytes() const noexcept;

 private:
  jinja_template(std::shared_ptr<const detail::jinja::program> code, const limits& limits);

  std::shared_ptr<const detail::jinja::program> code_;
  limits limits_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
