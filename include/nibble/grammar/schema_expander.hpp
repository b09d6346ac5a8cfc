/// schema_expander: a JSON Schema multiplied out to alternatives.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/grammar/automaton.hpp"
#include "nibble/grammar/limits.hpp"
#include "nibble/grammar/schema_branch.hpp"
#include "nibble/grammar/schema_document.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

using schema_branches = std::vector<schema_branch>;

/// Follows what applies to the same value: references, allOf, anyOf, oneOf, not, if. What applies to members and items stays a
/// literal.
class schema_expander {
 public:
  schema_expander(schema_document& document, const grammar_limits& most, automaton& texts)
      : document_(document), most_(most), texts_(texts) {}

  /// The alternatives of the values that meet all literals.
  /// @errors  bad_value: a keyword that is not supported, or no schema; limit_exceeded
  result<schema_branches> expand(const std::vector<schema_literal>& all);
  /// Where the values of some literals are told of, for a sentence.
  std::string place_of(const std::vector<schema_literal>& all) const;
  /// The automaton of the strings that a branch allows without counting characters, or none.
  result<std::uint32_t> texts_of(const schema_branch& b, bool count);
  std::uint32_t any_text();
  /// The values that a schema is a list of: by enum, const, or a type that has few.
  std::optional<std::vector<json>> values_of(schema_document::id s);
  /// Counts work: a schema can ask for more of it than it has letters.
  /// @errors  limit_exceeded
  result<void> spend(std::uint64_t steps);

 private:
  using id = schema_document::id;

  using shared_branches = std::shared_ptr<const schema_branches>;
  result<shared_branches> of(schema_literal x);
  result<schema_branches> valid(id s);
  result<schema_branches> evaluated(id s);
  result<schema_branches> invalid(id s);

  // keywords
  result<void> assertions(id s, schema_branch& b);
  result<void> number_keywords(id s, schema_branch& b);
  result<void> string_keywords(id s, schema_branch& b);
  result<void> array_keywords(id s, schema_branch& b);
  result<void> object_keywords(id s, schema_branch& b);
  result<void> property_names(id s, schema_branch& b);
  result<schema_branches> one_of_values(id s, std::string_view keyword, std::vector<const json*> values);
  result<schema_branches> none_of_values(id s, std::string_view keyword, std::vector<const json*> values);
  result<void> invalid_types(id s, schema_branches& out);
  result<void> invalid_numbers(id s, schema_branches& out);
  result<void> invalid_strings(id s, schema_branches& out);
  result<void> invalid_lists(id s, schema_branches& out);
  result<void> invalid_arrays(id s, schema_branches& out);
  result<void> invalid_objects(id s, schema_branches& out);
  void invalid_members(const schema_branch::members& g, schema_branches& out);
  result<void> invalid_dependencies(id s, schema_branches& out);
  result<void> invalid_unevaluated(id s, schema_branches& out);
  result<void> invalid_in_place(id s, schema_branches& out);
  result<void> invalid_choices(id s, schema_branches& out);
  result<void> invalid_condition(id s, schema_branches& out);
  result<void> in_place(id s, schema_branches& all);
  result<void> dependencies(id s, schema_branches& all);
  result<void> any_of(id s, const json& list, schema_branches& all);
  result<void> one_of(id s, const json& list, schema_branches& all);
  result<void> unevaluated(id s, schema_branches& all);
  result<id> referenced(id s, std::string_view keyword, std::string_view reference);
  result<schema_branch::members> members_of(id s);
  result<schema_branch::items> items_of(id s);
  bool surely_disjoint(id a, id b);
  id followed(id s);

  const json* keyword(id s, std::string_view name) const { return document_.keyword(s, name, negating_); }
  id made_of(const json& value, id within);
  schema_literal either(std::vector<schema_literal> any, id within);
  schema_literal literal(id within, const json& schema, const schema_step& step);
  std::vector<schema_literal> literals(id within, const json& list, std::string_view step);
  error too_many_alternatives() const;
  result<void> meet(schema_branches& all, const schema_branches& more);
  result<void> add(schema_branches& all, schema_branches more);
  result<void> meet_of(schema_branches& all, schema_literal x);
  result<void> add_of(schema_branches& all, schema_literal x);
  result<text_literal> expression(id s, std::string_view keyword, std::string_view text, bool whole);
  result<std::optional<text_literal>> names(schema_literal x, bool& none);
  result<text_literal> list_of_texts(id s, std::string_view keyword, const std::vector<std::string>& all);
  result<void> format_keyword(id s, std::string_view name, schema_branch& b);
  error refused(id s, std::string_view keyword, std::string_view why, errc code = errc::bad_value) const {
    return document_.refusal(s, keyword, why, code);
  }

  schema_document& document_;
  const grammar_limits& most_;
  automaton& texts_;
  std::set<schema_literal> active_;
  std::map<std::pair<schema_literal, bool>, shared_branches> known_;  // and whether alternatives were to exclude each other
  std::uint64_t known_parts_ = 0, work_ = 0;
  id at_ = 0;                                    // the schema that is worked on, for sentences
  std::unordered_map<const json*, id> made_of_;  // schemas of values
  std::map<std::vector<schema_literal>, schema_literal> either_numbers_;
  std::map<id, std::vector<schema_literal>> either_;  // schemas that are made of others: one of these holds
  std::map<std::string, std::uint32_t, std::less<>> expressions_;
  bool exact_ = false;     // alternatives exclude each other
  bool negating_ = false;  // what is read is what must not hold
  std::uint32_t any_text_ = automaton::none;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
