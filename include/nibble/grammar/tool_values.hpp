/// tool_values: arguments of tools in the notations that are no JSON: Python's literals, Gemma's objects, plain text in marks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/grammar/keyword_values.hpp"
#include "nibble/grammar/mark_speller.hpp"
#include "nibble/grammar/program_builder.hpp"
#include "nibble/grammar/schema_document.hpp"
#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// How a notation writes values.
struct value_notation {
  std::string_view quote = {};  ///< around texts, which do not have it; empty: texts are those of JSON
  std::string_view truth = "true", untruth = "false", nothing = "null";
  bool quoted_keys = true;  ///< of objects inside
  std::string_view behind_key = ": ", between = ", ";
};
inline constexpr value_notation python_notation{{}, "True", "False", "None"};
inline constexpr value_notation gemma_notation{"<|\"|>", "true", "false", "null", false, ":", ","};

/// What an object's schema says that a list of its members, each at most once, may not meet: a sentence, or nothing.
std::string unmet_by_members(const json& schema);

/// A tool that may be called.
struct tool_shape {
  std::string name;
  json schema;  ///< of its arguments: an object

  /// What the schema says of a member, with the definitions that it may refer to.
  json member_schema(const json& member) const;
};

/// The patterns of the values that a schema allows.
class value_rules {
 public:
  using id = patterns::id;
  value_rules(program_builder& out, const mark_speller& speller, const value_notation& how, const tool_shape& tool)
      : out_(out), speller_(speller), how_(how), tool_(tool) {}

  /// @param where  begins the sentence of an error
  id value(const json& schema, const std::string& where, std::size_t depth = 0);
  /// The members of an object, in its order. @param before_value  stands behind a name
  id members(const json& schema, bool quoted_keys, std::string_view before_value, const std::string& where, std::size_t depth);

 private:
  id of_type(std::string_view type, const json& schema, const std::string& where, std::size_t depth);
  id any_of(const json& schema, std::string_view key, const std::string& where, std::size_t depth);
  id array(const json& schema, const std::string& where, std::size_t depth);
  id listed(const json& schema, std::span<const json> values, const std::string& where, std::size_t depth);
  id written(const json& value, std::size_t depth);
  id text(const json& schema, const std::string& where);
  id literal(std::string_view text) { return out_.text(characters_of(text)); }
  id refuse(const std::string& where, std::string_view what) {
    out_.fail(error(errc::bad_value, where + std::string(what)));
    return out_.nothing();
  }

  program_builder& out_;
  const mark_speller& speller_;
  const value_notation& how_;
  const tool_shape& tool_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
