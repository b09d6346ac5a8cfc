/// grammar: what a text must look like: rules, a JSON schema, a regular expression, or a list of choices.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/grammar/limits.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
struct grammar_program;
struct grammar_parts;
}
class json;
class tokenizer;

/// A compiled grammar. Immutable and cheap to copy; shared by all that read by it.
///
/// @example  auto answer = nibble::grammar::from_choices({"yes", "no"});
///           auto list = nibble::grammar::from_gbnf("root ::= (\"- \" [^\\n]+ \"\\n\")+");
///           auto date = nibble::grammar::from_regex("\\d{4}-\\d{2}-\\d{2}");
class grammar {
 public:
  /// A grammar in the dialect of llama.cpp: `root ::= "yes" | "no"`. Rules may call themselves anywhere, on the left too; each
  /// is defined once.
  /// @errors  malformed, limit_exceeded; the sentence names line and column, or the rule
  static result<grammar> try_from_gbnf(std::string_view text, const grammar_limits& most = {});
  /// The same with tokens of a vocabulary, by number or name: `root ::= <|sep|> !<|sep|>* <[42]>`. A control token is that
  /// token; one that is text stands for its text, however that is cut into tokens. `!` is any character or other control token.
  static result<grammar> try_from_gbnf(std::string_view text, const tokenizer& words, const grammar_limits& most = {});
  /// The texts that a regular expression of ECMAScript matches from their beginning to their end.
  /// @errors  malformed, limit_exceeded
  static result<grammar> try_from_regex(std::string_view expression, const grammar_limits& most = {});
  /// One of these texts.
  /// @errors  invalid_argument: none are given, or one is empty or no UTF-8
  static result<grammar> try_from_choices(std::span<const std::string> choices, const grammar_limits& most = {});
  /// The values that a JSON Schema allows, as JSON text: see schema.hpp for what is supported.
  /// @errors  malformed: no JSON, or no value is valid; bad_value: names the keyword that is not supported, and where it
  /// stands;
  ///          limit_exceeded
  /// @cost    its steps are counted, and bounded by the limits: some seconds at the most, and tens of megabytes
  static result<grammar> try_from_schema(const json& schema, const grammar_limits& most = {});
  static result<grammar> try_from_schema(const char* schema, const grammar_limits& most = {}) {
    return try_from_schema(std::string_view(schema), most);
  }
  static result<grammar> try_from_schema(const std::string& schema, const grammar_limits& most = {}) {
    return try_from_schema(std::string_view(schema), most);
  }
  static result<grammar> try_from_schema(std::string_view schema, const grammar_limits& most = {});
  /// One grammar behind the other: a call of a tool is its prefix, a schema, its suffix.
  /// @errors  limit_exceeded
  static result<grammar> try_sequence(std::span<const grammar> parts, const grammar_limits& most = {});
  /// Any one of several.
  static result<grammar> try_any_of(std::span<const grammar> parts, const grammar_limits& most = {});
  /// One so many times in a row.
  static result<grammar> try_repeat(const grammar& part, std::uint32_t least, std::uint32_t most_times,
                                    const grammar_limits& most = {});
  /// A text that is itself.
  /// @cost  about a hundred bytes a character
  static grammar literal(std::string_view text);
#if NIBBLE_EXCEPTIONS
  static grammar from_gbnf(std::string_view text, const grammar_limits& most = {}) { return try_from_gbnf(text, most).value(); }
  static grammar from_gbnf(std::string_view text, const tokenizer& words, const grammar_limits& most = {}) {
    return try_from_gbnf(text, words, most).value();
  }
  static grammar from_regex(std::string_view expression, const grammar_limits& most = {}) {
    return try_from_regex(expression, most).value();
  }
  static grammar from_choices(std::span<const std::string> choices, const grammar_limits& most = {}) {
    return try_from_choices(choices, most).value();
  }
  static grammar from_choices(std::initializer_list<std::string> choices) {
    return try_from_choices({choices.begin(), choices.size()}).value();
  }
  static grammar from_schema(const json& schema, const grammar_limits& most = {}) {
    return try_from_schema(schema, most).value();
  }
  static grammar from_schema(const char* schema, const grammar_limits& most = {}) {
    return try_from_schema(std::string_view(schema), most).value();
  }
  static grammar from_schema(const std::string& schema, const grammar_limits& most = {}) {
    return try_from_schema(std::string_view(schema), most).value();
  }
  static grammar from_schema(std::string_view schema, const grammar_limits& most = {}) {
    return try_from_schema(schema, most).value();
  }
  static grammar sequence(std::span<const grammar> parts, const grammar_limits& most = {}) {
    return try_sequence(parts, most).value();
  }
  static grammar any_of(std::span<const grammar> parts, const grammar_limits& most = {}) {
    return try_any_of(parts, most).value();
  }
  static grammar repeat(const grammar& part, std::uint32_t least, std::uint32_t most_times, const grammar_limits& most = {}) {
    return try_repeat(part, least, most_times, most).value();
  }
#endif

 private:
  friend struct detail::grammar_parts;
  explicit grammar(std::shared_ptr<const detail::grammar_program> program) noexcept : program_(std::move(program)) {}

  std::shared_ptr<const detail::grammar_program> program_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
