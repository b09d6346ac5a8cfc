/// The definitions behind schema_expander.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/automaton-impl.hpp"
#include "nibble/grammar/formats.hpp"
#include "nibble/grammar/number_texts-impl.hpp"
#include "nibble/grammar/regex-impl.hpp"
#include "nibble/grammar/schema_expander.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline schema_branch of_type(std::uint8_t types) {
  schema_branch b;
  b.types = types;
  return b;
}
inline schema_literal literal_of(std::uint32_t schema) noexcept { return schema * 2; }
inline std::uint8_t without(std::uint8_t type) noexcept { return static_cast<std::uint8_t>(schema_branch::all & ~type); }

error schema_expander::refused(id s, std::string_view keyword, std::string_view why, errc code) const {
  std::string where = document_.path(s);
  where += '/';
  where += keyword;
  return error(code, where + ": " + std::string(why));
}

result<schema_branches> schema_expander::expand(const std::vector<schema_literal>& all) {
  schema_branches out = {{}};
  for (const schema_literal x : all) NIBBLE_TRY(meet_of(out, x));
  return out;
}

result<schema_branches> schema_expander::of(schema_literal x) {
  if (x == anything) return schema_branches{{}};
  if (x == nothing) return schema_branches{};
  const id s = x / 2;
  if (!active_.insert(x).second) return refused(s, "$ref", "it leads back to itself, before any value is read");
  if (active_.size() > most_.nesting / 4) {
    return refused(s, "", "more than " + std::to_string(most_.nesting / 4) + " schemas apply to one value",
                   errc::limit_exceeded);
  }
  auto out = x % 2 == 0 ? valid(s) : invalid(s);
  active_.erase(x);
  return out;
}

result<void> schema_expander::meet(schema_branches& all, const schema_branches& more) {
  schema_branches out;
  for (const schema_branch& a : all) {
    for (const schema_branch& b : more) {
      schema_branch both = a;
      if (!narrow(both, b)) continue;
      out.push_back(std::move(both));
      if (out.size() > most_.alternatives)
        return error(errc::limit_exceeded, "more than " + std::to_string(most_.alternatives) + " alternatives");
    }
  }
  all = std::move(out);
  return {};
}
result<void> schema_expander::add(schema_branches& all, schema_branches more) {
  if (all.size() + more.size() > most_.alternatives)
    return error(errc::limit_exceeded, "more than " + std::to_string(most_.alternatives) + " alternatives");
  for (schema_branch& b : more) all.push_back(std::move(b));
  return {};
}
result<void> schema_expander::meet_of(schema_branches& all, schema_literal x) {
  if (x == anything || all.empty()) return {};
  if (x == nothing) {
    all.clear();
    return {};
  }
  auto more = of(x);
  if (!more) return std::move(more).failure();
  return meet(all, *more);
}
result<void> schema_expander::add_of(schema_branches& all, schema_literal x) {
  auto more = of(x);
  if (!more) return std::move(more).failure();
  return add(all, *std::move(more));
}

result<schema_literal> schema_expander::literal(id within, const json& schema, std::string_view step) {
  if (schema.is(json_kind::boolean)) return schema.boolean() ? anything : nothing;
  if (!schema.is(json_kind::object)) return refused(within, step, "expected a schema");
  if (schema.members().empty()) return anything;
  return literal_of(document_.number_of(schema, within, step));
}
result<std::vector<schema_literal>> schema_expander::literals(id within, const json& list, std::string_view step) {
  if (!list.is(json_kind::array)) return refused(within, step, "expected an array of schemas");
  std::vector<schema_literal> out;
  for (const json& item : list.items()) {
    auto x = literal(within, item, std::string(step) + "/" + std::to_string(out.size()));
    if (!x) return std::move(x).failure();
    out.push_back(*x);
  }
  return out;
}

result<std::uint32_t> schema_expander::count(id s, std::string_view keyword, const json& value) {
  const auto number = value.is(json_kind::number) ? decimal_of(value.digits()) : std::nullopt;
  if (!number || number->negative || !number->fraction.empty())
    return refused(s, keyword, "expected a whole number that is not negative");
  if (number->whole.size() > 9) return schema_branch::unlimited - 1;
  return static_cast<std::uint32_t>(std::stoul(number->whole));
}

// What is valid.

std::optional<std::string_view> schema_expander::reference_keyword(const json& schema) const {
  for (const std::string_view key : {"$ref", "$dynamicRef", "$recursiveRef"})
    if (schema.find(key)) return key;
  return std::nullopt;
}

result<schema_expander::id> schema_expander::referenced(id s, std::string_view keyword, std::string_view reference) {
  if (keyword == "$dynamicRef") {
    const std::string_view anchor = reference.substr((std::min)(reference.find('#') + 1, reference.size()));
    if (document_.is_dynamic(anchor))
      return refused(s, keyword, "it depends on what refers to this schema, which is not supported");
  }
  if (keyword == "$recursiveRef" && document_.resources() > 1)
    return refused(s, keyword, "it depends on what refers to this schema, which is not supported");
  auto found = document_.find(s, reference);
  if (!found) return refused(s, keyword, found.failure().what());
  return found;
}

/// Without the keywords that depend on what the others have looked at.
result<schema_branches> schema_expander::evaluated(id s) {
  const json& schema = document_[s];
  if (schema.is(json_kind::boolean)) return schema.boolean() ? schema_branches{{}} : schema_branches{};
  if (!schema.is(json_kind::object)) return refused(s, "", "expected a schema");
  schema_branches all = {{}};
  for (const std::string_view key : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    const json* reference = schema.find(key);
    if (!reference) continue;
    if (!reference->is(json_kind::string)) return refused(s, key, "expected a reference");
    auto target = referenced(s, key, reference->string());
    if (!target) return std::move(target).failure();
    NIBBLE_TRY(meet_of(all, literal_of(*target)));
    if (document_.ignores_siblings(s)) return all;
  }
  schema_branch own;
  NIBBLE_TRY(assertions(s, own));
  NIBBLE_TRY(meet(all, {own}));
  if (const json* value = schema.find("const")) {
    auto more = one_of_values(s, {value});
    if (!more) return more;
    NIBBLE_TRY(meet(all, *more));
  }
  if (const json* values = schema.find("enum")) {
    std::vector<const json*> list;
    for (const json& v : values->items()) list.push_back(&v);
    auto more = one_of_values(s, std::move(list));
    if (!more) return more;
    NIBBLE_TRY(meet(all, *more));
  }
  NIBBLE_TRY(dependencies(s, all));
  NIBBLE_TRY(in_place(s, all));
  return all;
}

result<schema_branches> schema_expander::valid(id s) {
  auto all = evaluated(s);
  if (all) NIBBLE_TRY(unevaluated(s, *all));
  return all;
}

result<void> schema_expander::assertions(id s, schema_branch& b) {
  if (const json* value = document_[s].find("type")) NIBBLE_TRY(type(s, *value, b));
  NIBBLE_TRY(number_keywords(s, b));
  NIBBLE_TRY(string_keywords(s, b));
  NIBBLE_TRY(array_keywords(s, b));
  return object_keywords(s, b);
}

/// The types of a keyword `type`; `whole`: of numbers, only the whole ones. 0: it is wrong.
inline std::uint8_t types_of(const json& value, bool& whole) {
  std::uint8_t types = 0;
  bool number = false, integer = false;
  const auto add = [&](std::string_view name) {
    number |= name == "number", integer |= name == "integer";
    const int one = name == "null"                          ? schema_branch::null
                    : name == "boolean"                     ? schema_branch::no | schema_branch::yes
                    : name == "number" || name == "integer" ? schema_branch::number
                    : name == "string"                      ? schema_branch::string
                    : name == "array"                       ? schema_branch::array
                    : name == "object"                      ? schema_branch::object
                                                            : 0;
    types = static_cast<std::uint8_t>(types | one);
    return one != 0;
  };
  bool known = true;
  if (value.is(json_kind::string)) known = add(value.string());
  for (const json& name : value.items()) known &= add(name.string());
  whole = integer && !number;
  return known ? types : std::uint8_t{0};
}

result<void> schema_expander::type(id s, const json& value, schema_branch& b) {
  bool whole = false;
  const std::uint8_t types = types_of(value, whole);
  if (types == 0) return refused(s, "type", "expected the name of a type, or a list of them");
  b.types &= types;
  if (whole) b.numbers.push_back({number_demand::kind::multiple, {{.whole = "1"}}});
  return {};
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
    if (!value || value->is(json_kind::boolean)) continue;  // a boolean: draft 4, beside minimum
    const auto number = value->is(json_kind::number) ? decimal_of(value->digits()) : std::nullopt;
    if (!number) return refused(s, key, "expected a number, with an exponent up to 400");
    if (what == kind::multiple && (number->negative || number->is_zero())) return refused(s, key, "expected a number above 0");
    kind meant = what;
    const json* exclusive = schema.find(key == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum");
    if (exclusive && exclusive->is(json_kind::boolean) && exclusive->boolean()) {
      if (key == "minimum") meant = kind::above;
      if (key == "maximum") meant = kind::below;
    }
    b.numbers.push_back({meant, {*number}});
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
    auto n = count(s, "minLength", *value);
    if (!n) return std::move(n).failure();
    b.least_characters = (std::max)(b.least_characters, *n);
  }
  if (const json* value = schema.find("maxLength")) {
    auto n = count(s, "maxLength", *value);
    if (!n) return std::move(n).failure();
    b.most_characters = (std::min)(b.most_characters, *n);
  }
  if (const json* value = schema.find("pattern")) {
    if (!value->is(json_kind::string)) return refused(s, "pattern", "expected a regular expression");
    auto x = expression(s, "pattern", value->string(), false);
    if (!x) return std::move(x).failure();
    b.texts.push_back(*x);
  }
  if (const json* value = schema.find("format")) {
    for (const string_format& f : string_formats) {
      if (value->string() != f.name) continue;
      auto x = expression(s, "format", f.expression, true);
      if (!x) return std::move(x).failure();
      b.texts.push_back(*x);
    }
  }
  return {};
}

result<schema_branch::items> schema_expander::items_of(id s) {
  const json& schema = document_[s];
  schema_branch::items out;
  const json* first = schema.find("prefixItems");
  const json* rest = schema.find("items");
  std::string_view rest_name = "items", first_name = "prefixItems";
  if (rest && rest->is(json_kind::array))
    first = rest, first_name = "items", rest = schema.find("additionalItems"), rest_name = "additionalItems";
  if (first) {
    auto all = literals(s, *first, first_name);
    if (!all) return std::move(all).failure();
    out.first = *std::move(all);
  }
  if (rest) {
    auto x = literal(s, *rest, rest_name);
    if (!x) return std::move(x).failure();
    out.rest = *x;
  }
  return out;
}

result<void> schema_expander::array_keywords(id s, schema_branch& b) {
  const json& schema = document_[s];
  auto places = items_of(s);
  if (!places) return std::move(places).failure();
  b.seen_items = static_cast<std::uint32_t>(places->first.size());
  const json* items = schema.find("items");
  if (items && (!items->is(json_kind::array) || schema.find("additionalItems"))) b.seen_items = schema_branch::unlimited;
  if (!places->first.empty() || places->rest != anything) b.places.push_back(*std::move(places));
  for (const std::string_view key : {"minItems", "maxItems"}) {
    const json* value = schema.find(key);
    if (!value) continue;
    auto n = count(s, key, *value);
    if (!n) return std::move(n).failure();
    key == "minItems" ? b.least_items = *n : b.most_items = *n;
    if (key == "minItems" && *n > most_.states)
      return refused(s, key, "more items than a text could have: at most " + std::to_string(most_.states),
                     errc::limit_exceeded);
  }
  if (const json* value = schema.find("uniqueItems")) b.unique = value->boolean();
  if (const json* value = schema.find("contains")) {
    auto x = literal(s, *value, "contains");
    if (!x) return std::move(x).failure();
    schema_branch::contained demand{*x};
    for (const std::string_view key : {"minContains", "maxContains"}) {
      const json* n_of = schema.find(key);
      if (!n_of || document_.ignores_siblings(s)) continue;
      auto n = count(s, key, *n_of);
      if (!n) return std::move(n).failure();
      key == "minContains" ? demand.least = *n : demand.most = *n;
    }
    if (demand.least > 0 || demand.most != schema_branch::unlimited) b.contains.push_back(demand);
    if (!document_.is_2019()) b.seen_containing.push_back(*x);
  }
  return {};
}

result<schema_branch::members> schema_expander::members_of(id s) {
  const json& schema = document_[s];
  schema_branch::members out;
  if (const json* value = schema.find("properties")) {
    if (!value->is(json_kind::object)) return refused(s, "properties", "expected an object of schemas");
    for (const json::member& m : value->members()) {
      auto x = literal(s, m.value, "properties/" + m.key);
      if (!x) return std::move(x).failure();
      out.named.emplace(m.key, *x);
    }
  }
  if (const json* value = schema.find("patternProperties")) {
    if (!value->is(json_kind::object)) return refused(s, "patternProperties", "expected an object of schemas");
    for (const json::member& m : value->members()) {
      auto x = literal(s, m.value, "patternProperties/" + m.key);
      if (!x) return std::move(x).failure();
      auto fits = expression(s, "patternProperties", m.key, false);
      if (!fits) return std::move(fits).failure();
      out.fitting.emplace_back(*fits, *x);
    }
  }
  if (const json* value = schema.find("additionalProperties")) {
    auto x = literal(s, *value, "additionalProperties");
    if (!x) return std::move(x).failure();
    out.others = *x;
  }
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
  if (const json* value = schema.find("required"); value && value->is(json_kind::array)) {
    for (const json& name : value->items()) {
      if (!name.is(json_kind::string)) return refused(s, "required", "expected an array of names");
      if (std::find(b.required.begin(), b.required.end(), name.string()) == b.required.end())
        b.required.emplace_back(name.string());
    }
  }
  for (const std::string_view key : {"minProperties", "maxProperties"}) {
    const json* value = schema.find(key);
    if (!value) continue;
    auto n = count(s, key, *value);
    if (!n) return std::move(n).failure();
    key == "minProperties" ? b.least_members = *n : b.most_members = *n;
    if (key == "minProperties" && *n > most_.states)
      return refused(s, key, "more members than a text could have: at most " + std::to_string(most_.states),
                     errc::limit_exceeded);
  }
  if (const json* value = schema.find("propertyNames")) {
    auto x = literal(s, *value, "propertyNames");
    if (!x) return std::move(x).failure();
    bool none = false;
    auto fits = names(*x, none);
    if (!fits) return std::move(fits).failure();
    if (none) b.groups.push_back({.named = {}, .fitting = {}, .others = nothing});
    if (!none && *fits) b.groups.push_back({.named = {}, .fitting = {{opposite(**fits), nothing}}, .others = anything});
  }
  return {};
}

/// The texts that are valid as names; empty: all are. `none`: not one is.
result<std::optional<text_literal>> schema_expander::names(schema_literal x, bool& none) {
  auto all = of(x);
  if (!all) return std::move(all).failure();
  std::vector<std::uint32_t> starts;
  for (const schema_branch& b : *all) {
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
    if (longest > most_.states)
      return error(errc::limit_exceeded, "a length of " + std::to_string(longest) + " beside a pattern");
    std::uint32_t at = texts_.add({.tag = 0});
    const auto reads = [](std::uint32_t to) {
      return std::vector<automaton::edge>{{0, 0xD7FF, to}, {0xE000, char_set::last, to}};
    };
    if (b.most_characters == schema_branch::unlimited) texts_[at].edges = reads(at);
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

text_literal schema_expander::list_of_texts(const std::vector<std::string>& all) {
  const std::uint32_t root = texts_.add({});
  for (const std::string& text : all) {
    std::uint32_t at = root;
    for (std::size_t i = 0; i < text.size();) {
      const utf8_character c = decode_utf8(text, i);
      i += c.size;
      std::uint32_t next = texts_.step(at, c.code);
      if (next == automaton::none) {
        next = texts_.add({});
        auto& edges = texts_[at].edges;
        const auto place =
            std::partition_point(edges.begin(), edges.end(), [&](const automaton::edge& e) { return e.high < c.code; });
        edges.insert(place, {c.code, c.code, next});
      }
      at = next;
    }
    texts_[at].tag = 0;
  }
  return 2 * root;
}

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
  json properties = json::object(), required = json::array();
  for (const json::member& m : value.members()) {
    json one = json::object();
    one.set("const", m.value);
    properties.set(m.key, std::move(one));
    required.push_back(m.key);
  }
  schema.set("type", "object");
  schema.set("required", std::move(required));
  schema.set("additionalProperties", false);
  schema.set("properties", std::move(properties));
  return schema;
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

result<schema_branches> schema_expander::one_of_values(id s, std::vector<const json*> values) {
  const listed_values all = sorted_values(values);
  if (!all.ok) return refused(s, "enum", "a number with an exponent beyond 400");
  schema_branches out;
  schema_branch plain = of_type(all.types);
  if (!all.numbers.empty())
    plain.types |= schema_branch::number, plain.numbers.push_back({number_demand::kind::one_of, all.numbers});
  if (!all.texts.empty()) plain.types |= schema_branch::string, plain.texts.push_back(list_of_texts(all.texts));
  if (plain.types != 0) out.push_back(std::move(plain));
  for (const json* v : all.others) {
    const id made = document_.number_of(document_.keep(schema_of_value(*v)), s, "const");
    NIBBLE_TRY(add_of(out, literal_of(made)));
  }
  return out;
}

result<schema_branches> schema_expander::none_of_values(id s, std::vector<const json*> values) {
  const listed_values all = sorted_values(values);
  if (!all.ok) return refused(s, "enum", "a number with an exponent beyond 400");
  schema_branch rest = of_type(without(all.types));
  if (!all.numbers.empty()) rest.numbers.push_back({number_demand::kind::none_of, all.numbers});
  if (!all.texts.empty()) rest.texts.push_back(opposite(list_of_texts(all.texts)));
  schema_branches out = {rest};
  for (const json* v : all.others) {
    const id made = document_.number_of(document_.keep(schema_of_value(*v)), s, "const");
    NIBBLE_TRY(meet_of(out, opposite(literal_of(made))));
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
    const json* value = document_[s].find(keyword);
    if (!value) continue;
    for (const json::member& m : value->members()) {
      schema_branch with = with_member(m.key);
      schema_branches either = {without_member(m.key)};
      if (m.value.is(json_kind::array)) {
        for (const json& name : m.value.items())
          if (std::find(with.required.begin(), with.required.end(), name.string()) == with.required.end())
            with.required.emplace_back(name.string());
        either.push_back(std::move(with));
      } else {
        auto x = literal(s, m.value, std::string(keyword) + "/" + m.key);
        if (!x) return std::move(x).failure();
        schema_branches both = {with};
        NIBBLE_TRY(meet_of(both, *x));
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
    auto parts = literals(s, *list, "allOf");
    if (!parts) return std::move(parts).failure();
    for (const schema_literal x : *parts) NIBBLE_TRY(meet_of(all, x));
  }
  if (const json* list = schema.find("anyOf")) NIBBLE_TRY(any_of(s, *list, all));
  if (const json* list = schema.find("oneOf")) NIBBLE_TRY(one_of(s, *list, all));
  if (const json* value = schema.find("not")) {
    auto x = literal(s, *value, "not");
    if (!x) return std::move(x).failure();
    auto more = of(opposite(*x));
    if (!more) return std::move(more).failure();
    NIBBLE_TRY(meet(all, *more));
  }
  const json* condition = schema.find("if");
  const json* then = schema.find("then");
  const json* otherwise = schema.find("else");
  if (condition && (then || otherwise || document_.has_unevaluated())) {
    auto x = literal(s, *condition, "if");
    if (!x) return std::move(x).failure();
    auto y = then ? literal(s, *then, "then") : result<schema_literal>(anything);
    if (!y) return std::move(y).failure();
    auto z = otherwise ? literal(s, *otherwise, "else") : result<schema_literal>(anything);
    if (!z) return std::move(z).failure();
    schema_branches yes = {{}}, no = {{}};
    NIBBLE_TRY(meet_of(yes, *x));
    NIBBLE_TRY(meet_of(yes, *y));
    NIBBLE_TRY(meet_of(no, opposite(*x)));
    NIBBLE_TRY(meet_of(no, *z));
    NIBBLE_TRY(add(yes, std::move(no)));
    NIBBLE_TRY(meet(all, yes));
  }
  return {};
}

result<void> schema_expander::any_of(id s, const json& list, schema_branches& all) {
  auto parts = literals(s, list, "anyOf");
  if (!parts) return std::move(parts).failure();
  schema_branches either;
  if (!document_.has_unevaluated()) {
    for (const schema_literal x : *parts) NIBBLE_TRY(add_of(either, x));
    return meet(all, either);
  }
  if (parts->size() > 6) return refused(s, "anyOf", "more than 6 alternatives beside unevaluated members or items");
  for (std::uint32_t set = 1; set < 1u << parts->size(); ++set) {  // all that may be valid together, for what they look at
    schema_branches together = {{}};
    for (std::size_t i = 0; i < parts->size(); ++i)
      if ((set >> i & 1) != 0 || exact_)
        NIBBLE_TRY(meet_of(together, (set >> i & 1) != 0 ? (*parts)[i] : opposite((*parts)[i])));
    NIBBLE_TRY(add(either, std::move(together)));
  }
  return meet(all, either);
}

result<void> schema_expander::one_of(id s, const json& list, schema_branches& all) {
  auto parts = literals(s, list, "oneOf");
  if (!parts) return std::move(parts).failure();
  schema_branches either;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    schema_branches only = {{}};
    NIBBLE_TRY(meet_of(only, (*parts)[i]));
    for (std::size_t k = 0; k < parts->size(); ++k) {
      const schema_literal x = (*parts)[i], other = (*parts)[k];
      if (k == i || other == nothing) continue;
      if (x < anything && other < anything && surely_disjoint(x / 2, other / 2)) continue;
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
    if (!reference || !reference->is(json_kind::string)) break;
    const auto next = document_.find(s, reference->string());
    if (!next) break;
    s = *next;
  }
  return s;
}

std::optional<std::vector<json>> schema_expander::values_of(id s) {
  const json& schema = document_[followed(s)];
  const json* values = schema.find("enum");
  if (values && values->is(json_kind::array)) return std::vector<json>(values->items().begin(), values->items().end());
  if (const json* value = schema.find("const")) return std::vector<json>{*value};
  const json* its_type = schema.find("type");
  if (its_type && its_type->string() == "boolean") return std::vector<json>{json(true), json(false)};
  if (its_type && its_type->string() == "null") return std::vector<json>{json(nullptr)};
  return std::nullopt;
}

bool schema_expander::surely_disjoint(id a, id b) {
  const json& x = document_[followed(a)];
  const json& y = document_[followed(b)];
  const auto types = [](const json& schema) {
    std::uint8_t out = schema_branch::all;
    bool whole = false;
    if (const json* t = schema.find("type")) out = types_of(*t, whole);
    const auto value_type = [](const json& v) {
      return static_cast<std::uint8_t>(v.is(json_kind::null)      ? schema_branch::null
                                       : v.is(json_kind::boolean) ? (v.boolean() ? schema_branch::yes : schema_branch::no)
                                       : v.is(json_kind::number)  ? schema_branch::number
                                       : v.is(json_kind::string)  ? schema_branch::string
                                       : v.is(json_kind::array)   ? schema_branch::array
                                                                  : schema_branch::object);
    };
    if (const json* v = schema.find("const")) out &= value_type(*v);
    if (const json* v = schema.find("enum")) {
      std::uint8_t any = 0;
      for (const json& one : v->items()) any |= value_type(one);
      out &= any;
    }
    return out == 0 ? std::uint8_t{schema_branch::all} : out;
  };
  if ((types(x) & types(y)) == 0) return true;
  const auto texts = [](const json& schema) {
    std::vector<std::string_view> out;
    const json* one = schema.find("const");
    if (one && one->is(json_kind::string)) out.push_back(one->string());
    if (const json* v = schema.find("enum"); v && !one) {
      for (const json& item : v->items()) {
        if (!item.is(json_kind::string)) return std::vector<std::string_view>();
        out.push_back(item.string());
      }
    }
    return out;
  };
  const auto apart = [&](const json& p, const json& q) {
    const auto one = texts(p), other = texts(q);
    return !one.empty() && !other.empty() &&
           std::find_first_of(one.begin(), one.end(), other.begin(), other.end()) == one.end();
  };
  if (apart(x, y)) return true;
  const auto requires_member = [](const json& schema, std::string_view name) {
    const json* list = schema.find("required");
    return list && std::any_of(list->items().begin(), list->items().end(), [&](const json& n) { return n.string() == name; });
  };
  const json* in_x = x.find("properties");
  const json* in_y = y.find("properties");
  if (!in_x || !in_y || types(x) != schema_branch::object || types(y) != schema_branch::object) return false;
  for (const json::member& m : in_x->members()) {
    const json* other = in_y->find(m.key);
    if (other && apart(m.value, *other) && (requires_member(x, m.key) || requires_member(y, m.key))) return true;
  }
  return false;
}

result<void> schema_expander::unevaluated(id s, schema_branches& all) {
  const json& schema = document_[s];
  if (const json* value = schema.find("unevaluatedProperties")) {
    auto x = literal(s, *value, "unevaluatedProperties");
    if (!x) return std::move(x).failure();
    for (schema_branch& b : all) {
      if (b.seen_members.others == anything) continue;
      schema_branch::members rest = b.seen_members;
      rest.others = *x;
      if (*x != anything) b.groups.push_back(std::move(rest));
      b.seen_members.others = anything;
    }
    NIBBLE_TRY(meet(all, {{}}));
  }
  if (const json* value = schema.find("unevaluatedItems")) {
    auto x = literal(s, *value, "unevaluatedItems");
    if (!x) return std::move(x).failure();
    for (schema_branch& b : all) {
      if (b.seen_items == schema_branch::unlimited) continue;
      schema_literal rest = *x;
      if (*x != anything && !b.seen_containing.empty()) {  // an item that any of them contains has been looked at
        std::vector<json> either = {*value};
        for (const schema_literal c : b.seen_containing)
          either.push_back(c == anything ? json(true) : c == nothing ? json(false) : document_[c / 2]);
        json any = json::object();
        any.set("anyOf", json::array(std::move(either)));
        rest = literal_of(document_.number_of(document_.keep(std::move(any)), s, "unevaluatedItems"));
      }
      if (b.seen_items > most_.nesting) return refused(s, "unevaluatedItems", "too many places");
      if (*x != anything) b.places.push_back({std::vector<schema_literal>(b.seen_items, anything), rest});
      b.seen_items = schema_branch::unlimited;
    }
  }
  return {};
}

// What is not valid: one keyword at least is not.

result<schema_branches> schema_expander::invalid(id s) {
  const json& schema = document_[s];
  if (schema.is(json_kind::boolean)) return schema.boolean() ? schema_branches{} : schema_branches{{}};
  if (!schema.is(json_kind::object)) return refused(s, "", "expected a schema");
  schema_branches out;
  for (const std::string_view key : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    const json* reference = schema.find(key);
    if (!reference) continue;
    auto target = referenced(s, key, reference->string());
    if (!target) return std::move(target).failure();
    NIBBLE_TRY(add_of(out, opposite(literal_of(*target))));
    if (document_.ignores_siblings(s)) return out;
  }
  NIBBLE_TRY(invalid_values(s, out));
  NIBBLE_TRY(invalid_arrays(s, out));
  NIBBLE_TRY(invalid_objects(s, out));
  NIBBLE_TRY(invalid_in_place(s, out));
  for (schema_branch& b : out) {  // what is not valid has looked at nothing
    b.seen_members = {.named = {}, .fitting = {}, .others = nothing};
    b.seen_items = 0;
    b.seen_containing.clear();
  }
  return out;
}

result<void> schema_expander::invalid_values(id s, schema_branches& out) {
  const json& schema = document_[s];
  if (const json* value = schema.find("type")) {
    bool whole = false;
    const std::uint8_t types = types_of(*value, whole);
    if (types == 0) return refused(s, "type", "expected the name of a type, or a list of them");
    if (without(types) != 0) out.push_back(of_type(without(types)));
    if (whole) {
      schema_branch b = of_type(schema_branch::number);
      b.numbers.push_back({number_demand::kind::no_multiple, {{.whole = "1"}}});
      out.push_back(std::move(b));
    }
  }
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
  for (const std::string_view key : {"const", "enum"}) {
    const json* value = schema.find(key);
    if (!value) continue;
    std::vector<const json*> list;
    if (key == "const") list.push_back(value);
    for (const json& v : value->items())
      if (key == "enum") list.push_back(&v);
    auto more = none_of_values(s, std::move(list));
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
  const json& schema = document_[s];
  schema_branch own;
  NIBBLE_TRY(object_keywords(s, own));
  const auto add_object = [&](auto change) {
    schema_branch b = of_type(schema_branch::object);
    change(b);
    out.push_back(std::move(b));
  };
  for (const schema_branch::members& g : own.groups) {
    for (const auto& member : g.named) {
      if (member.second == anything) continue;
      add_object([&](schema_branch& b) {
        b.required.push_back(member.first);
        b.groups.push_back({.named = {{member.first, opposite(member.second)}}, .fitting = {}, .others = anything});
      });
    }
    for (const auto& member : g.fitting) {
      if (member.second == anything) continue;
      add_object([&](schema_branch& b) {
        b.some.push_back({.named = {}, .fitting = {{member.first, opposite(member.second)}}, .others = nothing});
      });
    }
    if (g.others == anything) continue;
    add_object([&](schema_branch& b) {
      schema_branch::members some{.named = {}, .fitting = {}, .others = opposite(g.others)};
      for (const auto& [name, x] : g.named) some.named.emplace(name, nothing);
      for (const auto& [fits, x] : g.fitting) some.fitting.emplace_back(fits, nothing);
      b.some.push_back(std::move(some));
    });
  }
  for (const std::string& name : own.required)
    out.push_back([&] {
      schema_branch b = without_member(name);
      b.types = schema_branch::object;
      return b;
    }());
  if (own.least_members > 0) add_object([&](schema_branch& b) { b.most_members = own.least_members - 1; });
  if (own.most_members != schema_branch::unlimited)
    add_object([&](schema_branch& b) { b.least_members = own.most_members + 1; });
  for (const std::string_view keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const json* value = schema.find(keyword);
    if (!value) continue;
    for (const json::member& m : value->members()) {
      if (m.value.is(json_kind::array)) {
        for (const json& name : m.value.items()) {
          schema_branch b = without_member(std::string(name.string()));
          if (narrow(b, with_member(m.key))) out.push_back(std::move(b));
        }
        continue;
      }
      auto x = literal(s, m.value, std::string(keyword) + "/" + m.key);
      if (!x) return std::move(x).failure();
      schema_branches both = {with_member(m.key)};
      NIBBLE_TRY(meet_of(both, opposite(*x)));
      NIBBLE_TRY(add(out, std::move(both)));
    }
  }
  return {};
}

result<void> schema_expander::invalid_in_place(id s, schema_branches& out) {
  const json& schema = document_[s];
  if (const json* value = schema.find("unevaluatedItems"); value && !(value->is(json_kind::boolean) && value->boolean()))
    return refused(s, "unevaluatedItems", "its opposite is not supported");
  if (const json* value =
          schema.find("unevaluatedProperties")) {  // all else holds, and a member that nothing looked at is not valid
    auto x = literal(s, *value, "unevaluatedProperties");
    if (!x) return std::move(x).failure();
    const bool exact = std::exchange(exact_, true);
    auto others = evaluated(s);
    exact_ = exact;
    if (!others) return std::move(others).failure();
    for (schema_branch& b : *others) {
      if (b.seen_members.others == anything || *x == anything) continue;
      schema_branch::members some = b.seen_members;
      for (auto& [name, seen] : some.named) seen = nothing;
      for (auto& [fits, seen] : some.fitting) seen = nothing;
      some.others = opposite(*x);
      b.some.push_back(std::move(some));
      b.types &= schema_branch::object;
      if (b.types != 0) out.push_back(std::move(b));
    }
  }
  if (const json* list = schema.find("allOf")) {
    auto parts = literals(s, *list, "allOf");
    if (!parts) return std::move(parts).failure();
    for (const schema_literal x : *parts) NIBBLE_TRY(add_of(out, opposite(x)));
  }
  for (const std::string_view key : {"anyOf", "oneOf"}) {
    const json* list = schema.find(key);
    if (!list) continue;
    auto parts = literals(s, *list, key);
    if (!parts) return std::move(parts).failure();
    schema_branches none = {{}};
    for (const schema_literal x : *parts) {
      NIBBLE_TRY(meet_of(none, opposite(x)));
    }
    NIBBLE_TRY(add(out, std::move(none)));
    for (std::size_t i = 0; i < parts->size() && key == "oneOf"; ++i) {
      for (std::size_t k = i + 1; k < parts->size(); ++k) {
        schema_branches two = {{}};
        NIBBLE_TRY(meet_of(two, (*parts)[i]));
        NIBBLE_TRY(meet_of(two, (*parts)[k]));
        NIBBLE_TRY(add(out, std::move(two)));
      }
    }
  }
  if (const json* value = schema.find("not")) {
    auto x = literal(s, *value, "not");
    if (!x) return std::move(x).failure();
    NIBBLE_TRY(add_of(out, *x));
  }
  const json* condition = schema.find("if");
  if (!condition) return {};
  auto x = literal(s, *condition, "if");
  if (!x) return std::move(x).failure();
  for (const std::string_view key : {"then", "else"}) {
    const json* value = schema.find(key);
    if (!value) continue;
    auto y = literal(s, *value, key);
    if (!y) return std::move(y).failure();
    schema_branches both;
    NIBBLE_TRY(add_of(both, key == "then" ? *x : opposite(*x)));
    NIBBLE_TRY(meet_of(both, opposite(*y)));
    NIBBLE_TRY(add(out, std::move(both)));
  }
  return {};
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
