/// keyword_values: the keywords of JSON Schema, and what each of them is given. A new one is a row here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

enum class keyword_value : std::uint8_t {
  anything,
  schema,
  schemas,          ///< an array of them
  items,            ///< a schema; or an array of them, as before prefixItems
  named_schemas,    ///< an object of them
  definitions,      ///< the same, of which those alone count that are referred to
  names,            ///< an array of texts
  lists_of_names,   ///< an object of such
  dependencies,     ///< an object of schemas and arrays of names
  types,            ///< the name of a type, or an array of such
  values,           ///< an array of anything
  count,            ///< a whole number, not negative
  number,           ///< any
  step,             ///< a number above 0
  exclusive_bound,  ///< a number; or, as in draft 4, whether the bound beside it is exclusive
  flag,
  text,
};

struct schema_keyword {
  std::string_view name;
  keyword_value value;
  bool demands = true;  ///< something of what it applies to: some value is invalid by it
};

/// Of any draft.
inline constexpr auto schema_keywords = std::to_array<schema_keyword>({
    {"type", keyword_value::types},
    {"enum", keyword_value::values},
    {"const", keyword_value::anything},
    {"multipleOf", keyword_value::step},
    {"maximum", keyword_value::number},
    {"exclusiveMaximum", keyword_value::exclusive_bound},
    {"minimum", keyword_value::number},
    {"exclusiveMinimum", keyword_value::exclusive_bound},
    {"maxLength", keyword_value::count},
    {"minLength", keyword_value::count},
    {"pattern", keyword_value::text},
    {"format", keyword_value::text},
    {"items", keyword_value::items},
    {"prefixItems", keyword_value::schemas},
    {"additionalItems", keyword_value::schema},
    {"contains", keyword_value::schema},
    {"minContains", keyword_value::count},
    {"maxContains", keyword_value::count},
    {"maxItems", keyword_value::count},
    {"minItems", keyword_value::count},
    {"uniqueItems", keyword_value::flag},
    {"unevaluatedItems", keyword_value::schema},
    {"required", keyword_value::names},
    {"properties", keyword_value::named_schemas},
    {"patternProperties", keyword_value::named_schemas},
    {"additionalProperties", keyword_value::schema},
    {"unevaluatedProperties", keyword_value::schema},
    {"propertyNames", keyword_value::schema},
    {"minProperties", keyword_value::count},
    {"maxProperties", keyword_value::count},
    {"dependencies", keyword_value::dependencies},
    {"dependentRequired", keyword_value::lists_of_names},
    {"dependentSchemas", keyword_value::named_schemas},
    {"allOf", keyword_value::schemas},
    {"anyOf", keyword_value::schemas},
    {"oneOf", keyword_value::schemas},
    {"not", keyword_value::schema},
    {"if", keyword_value::schema},
    {"then", keyword_value::schema, false},
    {"else", keyword_value::schema, false},
    {"$ref", keyword_value::text},
    {"$dynamicRef", keyword_value::text},
    {"$recursiveRef", keyword_value::text},
    {"$schema", keyword_value::text, false},
    {"$id", keyword_value::text, false},
    {"$anchor", keyword_value::text, false},
    {"$dynamicAnchor", keyword_value::text, false},
    {"$defs", keyword_value::definitions, false},
    {"definitions", keyword_value::definitions, false},
    {"contentSchema", keyword_value::schema, false},
});

const schema_keyword* find_keyword(std::string_view name) noexcept;

/// What is wrong with a value, and where in it: "/1", or nothing for the value itself.
struct keyword_fault {
  std::string where, why;
};
/// What keeps a value from being one that a keyword can be given, at first sight: schemas in it are not looked into.
/// @cost  O(items and members)
std::optional<keyword_fault> fault_of(keyword_value wanted, const json& value);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
