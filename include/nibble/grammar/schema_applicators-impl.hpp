/// Definitions of schema_expander.hpp: values, and schemas in schemas. Compiled once: see nibble/compile.hpp; never include it
/// yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/schema_expander.hpp"
#include "nibble/grammar/schema_keywords-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A schema that says what an array or object is, for const.
inline json schema_of_value(const json& value) {
  json schema = json::object();
  if (value.is(json_kind::array)) {
    std::vector<json> items;
    for (const json& item : value.items()) {
      json one = json::object();
      one.set("const", item);
      items.push_back(std::move(one));
    }
    schema.set("type", "array");
    schema.set("minItems", static_cast<std::int64_t>(items.size()));
    schema.set("maxItems", static_cast<std::int64_t>(items.size()));
    schema.set("prefixItems", json::array(std::move(items)));
    return schema;
  }
  std::vector<json::member> properties;
  std::vector<json> required;
  for (const json::member& m : value.members()) {
    properties.push_back({m.key, json::object({{"const", m.value}})});
    required.emplace_back(m.key);
  }
  schema.set("type", "object");
  schema.set("required", json::array(std::move(required)));
  schema.set("additionalProperties", false);
  schema.set("properties", json::object(std::move(properties)));
  return schema;
}

/// The schema of a value that is an array or an object.
schema_expander::id schema_expander::made_of(const json& value, id within) {
  const auto [found, is_new] = made_of_.try_emplace(&value, 0);
  if (is_new) found->second = document_.add_made(schema_of_value(value), within, "const");
  return found->second;
}

/// Values of enum and const by kind.
struct listed_values {
  std::uint8_t types = 0;  // of null, no, yes
  std::vector<decimal> numbers = {};
  std::vector<std::string> texts = {};
  std::vector<const json*> others = {};
  bool ok = true;
};
inline listed_values sorted_values(const std::vector<const json*>& values) {
  listed_values out;
  for (const json* v : values) {
    switch (v->kind()) {
      case json_kind::null:
        out.types |= schema_branch::null;
        break;
      case json_kind::boolean:
        out.types |= v->boolean() ? schema_branch::yes : schema_branch::no;
        break;
      case json_kind::number: {
        const auto n = decimal_of(v->digits());
        out.ok &= n.has_value();
        if (n) out.numbers.push_back(*n);
        break;
      }
      case json_kind::string:
        out.texts.emplace_back(v->string());
        break;
      default:
        out.others.push_back(v);
    }
  }
  return out;
}

result<schema_branches> schema_expander::one_of_values(id s, std::string_view keyword, std::vector<const json*> values) {
  const listed_values all = sorted_values(values);
  if (!all.ok) return refused(s, keyword, "a number with an exponent beyond 400");
  schema_branches out;
  schema_branch plain = of_type(all.types);
  if (!all.numbers.empty())
    plain.types |= schema_branch::number, plain.numbers.push_back({number_demand::kind::one_of, all.numbers});
  if (!all.texts.empty()) {
    auto list = list_of_texts(s, keyword, all.texts);
    if (!list) return std::move(list).failure();
    plain.types |= schema_branch::string, plain.texts.push_back(*list);
  }
  if (plain.types != 0) out.push_back(std::move(plain));
  for (const json* v : all.others) {
    NIBBLE_TRY(add_of(out, literal_of(made_of(*v, s))));
  }
  for (schema_branch& b : out) b.have_seen_nothing();
  return out;
}

result<schema_branches> schema_expander::none_of_values(id s, std::string_view keyword, std::vector<const json*> values) {
  const listed_values all = sorted_values(values);
  if (!all.ok) return refused(s, keyword, "a number with an exponent beyond 400");
  schema_branch rest = of_type(without(all.types));
  if (!all.numbers.empty()) rest.numbers.push_back({number_demand::kind::none_of, all.numbers});
  if (!all.texts.empty()) {
    auto list = list_of_texts(s, keyword, all.texts);
    if (!list) return std::move(list).failure();
    rest.texts.push_back(opposite(*list));
  }
  schema_branches out = {rest};
  for (const json* v : all.others) {
    NIBBLE_TRY(meet_of(out, opposite(literal_of(made_of(*v, s)))));
  }
  return out;
}

/// A member that may not be there, or what is no object.
inline schema_branch without_member(const std::string& name) {
  schema_branch b;
  b.groups.push_back({.named = {{name, nothing}}, .fitting = {}, .others = anything});
  return b;
}
inline schema_branch with_member(const std::string& name) {
  schema_branch b = of_type(schema_branch::object);
  b.required.push_back(name);
  return b;
}

result<void> schema_expander::dependencies(id s, schema_branches& all) {
  for (const std::string_view keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const json* value = this->keyword(s, keyword);
    if (!value) continue;
    for (const json::member& m : value->members()) {
      schema_branch with = with_member(m.key);
      schema_branches either = {without_member(m.key)};
      if (m.value.is(json_kind::array)) {
        for (const json& name : m.value.items()) with.required.emplace_back(name.string());
        sort_names(with.required);
        either.push_back(std::move(with));
      } else {
        schema_branches both = {with};
        NIBBLE_TRY(meet_of(both, literal(s, m.value, {keyword, m.key})));
        NIBBLE_TRY(add(either, std::move(both)));
      }
      NIBBLE_TRY(meet(all, either));
    }
  }
  return {};
}

result<void> schema_expander::in_place(id s, schema_branches& all) {
  const json& schema = document_[s];
  if (const json* list = schema.find("allOf")) {
    for (const schema_literal x : literals(s, *list, "allOf")) NIBBLE_TRY(meet_of(all, x));
  }
  if (const json* list = schema.find("anyOf")) NIBBLE_TRY(any_of(s, *list, all));
  if (const json* list = schema.find("oneOf")) NIBBLE_TRY(one_of(s, *list, all));
  if (const json* value = schema.find("not")) NIBBLE_TRY(meet_of(all, opposite(literal(s, *value, {"not"}))));
  const json* condition = keyword(s, "if");
  const json* then = schema.find("then");
  const json* otherwise = schema.find("else");
  if (condition && (then || otherwise || document_.has_unevaluated())) {
    const schema_literal x = literal(s, *condition, {"if"});
    schema_branches yes = {{}}, no = {{}};
    NIBBLE_TRY(meet_of(yes, x));
    NIBBLE_TRY(meet_of(yes, then ? literal(s, *then, {"then"}) : anything));
    NIBBLE_TRY(meet_of(no, opposite(x)));
    NIBBLE_TRY(meet_of(no, otherwise ? literal(s, *otherwise, {"else"}) : anything));
    NIBBLE_TRY(add(yes, std::move(no)));
    NIBBLE_TRY(meet(all, yes));
  }
  return {};
}

result<void> schema_expander::any_of(id s, const json& list, schema_branches& all) {
  const std::vector<schema_literal> parts = literals(s, list, "anyOf");
  schema_branches either;
  if (!document_.has_unevaluated()) {
    for (const schema_literal x : parts) NIBBLE_TRY(add_of(either, x));
    return meet(all, either);
  }
  if (parts.size() > 6) return refused(s, "anyOf", "more than 6 alternatives beside unevaluated members or items");
  for (std::uint32_t set = 1; set < 1u << parts.size(); ++set) {  // all that may be valid together, for what they look at
    schema_branches together = {{}};
    for (std::size_t i = 0; i < parts.size(); ++i)
      if ((set >> i & 1) != 0 || exact_) NIBBLE_TRY(meet_of(together, (set >> i & 1) != 0 ? parts[i] : opposite(parts[i])));
    NIBBLE_TRY(add(either, std::move(together)));
  }
  return meet(all, either);
}

/// Steps to find out whether two schemas are surely disjoint.
inline std::uint64_t cost_of_comparing(const json& a, const json& b) {
  const auto members = [](const json& schema) {
    const json* properties = schema.find("properties");
    return std::uint64_t{properties ? properties->members().size() : 0};
  };
  const auto listed = [](const json& schema) {
    const json* list = schema.find("enum");
    return std::uint64_t{list ? list->items().size() : 0};
  };
  return 1 + listed(a) + listed(b) + members(a) * members(b);
}

result<void> schema_expander::one_of(id s, const json& list, schema_branches& all) {
  const std::vector<schema_literal> parts = literals(s, list, "oneOf");
  schema_branches either;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    schema_branches only = {{}};
    NIBBLE_TRY(meet_of(only, parts[i]));
    for (std::size_t k = 0; k < parts.size(); ++k) {
      const schema_literal x = parts[i], other = parts[k];
      if (k == i || other == nothing) continue;
      if (x < anything && other < anything) {
        NIBBLE_TRY(spend(cost_of_comparing(document_[followed(x / 2)], document_[followed(other / 2)])));
        if (surely_disjoint(x / 2, other / 2)) continue;
      }
      NIBBLE_TRY(meet_of(only, opposite(other)));
    }
    NIBBLE_TRY(add(either, std::move(only)));
  }
  return meet(all, either);
}

/// The schema that references lead to, where they are all that it has.
schema_expander::id schema_expander::followed(id s) {
  for (int i = 0; i < 8; ++i) {
    const json* reference = document_[s].find("$ref");
    if (!reference) break;
    const auto next = document_.find(s, reference->string());
    if (!next) break;
    s = *next;
  }
  return s;
}

std::optional<std::vector<json>> schema_expander::values_of(id s) {
  s = followed(s);
  const json& schema = document_[s];
  if (schema.find("$ref") && document_.ignores_siblings(s)) return std::nullopt;
  const json* values = schema.find("enum");
  if (values && values->is(json_kind::array)) return std::vector<json>(values->items().begin(), values->items().end());
  if (const json* value = document_.keyword(s, "const", true)) return std::vector<json>{*value};
  const json* its_type = schema.find("type");
  if (its_type && its_type->string() == "boolean") return std::vector<json>{json(true), json(false)};
  if (its_type && its_type->string() == "null") return std::vector<json>{json(nullptr)};
  return std::nullopt;
}

inline std::uint8_t type_of_value(const json& v) {
  switch (v.kind()) {
    case json_kind::null:
      return schema_branch::null;
    case json_kind::boolean:
      return v.boolean() ? schema_branch::yes : schema_branch::no;
    case json_kind::number:
      return schema_branch::number;
    case json_kind::string:
      return schema_branch::string;
    case json_kind::array:
      return schema_branch::array;
    default:
      return schema_branch::object;
  }
}

/// The types that a schema names by itself: all, where it says nothing. @param knows_const  what draft 4 does not
inline std::uint8_t named_types(const json& schema, bool knows_const) {
  std::uint8_t out = schema_branch::all;
  bool whole = false;
  if (const json* t = schema.find("type")) out = types_of(*t, whole);
  if (const json* v = knows_const ? schema.find("const") : nullptr) out &= type_of_value(*v);
  if (const json* v = schema.find("enum")) {
    std::uint8_t any = 0;
    for (const json& one : v->items()) any |= type_of_value(one);
    out &= any;
  }
  return out == 0 ? std::uint8_t{schema_branch::all} : out;
}

/// The texts that a schema lists, where it lists texts alone.
inline std::vector<std::string_view> listed_texts(const json& schema, bool knows_const) {
  std::vector<std::string_view> out;
  const json* one = knows_const ? schema.find("const") : nullptr;
  if (one && one->is(json_kind::string)) out.push_back(one->string());
  const json* list = one ? nullptr : schema.find("enum");
  for (const json& item : list ? list->items() : std::span<const json>()) {
    if (!item.is(json_kind::string)) return {};
    out.push_back(item.string());
  }
  return out;
}

inline bool list_other_texts(const json& x, const json& y, bool knows_const) {
  auto one = listed_texts(x, knows_const), other = listed_texts(y, knows_const);
  if (one.empty() || other.empty()) return false;
  std::sort(one.begin(), one.end());
  return std::none_of(other.begin(), other.end(), [&](auto text) { return std::binary_search(one.begin(), one.end(), text); });
}

bool schema_expander::surely_disjoint(id a, id b) {
  a = followed(a), b = followed(b);
  const json &x = document_[a], &y = document_[b];
  const auto refers = [&](id s, const json& schema) { return document_.ignores_siblings(s) && schema.find("$ref"); };
  if (refers(a, x) || refers(b, y)) return false;
  const bool knows_const = document_.knows_const(a) && document_.knows_const(b);
  const std::uint8_t of_x = named_types(x, knows_const), of_y = named_types(y, knows_const);
  if ((of_x & of_y) == 0 || list_other_texts(x, y, knows_const)) return true;
  const json* in_x = x.find("properties");
  const json* in_y = y.find("properties");
  if (!in_x || !in_y || of_x != schema_branch::object || of_y != schema_branch::object) return false;
  for (const json::member& m : in_x->members()) {
    const json* other = in_y->find(m.key);
    if (other && (refers(a, m.value) || refers(b, *other))) continue;
    if (other && list_other_texts(m.value, *other, knows_const) && (is_required(x, m.key) || is_required(y, m.key)))
      return true;
  }
  return false;
}

result<void> schema_expander::unevaluated(id s, schema_branches& all) {
  if (const json* value = keyword(s, "unevaluatedProperties")) {
    const schema_literal x = literal(s, *value, {"unevaluatedProperties"});
    for (schema_branch& b : all) {
      if (b.seen_members.others == anything) continue;
      schema_branch::members rest = b.seen_members;
      rest.others = x;
      if (x != anything) b.groups.push_back(std::move(rest));
      b.seen_members.others = anything;
    }
    NIBBLE_TRY(meet(all, {{}}));
  }
  if (const json* value = keyword(s, "unevaluatedItems")) {
    const schema_literal x = literal(s, *value, {"unevaluatedItems"});
    for (schema_branch& b : all) {
      if (b.seen_items == schema_branch::unlimited) continue;
      schema_literal rest = x;
      if (x != anything && !b.seen_containing.empty()) {  // an item that any of them contains has been looked at
        std::vector<schema_literal> any = b.seen_containing;
        any.push_back(x);
        rest = either(std::move(any), s);
      }
      if (b.seen_items > most_.nesting) return refused(s, "unevaluatedItems", "too many places");
      if (x != anything) b.places.push_back({std::vector<schema_literal>(b.seen_items, anything), rest});
      b.seen_items = schema_branch::unlimited;
    }
  }
  return {};
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
