/// The drafts of JSON Schema, and which keywords each of them knows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

enum class schema_draft : std::uint8_t { draft4, draft6, draft7, draft2019, draft2020, unknown };

/// By the address that $schema names.
inline schema_draft draft_of(std::string_view address) noexcept {
  const auto names = [address](std::string_view part) { return address.find(part) != address.npos; };
  if (names("draft-07")) return schema_draft::draft7;
  if (names("draft-06")) return schema_draft::draft6;
  if (names("json-schema.org/draft-0")) return schema_draft::draft4;
  if (names("2019-09")) return schema_draft::draft2019;
  return names("2020-12") ? schema_draft::draft2020 : schema_draft::unknown;
}

/// A keyword that not all drafts know: from the first to the last that do.
struct keyword_drafts {
  std::string_view name;
  schema_draft first, last;
};
inline constexpr keyword_drafts drafts_of_keywords[] = {
    {"const", schema_draft::draft6, schema_draft::draft2020},
    {"contains", schema_draft::draft6, schema_draft::draft2020},
    {"propertyNames", schema_draft::draft6, schema_draft::draft2020},
    {"if", schema_draft::draft7, schema_draft::draft2020},
    {"additionalItems", schema_draft::draft4, schema_draft::draft2019},
    {"dependencies", schema_draft::draft4, schema_draft::draft7},
    {"dependentRequired", schema_draft::draft2019, schema_draft::draft2020},
    {"dependentSchemas", schema_draft::draft2019, schema_draft::draft2020},
    {"minContains", schema_draft::draft2019, schema_draft::draft2020},
    {"maxContains", schema_draft::draft2019, schema_draft::draft2020},
    {"unevaluatedItems", schema_draft::draft2019, schema_draft::draft2020},
    {"unevaluatedProperties", schema_draft::draft2019, schema_draft::draft2020},
    {"$recursiveRef", schema_draft::draft2019, schema_draft::draft2019},
    {"$dynamicRef", schema_draft::draft2020, schema_draft::draft2020},
    {"prefixItems", schema_draft::draft2020, schema_draft::draft2020},
};

/// Whether a draft knows a keyword.
inline bool knows(schema_draft draft, std::string_view keyword) noexcept {
  const auto* found = std::find_if(std::begin(drafts_of_keywords), std::end(drafts_of_keywords),
                                   [&](const keyword_drafts& k) { return k.name == keyword; });
  return found == std::end(drafts_of_keywords) || (draft >= found->first && draft <= found->last);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
