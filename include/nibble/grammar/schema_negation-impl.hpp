/// Definitions of schema_expander.hpp: what a value must be to be invalid. Compiled once: see nibble/compile.hpp; never include
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

#include "nibble/grammar/schema_applicators-impl.hpp"
#include "nibble/grammar/schema_expander.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

result<schema_branches> schema_expander::invalid(id s) {
  const json& schema = document_[s];
  if (schema.is(json_kind::boolean)) return schema.boolean() ? schema_branches{} : schema_branches{{}};
  if (const auto made = either_.find(s); made != either_.end()) {
    schema_branches none = {{}};
    for (const schema_literal x : made->second) NIBBLE_TRY(meet_of(none, opposite(x)));
    return none;
  }
  schema_branches out;
  for (const std::string_view key : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    const json* reference = keyword(s, key);
    if (!reference) continue;
    auto target = referenced(s, key, reference->string());
    if (!target) return std::move(target).failure();
    NIBBLE_TRY(add_of(out, opposite(literal_of(*target))));
    if (document_.ignores_siblings(s)) return out;
  }
  for (const auto part :
       {&schema_expander::invalid_types, &schema_expander::invalid_numbers, &schema_expander::invalid_strings,
        &schema_expander::invalid_lists, &schema_expander::invalid_arrays, &schema_expander::invalid_objects,
        &schema_expander::invalid_dependencies, &schema_expander::invalid_unevaluated, &schema_expander::invalid_in_place,
        &schema_expander::invalid_choices, &schema_expander::invalid_condition})
    NIBBLE_TRY((this->*part)(s, out));
  for (schema_branch& b : out) b.have_seen_nothing();
  return out;
}

result<void> schema_expander::invalid_types(id s, schema_branches& out) {
  const json* value = document_[s].find("type");
  if (!value) return {};
  bool whole = false;
  const std::uint8_t types = types_of(*value, whole);
  if (without(types) != 0) out.push_back(of_type(without(types)));
  if (!whole) return {};
  schema_branch b = of_type(schema_branch::number);
  b.numbers.push_back({number_demand::kind::no_multiple, {{.whole = "1"}}});
  out.push_back(std::move(b));
  return {};
}

result<void> schema_expander::invalid_numbers(id s, schema_branches& out) {
  schema_branch own;
  NIBBLE_TRY(number_keywords(s, own));
  for (number_demand d : own.numbers) {
    using kind = number_demand::kind;
    d.what = d.what == kind::at_least  ? kind::below
             : d.what == kind::above   ? kind::at_most
             : d.what == kind::at_most ? kind::above
             : d.what == kind::below   ? kind::at_least
                                       : kind::no_multiple;
    schema_branch b = of_type(schema_branch::number);
    b.numbers.push_back(std::move(d));
    out.push_back(std::move(b));
  }
  return {};
}

result<void> schema_expander::invalid_strings(id s, schema_branches& out) {
  schema_branch own;
  NIBBLE_TRY(string_keywords(s, own));
  for (const text_literal x : own.texts) {
    schema_branch b = of_type(schema_branch::string);
    b.texts.push_back(opposite(x));
    out.push_back(std::move(b));
  }
  if (own.least_characters > 0) {
    schema_branch b = of_type(schema_branch::string);
    b.most_characters = own.least_characters - 1;
    out.push_back(std::move(b));
  }
  if (own.most_characters != schema_branch::unlimited) {
    schema_branch b = of_type(schema_branch::string);
    b.least_characters = own.most_characters + 1;
    out.push_back(std::move(b));
  }
  return {};
}

result<void> schema_expander::invalid_lists(id s, schema_branches& out) {
  for (const std::string_view key : {"const", "enum"}) {
    const json* value = keyword(s, key);
    if (!value) continue;
    std::vector<const json*> list;
    if (key == "const") list.push_back(value);
    for (const json& v : value->items())
      if (key == "enum") list.push_back(&v);
    auto more = none_of_values(s, key, std::move(list));
    if (!more) return std::move(more).failure();
    NIBBLE_TRY(add(out, *std::move(more)));
  }
  return {};
}

result<void> schema_expander::invalid_arrays(id s, schema_branches& out) {
  schema_branch own;
  NIBBLE_TRY(array_keywords(s, own));
  if (own.unique) return refused(s, "uniqueItems", "its opposite is not supported");
  const auto add_array = [&](auto change) {
    schema_branch b = of_type(schema_branch::array);
    change(b);
    out.push_back(std::move(b));
  };
  for (const schema_branch::items& places : own.places) {
    for (std::size_t i = 0; i < places.first.size(); ++i) {
      if (places.first[i] == anything) continue;
      add_array([&](schema_branch& b) {
        std::vector<schema_literal> first(i, anything);
        first.push_back(opposite(places.first[i]));
        b.places.push_back({std::move(first), anything});
        b.least_items = static_cast<std::uint32_t>(i + 1);
      });
    }
    if (places.rest == nothing) {
      add_array([&](schema_branch& b) { b.least_items = static_cast<std::uint32_t>(places.first.size() + 1); });
    } else if (places.rest != anything) {
      add_array([&](schema_branch& b) {
        b.contains.push_back({opposite(places.rest), static_cast<std::uint32_t>(places.first.size())});
      });
    }
  }
  if (own.least_items > 0) add_array([&](schema_branch& b) { b.most_items = own.least_items - 1; });
  if (own.most_items != schema_branch::unlimited) add_array([&](schema_branch& b) { b.least_items = own.most_items + 1; });
  for (const schema_branch::contained& c : own.contains) {
    if (c.least > 0) add_array([&](schema_branch& b) { b.contains.push_back({c.what, 0, 0, c.least - 1}); });
    if (c.most != schema_branch::unlimited) add_array([&](schema_branch& b) { b.contains.push_back({c.what, 0, c.most + 1}); });
  }
  return {};
}

result<void> schema_expander::invalid_objects(id s, schema_branches& out) {
  schema_branch own;
  NIBBLE_TRY(object_keywords(s, own));
  for (const schema_branch::members& g : own.groups) invalid_members(g, out);
  for (const std::string& name : own.required) {
    out.push_back(without_member(name));
    out.back().types = schema_branch::object;
  }
  if (own.least_members > 0) {
    out.push_back(of_type(schema_branch::object));
    out.back().most_members = own.least_members - 1;
  }
  if (own.most_members != schema_branch::unlimited) {
    out.push_back(of_type(schema_branch::object));
    out.back().least_members = own.most_members + 1;
  }
  return {};
}

/// A member of which the value is another than a group says.
void schema_expander::invalid_members(const schema_branch::members& g, schema_branches& out) {
  for (const auto& [name, x] : g.named) {
    if (x == anything) continue;
    schema_branch b = of_type(schema_branch::object);
    b.required.push_back(name);
    b.groups.push_back({.named = {{name, opposite(x)}}, .fitting = {}, .others = anything});
    out.push_back(std::move(b));
  }
  for (const auto& [fits, x] : g.fitting) {
    if (x == anything) continue;
    schema_branch b = of_type(schema_branch::object);
    b.some.push_back({.named = {}, .fitting = {{fits, opposite(x)}}, .others = nothing});
    out.push_back(std::move(b));
  }
  if (g.others == anything) return;
  schema_branch::members some{.named = {}, .fitting = {}, .others = opposite(g.others)};
  for (const auto& [name, x] : g.named) some.named.emplace(name, nothing);
  for (const auto& [fits, x] : g.fitting) some.fitting.emplace_back(fits, nothing);
  schema_branch b = of_type(schema_branch::object);
  b.some.push_back(std::move(some));
  out.push_back(std::move(b));
}

result<void> schema_expander::invalid_dependencies(id s, schema_branches& out) {
  for (const std::string_view keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const json* value = this->keyword(s, keyword);
    if (!value) continue;
    for (const json::member& m : value->members()) {
      if (m.value.is(json_kind::array)) {
        for (const json& name : m.value.items()) {
          schema_branch b = without_member(std::string(name.string()));
          if (narrow(b, with_member(m.key))) out.push_back(std::move(b));
        }
        continue;
      }
      const schema_literal x = literal(s, m.value, {keyword, m.key});
      schema_branches both = {with_member(m.key)};
      NIBBLE_TRY(meet_of(both, opposite(x)));
      NIBBLE_TRY(add(out, std::move(both)));
    }
  }
  return {};
}

/// All else holds, and a member that nothing looked at is not valid.
result<void> schema_expander::invalid_unevaluated(id s, schema_branches& out) {
  if (const json* value = keyword(s, "unevaluatedItems"); value && !(value->is(json_kind::boolean) && value->boolean()))
    return refused(s, "unevaluatedItems", "its opposite is not supported");
  const json* value = keyword(s, "unevaluatedProperties");
  if (!value) return {};
  const schema_literal x = literal(s, *value, {"unevaluatedProperties"});
  const bool exact = std::exchange(exact_, true), negating = std::exchange(negating_, false);
  auto others = evaluated(s);
  exact_ = exact, negating_ = negating;
  if (!others) return std::move(others).failure();
  for (schema_branch& b : *others) {
    if (b.seen_members.others == anything || x == anything) continue;
    schema_branch::members some = b.seen_members;
    for (auto& [name, seen] : some.named) seen = nothing;
    for (auto& [fits, seen] : some.fitting) seen = nothing;
    some.others = opposite(x);
    b.some.push_back(std::move(some));
    b.types &= schema_branch::object;
    if (b.types != 0) out.push_back(std::move(b));
  }
  return {};
}

result<void> schema_expander::invalid_in_place(id s, schema_branches& out) {
  const json& schema = document_[s];
  if (const json* list = schema.find("allOf")) {
    for (const schema_literal x : literals(s, *list, "allOf")) NIBBLE_TRY(add_of(out, opposite(x)));
  }
  if (const json* value = schema.find("not")) NIBBLE_TRY(add_of(out, literal(s, *value, {"not"})));
  return {};
}

/// None of the alternatives holds, or two of which one alone should.
result<void> schema_expander::invalid_choices(id s, schema_branches& out) {
  for (const std::string_view key : {"anyOf", "oneOf"}) {
    const json* list = document_[s].find(key);
    if (!list) continue;
    const std::vector<schema_literal> parts = literals(s, *list, key);
    schema_branches none = {{}};
    for (const schema_literal x : parts) {
      NIBBLE_TRY(meet_of(none, opposite(x)));
    }
    NIBBLE_TRY(add(out, std::move(none)));
    for (std::size_t i = 0; i < parts.size() && key == "oneOf"; ++i) {
      for (std::size_t k = i + 1; k < parts.size(); ++k) {
        schema_branches two = {{}};
        NIBBLE_TRY(meet_of(two, parts[i]));
        NIBBLE_TRY(meet_of(two, parts[k]));
        NIBBLE_TRY(add(out, std::move(two)));
      }
    }
  }
  return {};
}

result<void> schema_expander::invalid_condition(id s, schema_branches& out) {
  const json& schema = document_[s];
  const json* condition = keyword(s, "if");
  if (!condition) return {};
  const schema_literal x = literal(s, *condition, {"if"});
  for (const std::string_view key : {"then", "else"}) {
    const json* value = schema.find(key);
    if (!value) continue;
    const schema_literal y = literal(s, *value, {key});
    schema_branches both;
    NIBBLE_TRY(add_of(both, key == "then" ? x : opposite(x)));
    NIBBLE_TRY(meet_of(both, opposite(y)));
    NIBBLE_TRY(add(out, std::move(both)));
  }
  return {};
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
