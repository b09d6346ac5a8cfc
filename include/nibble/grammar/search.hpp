/// search: automatons that read any text up to the first of some marks in it, and go on there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nibble/grammar/automaton.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A text that is looked for, tokens by their codes among it, and the rule that is called behind it.
struct search_mark {
  static constexpr std::uint32_t stop = automaton::none - 1;  ///< nothing is called: the text that was searched ends there

  std::u32string text;                   ///< not empty
  std::uint32_t rule = automaton::none;  ///< none: the mark must not come
};

/// Where a text may end that was searched.
enum class search_end : std::uint8_t {
  at_marks,  ///< behind what its marks call
  anywhere,  ///< before them, too
};

/// What a searched text is made of.
enum class search_text : std::uint8_t {
  characters,  ///< whole characters, and control tokens
  bytes,       ///< what a free model writes: bytes that are no characters, and tokens without a text, too
};

/// Adds the automaton of a text in which no mark stands, any control tokens among it, and of what the first mark calls. Of
/// marks that end at the same place the longest counts.
/// @returns  its first state
/// @cost     O(characters of all marks, squared)
/// @source   Aho and Corasick 1975
std::uint32_t add_search(std::span<const search_mark> marks, search_end end, search_text of, automaton& out);

/// Adds a state from which a searched text begins, blanks apart, with none of these characters.
/// @param start  of add_search()
std::uint32_t add_search_but(std::u32string_view first, std::uint32_t start, automaton& out);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
