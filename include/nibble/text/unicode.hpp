/// char_class, letter_case: what kind of character a code point is, as the pre-tokenizers of tokenizers ask.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/text/unicode_tables.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The major Unicode categories L M N P S, the property White_Space, and the rest (control, format, unassigned, surrogates).
enum class char_class : std::uint8_t { other, letter, mark, number, punctuation, symbol, whitespace };

/// The Unicode categories Lu and Lt; Ll; and the rest: letters without case, and what is no letter.
enum class letter_case : std::uint8_t { none, upper, lower };

namespace detail {
/// For each block of 256 code points below End, the run that its first code point lies in; above, where there are few runs, the
/// rest is the last block. A run is its first code point, and below that the bits of its kind.
template <std::size_t End, std::size_t Runs>
constexpr auto run_blocks(const std::array<std::uint32_t, Runs>& runs, unsigned kind_bits) noexcept {
  std::array<std::uint16_t, End / 256 + 1> first{};
  std::size_t run = 0;
  for (std::size_t block = 0; block < first.size(); ++block) {
    while (run + 1 < Runs && runs[run + 1] >> kind_bits <= block * 256) ++run;
    first[block] = static_cast<std::uint16_t>(run);
  }
  return first;
}

/// The kind of the run that the code point lies in, by binary search among the runs of its block.
template <std::size_t Runs, std::size_t Blocks>
constexpr std::uint32_t find_run(const std::array<std::uint32_t, Runs>& runs, const std::array<std::uint16_t, Blocks>& blocks,
                                 unsigned kind_bits, char32_t code) noexcept {
  const std::size_t block = (std::min)(std::size_t{code} / 256, Blocks - 1);
  std::size_t low = blocks[block], high = block + 1 < Blocks ? blocks[block + 1] : Runs - 1;
  while (low < high) {
    const std::size_t middle = (low + high + 1) / 2;
    if (runs[middle] >> kind_bits <= code)
      low = middle;
    else
      high = middle - 1;
  }
  return runs[low] & ((1u << kind_bits) - 1);
}

inline constexpr auto unicode_blocks = run_blocks<0x40000>(unicode_runs, 3);

constexpr char_class search_class(char32_t code) noexcept {
  return static_cast<char_class>(find_run(unicode_runs, unicode_blocks, 3, code));
}

inline constexpr auto ascii_classes = [] {
  std::array<char_class, 128> classes{};
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = search_class(static_cast<char32_t>(i));
  return classes;
}();
}  // namespace detail

/// @errors  none (noexcept): above U+10FFFF everything is `other`
/// @cost    one load for ASCII, else about four steps of a binary search
constexpr char_class class_of(char32_t code) noexcept {
  if (code < 128) return detail::ascii_classes[code];
  return code < 0x110000 ? detail::search_class(code) : char_class::other;
}

namespace detail {
/// The kind of the run that the code point lies in, by binary search among all.
template <std::size_t Runs>
constexpr std::uint32_t search_run(const std::array<std::uint32_t, Runs>& runs, char32_t code) noexcept {
  return code < 0x110000 ? *(std::upper_bound(runs.begin(), runs.end(), std::uint32_t(code) << 3 | 7u) - 1) & 7u : 0;
}
}  // namespace detail

/// @errors  none (noexcept): above U+10FFFF nothing has a case
/// @cost    a few comparisons for ASCII, else a binary search
constexpr letter_case case_of(char32_t code) noexcept {
  if (code < 128) {
    return code >= U'a' && code <= U'z'   ? letter_case::lower
           : code >= U'A' && code <= U'Z' ? letter_case::upper
                                          : letter_case::none;
  }
  return static_cast<letter_case>(detail::search_run(detail::unicode_case_runs, code));
}

/// A decimal digit of any script: the general category Nd.
constexpr bool is_decimal(char32_t code) noexcept {
  return code < 128 ? code >= U'0' && code <= U'9' : detail::search_run(detail::unicode_decimal_runs, code) == 1;
}

/// A character of the script Han.
constexpr bool is_han(char32_t code) noexcept {
  return code >= 0x2E80 && detail::search_run(detail::unicode_han_runs, code) == 1;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
