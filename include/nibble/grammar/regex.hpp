/// Regular expressions, as ECMAScript writes them, to automatons.
#pragma once

#include <cstdint>
#include <string_view>

#include "nibble/error.hpp"
#include "nibble/grammar/automaton.hpp"
#include "nibble/grammar/limits.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// What of a text an expression has to match.
enum class regex_extent : std::uint8_t { whole, anywhere };

/// Adds the automaton of the texts that an expression matches.
///
/// Alternatives, groups, classes, quantifiers, `^` and `$` mean what they mean in ECMAScript with the flag u; greedy or lazy is
/// the same, for only whole texts count. What a finite automaton cannot do is refused: assertions that look around, word
/// boundaries, back references, flags.
/// @returns  its first state, without dead ends; none: no text matches
/// @errors   malformed: with line and column; limit_exceeded
/// @source   ECMA-262, Patterns
result<std::uint32_t> add_regex(std::string_view text, regex_extent extent, const grammar_limits& most, automaton& out);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
