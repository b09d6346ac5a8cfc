/// The strings that a schema allows, as they stand: without quotes and escapes.
#pragma once

#include <cstdint>
#include <span>

#include "nibble/error.hpp"
#include "nibble/grammar/automaton.hpp"
#include "nibble/grammar/limits.hpp"
#include "nibble/grammar/search.hpp"
#include "nibble/text/json.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Adds the automaton of the strings that a schema allows and in which none of these marks stands.
/// @returns  its first state
/// @errors   bad_value: the schema allows other values, or no such string; and those of compile_schema()
result<std::uint32_t> add_strings(const json& schema, std::span<const search_mark> without, const grammar_limits& most,
                                  automaton& out);

/// Whether a schema of strings may say more of them than that: what only describes them does not count.
bool demands_of_text(const json& schema);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
