/// The definitions behind tool_values.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/parser-impl.hpp"
#include "nibble/grammar/schema_applicators-impl.hpp"
#include "nibble/grammar/schema_strings.hpp"
#include "nibble/grammar/tool_values.hpp"
#include "nibble/text/json_pointer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr std::size_t deepest_value = 32;
inline constexpr std::int64_t most_items = 1'000;

json tool_shape::member_schema(const json& member) const {
  json out = member;
  for (const std::string_view key : {"$defs", "definitions"})
    if (const json* defs = schema.find(key); defs && out.is(json_kind::object) && !out.find(key)) out.set(key, *defs);
  return out;
}

/// The first keyword of a schema that demands something and is not among those that are looked at; empty: none is.
inline std::string_view other_demand(const json& schema, std::initializer_list<std::string_view> looked_at) {
  for (const json::member& m : schema.members()) {
    const schema_keyword* known = find_keyword(m.key);
    if (known && known->demands && std::find(looked_at.begin(), looked_at.end(), m.key) == looked_at.end()) return m.key;
  }
  return {};
}
inline std::string not_supported(std::string_view keyword) {
  return '"' + std::string(keyword) + "\" is not supported in this format of calls";
}

std::string unmet_by_members(const json& schema) {
  const std::string_view other = other_demand(schema, {"type", "properties", "required", "additionalProperties",
                                                       "unevaluatedProperties", "minProperties", "maxProperties"});
  if (!other.empty()) return not_supported(other);
  const json *properties = schema.find("properties"), *required = schema.find("required");
  std::size_t names = 0;
  for (const json& name : required ? required->items() : std::span<const json>()) {
    const json* its = properties ? properties->find(name.string()) : nullptr;
    if (!its) return "\"required\" names \"" + std::string(name.string()) + "\", which \"properties\" does not";
    if (its->is(json_kind::boolean) && !its->boolean()) return "\"" + std::string(name.string()) + "\" has no value";
    ++names;
  }
  const auto count = [&](std::string_view key, std::int64_t otherwise) {
    const json* n = schema.find(key);
    return n ? n->integer().value_or(-1) : otherwise;
  };
  const auto all = static_cast<std::int64_t>(properties ? properties->members().size() : 0);
  const std::int64_t least = count("minProperties", 0), most = count("maxProperties", all);
  if (least < 0 || least > static_cast<std::int64_t>(names)) return not_supported("minProperties");
  return most < all ? not_supported("maxProperties") : std::string();
}

value_rules::id value_rules::value(const json& schema, const std::string& where, std::size_t depth) {
  if (depth > deepest_value) return refuse(where, "its values are within each other too deeply");
  if (schema.is(json_kind::boolean) && !schema.boolean()) return refuse(where, "no value is valid");
  if (const json* constant = schema.find("const")) return listed(schema, {constant, 1}, where, depth);
  if (const json* choices = schema.find("enum")) return listed(schema, choices->items(), where, depth);
  for (const std::string_view key : {"anyOf", "oneOf"})
    if (schema.find(key)) return any_of(schema, key, where, depth);
  if (const json* reference = schema.find("$ref")) {
    if (const auto other = other_demand(schema, {"$ref"}); !other.empty()) return refuse(where, not_supported(other));
    const json* target = referred_to(tool_.schema, reference->string());
    return target ? value(*target, where, depth + 1) : refuse(where, "\"$ref\" names nothing in the tool's parameters");
  }
  const json* type = schema.find("type");
  if (type && type->is(json_kind::string)) return of_type(type->string(), schema, where, depth);
  std::vector<id> parts;
  if (type) {
    for (const json& t : type->items()) parts.push_back(of_type(t.string(), schema, where, depth));
  } else {
    for (const char* t : {"string", "number", "boolean"}) parts.push_back(of_type(t, schema, where, depth));
  }
  return parts.empty() ? refuse(where, "\"type\" names no type") : out_.all.choice(std::move(parts));
}

value_rules::id value_rules::of_type(std::string_view type, const json& schema, const std::string& where, std::size_t depth) {
  for (const std::string_view key : {"allOf", "not", "if"})
    if (schema.find(key)) return refuse(where, not_supported(key));
  if (type == "boolean") return out_.all.choice({literal(how_.truth), literal(how_.untruth)});
  if (type == "null") return literal(how_.nothing);
  if (type == "array") return array(schema, where, depth);
  if (type == "object") {
    const id inside = members(schema, how_.quoted_keys, how_.behind_key, where, depth);
    return out_.all.sequence({literal("{"), inside, literal("}")});
  }
  if (type == "string" && !how_.quote.empty()) return text(schema, where);
  if (type != "string" && type != "number" && type != "integer") return refuse(where, "a type that is not known");
  json one = tool_.member_schema(schema);
  one.set("type", type);
  return out_.call(grammar::try_from_schema(one, out_.limits()), where + "its schema");
}

/// Of the values that a schema lists, those that the rest of it allows.
value_rules::id value_rules::listed(const json& schema, std::span<const json> values, const std::string& where,
                                    std::size_t depth) {
  const auto allowed = grammar::try_from_schema(tool_.member_schema(schema), out_.limits());
  if (!allowed) return out_.call(allowed, where + "its schema");
  std::vector<id> parts;
  grammar_parser parser(*allowed);
  for (const json& v : values) {
    parser.reset();
    if (parser.accept(v.text()) && parser.may_end()) parts.push_back(written(v, depth));
  }
  return parts.empty() ? refuse(where, "no value is valid") : out_.all.choice(std::move(parts));
}

/// Whether no value is of two schemas, as their types or lists say.
inline bool are_apart(const json& a, const json& b) {
  if (a.find("$ref") || b.find("$ref")) return false;  // beside it, old drafts read nothing
  const auto kinds = [](const json& schema) {
    std::vector<std::string_view> out;
    if (const json* type = schema.find("type")) {
      if (type->is(json_kind::string)) out.push_back(type->string());
      for (const json& t : type->items()) out.push_back(t.string());
    }
    std::replace(out.begin(), out.end(), std::string_view("integer"), std::string_view("number"));
    return out;
  };
  const auto one = kinds(a), other = kinds(b);
  if (!one.empty() && !other.empty() && std::find_first_of(one.begin(), one.end(), other.begin(), other.end()) == one.end())
    return true;
  return list_other_texts(a, b, true);
}

value_rules::id value_rules::any_of(const json& schema, std::string_view key, const std::string& where, std::size_t depth) {
  if (const auto other = other_demand(schema, {key}); !other.empty())
    return refuse(where, not_supported(other) + " beside \"" + std::string(key) + '"');
  const auto schemas = schema.find(key)->items();
  std::vector<id> parts;
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    for (std::size_t k = 0; k < i && key == "oneOf"; ++k)
      if (!are_apart(schemas[i], schemas[k])) return refuse(where, not_supported(key) + ", where two may be valid at once");
    parts.push_back(value(schemas[i], where, depth + 1));
  }
  return parts.empty() ? refuse(where, "a choice of no schemas") : out_.all.choice(std::move(parts));
}

value_rules::id value_rules::array(const json& schema, const std::string& where, std::size_t depth) {
  const json *items = schema.find("items"), *unique = schema.find("uniqueItems");
  const std::string_view other = other_demand(schema, {"type", "items", "minItems", "maxItems", "uniqueItems"});
  if (!other.empty()) return refuse(where, not_supported(other));
  if (unique && unique->boolean()) return refuse(where, not_supported("uniqueItems"));
  if (items && items->is(json_kind::array)) return refuse(where, not_supported("items") + " as a list");
  const bool none = items && items->is(json_kind::boolean) && !items->boolean();
  const auto count = [&](std::string_view key, std::int64_t otherwise) {
    const json* n = schema.find(key);
    return n ? n->integer().value_or(-1) : otherwise;
  };
  const std::int64_t least = count("minItems", 0), most = none ? 0 : count("maxItems", pattern::unlimited);
  if (least < 0 || least > most_items) return refuse(where, "\"minItems\" is no number up to 1000");
  if (most < 0) return refuse(where, "\"maxItems\" is no number");
  if (least > most) return refuse(where, "\"minItems\" is more than \"maxItems\"");
  if (most == 0) return literal("[]");
  const id one = out_.all.call(out_.rule(value(items ? *items : json::object(), where, depth + 1)));
  const std::uint32_t more = most > most_items ? pattern::unlimited : static_cast<std::uint32_t>(most - 1);
  if (most > most_items && schema.find("maxItems")) return refuse(where, "\"maxItems\" is no number up to 1000");
  const id next = out_.all.sequence({literal(how_.between), one});
  const id some = out_.all.sequence({one, out_.all.repeat(next, least > 0 ? static_cast<std::uint32_t>(least - 1) : 0, more)});
  return out_.all.sequence({literal("["), least > 0 ? some : out_.optional(some), literal("]")});
}

value_rules::id value_rules::members(const json& schema, bool quoted_keys, std::string_view before_value,
                                     const std::string& where, std::size_t depth) {
  if (const std::string unmet = unmet_by_members(schema); !unmet.empty()) return refuse(where, unmet);
  const json* properties = schema.find("properties");
  struct member {
    id whole;
    bool required;
  };
  std::vector<member> all;
  for (const json::member& m : properties ? properties->members() : std::span<const json::member>()) {
    if (m.value.is(json_kind::boolean) && !m.value.boolean()) continue;  // it must not come
    std::string key = m.key;
    if (quoted_keys) key.clear(), append_json_string(m.key, key);
    const id of = value(m.value, where + '"' + m.key + "\": ", depth + 1);
    const id whole = out_.all.sequence({literal(key), literal(before_value), of});
    all.push_back({out_.all.call(out_.rule(whole)), is_required(schema, m.key)});
  }
  // members from the last on: as the first that comes, and behind others
  id first = out_.nothing(), next = first;
  for (std::size_t i = all.size(); i > 0; --i) {
    const member& m = all[i - 1];
    const id behind = out_.all.call(out_.rule(next)), begins = out_.all.sequence({m.whole, behind});
    const id follows = out_.all.sequence({literal(how_.between), m.whole, behind});
    first = m.required ? begins : out_.all.choice({begins, out_.all.call(out_.rule(first))});
    next = m.required ? follows : out_.all.choice({follows, behind});
  }
  return first;
}

value_rules::id value_rules::written(const json& value, std::size_t depth) {
  if (depth > deepest_value) return out_.nothing();
  switch (value.kind()) {
    case json_kind::null:
      return literal(how_.nothing);
    case json_kind::boolean:
      return literal(value.boolean() ? how_.truth : how_.untruth);
    case json_kind::string:
      if (how_.quote.empty()) return literal(value.text());
      return out_.all.sequence(
          {speller_.pattern(how_.quote, out_), literal(value.string()), speller_.pattern(how_.quote, out_)});
    default:
      return literal(value.text());
  }
}

value_rules::id value_rules::text(const json& schema, const std::string& where) {
  const id quote = speller_.pattern(how_.quote, out_);
  std::vector<search_mark> marks;
  if (demands_of_text(schema)) {
    speller_.add_marks(how_.quote, automaton::none, marks);
    json one = tool_.member_schema(schema);
    one.set("type", "string");
    return out_.all.sequence({quote, out_.strings(one, marks, where + "its schema"), quote});
  }
  speller_.add_marks(how_.quote, search_mark::stop, marks);
  const std::uint32_t inside = out_.declare();
  out_.define_search(inside, marks, search_end::at_marks);
  return out_.all.sequence({quote, out_.all.call(inside)});
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
