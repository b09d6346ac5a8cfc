/// Definitions of schema_expander.hpp: what the keywords of one type say. Compiled once: see nibble/compile.hpp; never include
/// it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/schema_expander-impl.hpp"
#include "nibble/grammar/schema_expander.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The types of a keyword `type`; `whole`: of numbers, only the whole ones.
inline std::uint8_t types_of(const json& value, bool& whole) {
  std::uint8_t types = 0;
  bool number = false, integer = false;
  const auto add = [&](std::string_view name) {
    number |= name == "number", integer |= name == "integer";
    types = static_cast<std::uint8_t>(types | (name == "null"      ? schema_branch::null
                                               : name == "boolean" ? schema_branch::no | schema_branch::yes
                                               : name == "string"  ? schema_branch::string
                                               : name == "array"   ? schema_branch::array
                                               : name == "object"  ? schema_branch::object
                                                                   : schema_branch::number));
  };
  if (value.is(json_kind::string)) add(value.string());
  for (const json& name : value.items()) add(name.string());
  whole = integer && !number;
  return types;
}

result<void> schema_expander::assertions(id s, schema_branch& b) {
  if (const json* value = document_[s].find("type")) {
    bool whole = false;
    b.types &= types_of(*value, whole);
    if (whole) b.numbers.push_back({number_demand::kind::multiple, {{.whole = "1"}}});
  }
  NIBBLE_TRY(number_keywords(s, b));
  NIBBLE_TRY(string_keywords(s, b));
  NIBBLE_TRY(array_keywords(s, b));
  return object_keywords(s, b);
}

result<void> schema_expander::number_keywords(id s, schema_branch& b) {
  const json& schema = document_[s];
  using kind = number_demand::kind;
  static constexpr std::pair<std::string_view, kind> known[] = {{"minimum", kind::at_least},
                                                                {"maximum", kind::at_most},
                                                                {"exclusiveMinimum", kind::above},
                                                                {"exclusiveMaximum", kind::below},
                                                                {"multipleOf", kind::multiple}};
  for (const auto& [key, what] : known) {
    const json* value = schema.find(key);
    if (!value) continue;
    if (value->is(json_kind::boolean)) {  // of the bound beside it
      const std::string_view bound = key == "exclusiveMinimum" ? "minimum" : "maximum";
      if (!schema.find(bound)) return refused(s, key, "true or false says nothing without " + std::string(bound));
      continue;
    }
    kind meant = what;
    const json* exclusive = schema.find(key == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum");
    if (exclusive && exclusive->is(json_kind::boolean) && exclusive->boolean()) {
      if (key == "minimum") meant = kind::above;
      if (key == "maximum") meant = kind::below;
    }
    b.numbers.push_back({meant, {*decimal_of(value->digits())}});
  }
  return {};
}

result<text_literal> schema_expander::expression(id s, std::string_view keyword, std::string_view text, bool whole) {
  std::string key(whole ? "w" : "a");
  key += text;
  const auto known = expressions_.find(key);
  if (known != expressions_.end()) return known->second == automaton::none ? opposite(2 * any_text()) : 2 * known->second;
  auto start = add_regex(text, whole ? regex_extent::whole : regex_extent::anywhere, most_, texts_);
  if (!start)
    return refused(s, keyword, std::string("the expression ") + std::string(text) + ": " + start.failure().what(),
                   start.failure().code() == errc::malformed ? errc::bad_value : start.failure().code());
  expressions_.emplace(std::move(key), *start);
  return *start == automaton::none ? opposite(2 * any_text()) : 2 * *start;
}

std::uint32_t schema_expander::any_text() {
  if (any_text_ == automaton::none) {
    any_text_ = texts_.add({.tag = 0});
    texts_[any_text_].edges = {{0, 0xD7FF, any_text_}, {0xE000, char_set::last, any_text_}};
  }
  return any_text_;
}

result<void> schema_expander::string_keywords(id s, schema_branch& b) {
  const json& schema = document_[s];
  if (const json* value = schema.find("minLength")) {
    const std::uint32_t n = count_of(*value);
    if (n > most_.states)
      return refused(s, "minLength", "more characters than a text could have: at most " + std::to_string(most_.states),
                     errc::limit_exceeded);
    b.least_characters = n;
  }
  if (const json* value = schema.find("maxLength")) b.most_characters = count_of(*value);
  if (const json* value = schema.find("pattern")) {
    auto x = expression(s, "pattern", value->string(), false);
    if (!x) return std::move(x).failure();
    b.texts.push_back(*x);
  }
  if (const json* value = schema.find("format")) return format_keyword(s, value->string(), b);
  return {};
}

/// Where a format is not known exactly, what must not be of it has to lie beyond all that might be.
result<void> schema_expander::format_keyword(id s, std::string_view name, schema_branch& b) {
  const auto* f = std::find_if(std::begin(string_formats), std::end(string_formats),
                               [&](const string_format& x) { return x.name == name; });
  if (f == std::end(string_formats)) return {};
  if (negating_ && f->beyond == any_text_at_all)
    return refused(s, "format", "the opposite of \"" + std::string(name) + "\" is not supported");
  auto x = expression(s, "format", negating_ && !f->beyond.empty() ? f->beyond : f->expression, true);
  if (!x) return std::move(x).failure();
  b.texts.push_back(*x);
  return {};
}

result<schema_branch::items> schema_expander::items_of(id s) {
  const json& schema = document_[s];
  schema_branch::items out;
  const json* first = keyword(s, "prefixItems");
  const json* rest = schema.find("items");
  std::string_view rest_name = "items", first_name = "prefixItems";
  if (rest && rest->is(json_kind::array)) {
    if (!document_.lists_items(s) && negating_) return refused(s, "items", "expected a schema");
    first = rest, first_name = "items", rest = keyword(s, "additionalItems"), rest_name = "additionalItems";
  }
  if (first) out.first = literals(s, *first, first_name);
  if (rest) out.rest = literal(s, *rest, {rest_name});
  return out;
}

result<void> schema_expander::array_keywords(id s, schema_branch& b) {
  const json& schema = document_[s];
  auto places = items_of(s);
  if (!places) return std::move(places).failure();
  b.seen_items = static_cast<std::uint32_t>(places->first.size());
  const json* items = schema.find("items");
  if (items && (!items->is(json_kind::array) || keyword(s, "additionalItems"))) b.seen_items = schema_branch::unlimited;
  if (!places->first.empty() || places->rest != anything) b.places.push_back(*std::move(places));
  for (const std::string_view key : {"minItems", "maxItems"}) {
    const json* value = schema.find(key);
    if (!value) continue;
    const std::uint32_t n = count_of(*value);
    key == "minItems" ? b.least_items = n : b.most_items = n;
    if (key == "minItems" && n > most_.states)
      return refused(s, key, "more items than a text could have: at most " + std::to_string(most_.states),
                     errc::limit_exceeded);
  }
  if (const json* value = schema.find("uniqueItems")) b.unique = value->boolean();
  if (const json* value = keyword(s, "contains")) {
    const schema_literal x = literal(s, *value, {"contains"});
    schema_branch::contained demand{x};
    for (const std::string_view key : {"minContains", "maxContains"}) {
      const json* n = keyword(s, key);
      if (n) (key == "minContains" ? demand.least : demand.most) = count_of(*n);
    }
    if (demand.least > 0 || demand.most != schema_branch::unlimited) b.contains.push_back(demand);
    if (!document_.is_2019(s)) b.seen_containing.push_back(x);
  }
  return {};
}

result<schema_branch::members> schema_expander::members_of(id s) {
  const json& schema = document_[s];
  schema_branch::members out;
  if (const json* value = schema.find("properties")) {
    for (const json::member& m : value->members()) out.named.emplace(m.key, literal(s, m.value, {"properties", m.key}));
  }
  if (const json* value = schema.find("patternProperties")) {
    for (const json::member& m : value->members()) {
      const schema_literal x = literal(s, m.value, {"patternProperties", m.key});
      auto fits = expression(s, "patternProperties", m.key, false);
      if (!fits) return std::move(fits).failure();
      out.fitting.emplace_back(*fits, x);
    }
  }
  if (const json* value = schema.find("additionalProperties")) out.others = literal(s, *value, {"additionalProperties"});
  return out;
}

result<void> schema_expander::object_keywords(id s, schema_branch& b) {
  const json& schema = document_[s];
  auto members = members_of(s);
  if (!members) return std::move(members).failure();
  for (const auto& [name, x] : members->named) b.seen_members.named.emplace(name, anything);
  for (const auto& [fits, x] : members->fitting) b.seen_members.fitting.emplace_back(fits, anything);
  if (schema.find("additionalProperties")) b.seen_members.others = anything;
  if (*members != schema_branch::members{}) b.groups.push_back(*std::move(members));
  if (const json* value = schema.find("required")) {
    for (const json& name : value->items()) b.required.emplace_back(name.string());
    sort_names(b.required);
  }
  for (const std::string_view key : {"minProperties", "maxProperties"}) {
    const json* value = schema.find(key);
    if (!value) continue;
    const std::uint32_t n = count_of(*value);
    key == "minProperties" ? b.least_members = n : b.most_members = n;
    if (key == "minProperties" && n > most_.states)
      return refused(s, key, "more members than a text could have: at most " + std::to_string(most_.states),
                     errc::limit_exceeded);
  }
  return property_names(s, b);
}

/// Names that are not valid have no value. Of those that must not be valid only the ones count that surely are not.
result<void> schema_expander::property_names(id s, schema_branch& b) {
  const json* value = keyword(s, "propertyNames");
  if (!value) return {};
  const schema_literal x = literal(s, *value, {"propertyNames"});
  bool none = false;
  auto fits = names(negating_ ? opposite(x) : x, none);
  if (!fits) return std::move(fits).failure();
  const bool all = !none && !*fits;
  if (negating_ ? all : none) b.groups.push_back({.named = {}, .fitting = {}, .others = nothing});
  if (!none && !all) {
    const text_literal forbidden = negating_ ? **fits : opposite(**fits);
    b.groups.push_back({.named = {}, .fitting = {{forbidden, nothing}}, .others = anything});
  }
  return {};
}

/// The texts that are valid as names; empty: all are. `none`: not one is.
result<std::optional<text_literal>> schema_expander::names(schema_literal x, bool& none) {
  auto all = of(x);
  if (!all) return std::move(all).failure();
  std::vector<std::uint32_t> starts;
  for (const schema_branch& b : **all) {
    if ((b.types & schema_branch::string) == 0) continue;
    auto start = texts_of(b, true);
    if (!start) return std::move(start).failure();
    if (*start == any_text()) return std::optional<text_literal>();
    if (*start != automaton::none) starts.push_back(*start);
  }
  none = starts.empty();
  if (none) return std::optional<text_literal>();
  auto either = add_product(
      texts_, starts,
      [](std::span<const std::uint32_t> tags) {
        return std::any_of(tags.begin(), tags.end(), [](std::uint32_t t) { return t != automaton::none; }) ? 0u
                                                                                                           : automaton::none;
      },
      most_.states, texts_);
  if (!either) return std::move(either).failure().in("propertyNames");
  return std::optional<text_literal>(2 * *either);
}

result<std::uint32_t> schema_expander::texts_of(const schema_branch& b, bool counted) {
  const bool counts = counted && (b.least_characters > 0 || b.most_characters != schema_branch::unlimited);
  std::vector<std::uint32_t> starts = {any_text()};
  std::vector<bool> wanted = {true};
  for (const text_literal x : b.texts) starts.push_back(x / 2), wanted.push_back(x % 2 == 0);
  if (counts) {
    const std::uint32_t longest = b.most_characters == schema_branch::unlimited ? b.least_characters : b.most_characters;
    std::uint32_t at = texts_.add({.tag = 0});
    const auto reads = [](std::uint32_t to) {
      return std::vector<automaton::edge>{{0, 0xD7FF, to}, {0xE000, char_set::last, to}};
    };
    if (b.most_characters == schema_branch::unlimited) texts_[at].edges = reads(at);
    if (texts_.size() + longest > most_.states) return too_many_states(most_.states).in("the lengths of strings");
    for (std::uint32_t n = longest; n > 0; --n)
      at = texts_.add({.edges = reads(at), .tag = n - 1 >= b.least_characters ? 0u : automaton::none});
    starts.push_back(at), wanted.push_back(true);
  }
  if (starts.size() == 1) return any_text();
  if (starts.size() == 2 && wanted[1]) return starts[1];
  const auto first = static_cast<std::uint32_t>(texts_.size());
  auto start = add_product(
      texts_, starts,
      [&](std::span<const std::uint32_t> tags) {
        for (std::size_t i = 0; i < tags.size(); ++i)
          if ((tags[i] != automaton::none) != wanted[i]) return automaton::none;
        return 0u;
      },
      most_.states, texts_);
  if (!start) return std::move(start).failure().in("pattern");
  std::vector<bool> alive;
  remove_dead_ends(texts_, {}, first, alive);
  return alive[*start - first] ? *start : automaton::none;
}

result<text_literal> schema_expander::list_of_texts(id s, std::string_view keyword, const std::vector<std::string>& all) {
  auto root = add_texts(all, text_tags::alike, most_.states, texts_);
  if (!root) return refused(s, keyword, root.failure().what(), root.failure().code());
  return 2 * *root;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
