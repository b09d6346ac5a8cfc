/// The definitions behind schema_strings.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/schema_expander-impl.hpp"
#include "nibble/grammar/schema_strings.hpp"
#include "nibble/grammar/search-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

result<std::uint32_t> add_strings(const json& schema, std::span<const search_mark> without, const grammar_limits& most,
                                  automaton& out) {
  automaton texts;
  schema_document document(schema);
  schema_expander expander(document, most, texts);
  auto branches = expander.expand({literal_of(document.root())});
  if (!branches) return std::move(branches).failure();
  std::vector<std::uint32_t> starts = {add_search(without, search_end::anywhere, search_text::characters, texts)};
  for (const schema_branch& b : *branches) {
    if (b.types != schema_branch::string) return error(errc::bad_value, "it allows more than strings");
    auto start = expander.texts_of(b, true);
    if (!start) return start;
    if (*start != automaton::none) starts.push_back(*start);
  }
  const auto tag_of = [](std::span<const std::uint32_t> tags) {
    const auto ends = [](std::uint32_t tag) { return tag != automaton::none; };
    return ends(tags[0]) && std::any_of(tags.begin() + 1, tags.end(), ends) ? 0u : automaton::none;
  };
  const auto first = static_cast<std::uint32_t>(out.size());
  auto start = add_product(texts, starts, tag_of, most.states, out);
  if (!start) return start;
  std::vector<bool> alive;
  remove_dead_ends(out, {}, first, alive);
  if (!alive[*start - first]) return error(errc::bad_value, "no string is valid that could be written here");
  return start;
}

bool demands_of_text(const json& schema) {
  constexpr std::string_view demanding[] = {"enum",  "const", "pattern", "minLength", "maxLength", "format",
                                            "allOf", "anyOf", "oneOf",   "not",       "if",        "$ref"};
  return std::any_of(std::begin(demanding), std::end(demanding), [&](std::string_view key) { return schema.find(key); });
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
