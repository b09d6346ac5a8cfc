/// The definitions behind tool_values.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/tool_values.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline constexpr std::size_t deepest_value = 32;

json tool_shape::member_schema(const json& member) const {
  json out = member;
  for (const std::string_view key : {"$defs", "definitions"})
    if (const json* defs = schema.find(key); defs && out.is(json_kind::object) && !out.find(key)) out.set(key, *defs);
  return out;
}

value_rules::id value_rules::value(const json& schema, const std::string& where, std::size_t depth) {
  if (depth > deepest_value) return refuse(where, "its values are within each other too deeply");
  if (const json* constant = schema.find("const")) return written(*constant, depth);
  if (const json* choices = schema.find("enum")) {
    std::vector<id> parts;
    for (const json& c : choices->items()) parts.push_back(written(c, depth));
    return parts.empty() ? refuse(where, "\"enum\" has no value") : out_.all.choice(std::move(parts));
  }
  for (const std::string_view key : {"anyOf", "oneOf"})
    if (const json* schemas = schema.find(key)) return any_of(*schemas, where, depth);
  if (schema.find("$ref")) return refuse(where, "\"$ref\" is not supported in this format of calls");
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
  if (type == "boolean") return out_.all.choice({literal(how_.truth), literal(how_.untruth)});
  if (type == "null") return literal(how_.nothing);
  if (type == "array") return array(schema, where, depth);
  if (type == "object") {
    const id inside = members(schema, how_.quoted_keys, how_.behind_key, where, depth);
    return out_.all.sequence({literal("{"), inside, literal("}")});
  }
  if (type == "string" && !how_.quote.empty()) return text();
  if (type != "string" && type != "number" && type != "integer") return refuse(where, "a type that is not known");
  json one = tool_.member_schema(schema);
  one.set("type", type);
  return out_.call(grammar::try_from_schema(one, out_.limits()), where + "its schema");
}

value_rules::id value_rules::any_of(const json& schemas, const std::string& where, std::size_t depth) {
  std::vector<id> parts;
  for (const json& s : schemas.items()) parts.push_back(value(s, where, depth + 1));
  return parts.empty() ? refuse(where, "a choice of no schemas") : out_.all.choice(std::move(parts));
}

value_rules::id value_rules::array(const json& schema, const std::string& where, std::size_t depth) {
  const json* items = schema.find("items");
  const auto count = [&](std::string_view key, std::uint32_t otherwise) {
    const json* n = schema.find(key);
    const auto value = n ? n->integer() : std::nullopt;
    return value && *value >= 0 && *value <= 1000 ? static_cast<std::uint32_t>(*value) : otherwise;
  };
  const std::uint32_t least = count("minItems", 0), most = count("maxItems", pattern::unlimited);
  if (least > most) return refuse(where, "\"minItems\" is more than \"maxItems\"");
  if (most == 0) return literal("[]");
  const id one = out_.all.call(out_.rule(value(items ? *items : json::object(), where, depth + 1)));
  const std::uint32_t more = most == pattern::unlimited ? most : most - 1;
  const id next = out_.all.sequence({literal(how_.between), one});
  const id some = out_.all.sequence({one, out_.all.repeat(next, least > 0 ? least - 1 : 0, more)});
  return out_.all.sequence({literal("["), least > 0 ? some : out_.optional(some), literal("]")});
}

value_rules::id value_rules::members(const json& schema, bool quoted_keys, std::string_view before_value,
                                     const std::string& where, std::size_t depth) {
  const json* properties = schema.find("properties");
  struct member {
    id whole;
    bool required;
  };
  std::vector<member> all;
  for (const json::member& m : properties ? properties->members() : std::span<const json::member>()) {
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

value_rules::id value_rules::text() {
  std::vector<search_mark> ends;
  speller_.add_marks(how_.quote, search_mark::stop, ends);
  const std::uint32_t inside = out_.declare();
  out_.define_search(inside, ends, search_end::at_marks);
  return out_.all.sequence({speller_.pattern(how_.quote, out_), out_.all.call(inside)});
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
