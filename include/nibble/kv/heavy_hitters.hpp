/// heavy_hitters: what is kept of a text that is longer than its context, where that is what has received most attention.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/core/checked.hpp"
#include "nibble/core/half.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a layer keeps that sees all of a text: its most recent positions, and of the older ones those to which most attention
/// was paid, summed over the queries and heads so far. As soon as it holds `size` of them, the 64 lightest of the older ones
/// are dropped: a page's worth, so that the place of a position in memory is known from how many have been processed.
///
///     places    0 ... size - recent            size - recent ... size
///               in any order, 64 go at once    in order; the first 64 of them are older then
///
/// When that happens follows from the position alone, so it is the same however a text is cut into steps, as long as no step
/// goes beyond it. Keys stay turned to the positions that they had.
/// @source  Zhang et al. 2023, "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models",
///          algorithm 1, of all heads of a layer together
struct heavy_hitters {
  static constexpr std::size_t all = largest_size;

  std::size_t size = all;  ///< positions that are kept at most, in whole pages; all: nothing is dropped
  std::size_t recent = 0;  ///< the last of them, which stay whatever they receive, in whole pages; at most size - 64

  constexpr bool chooses() const noexcept { return size != all; }
  /// Positions of the first `length` that are dropped once all of these are processed.
  constexpr std::size_t dropped(std::size_t length) const noexcept {
    return length < size ? 0 : ((length - size) / page_positions + 1) * page_positions;
  }
  /// Where the position behind them has its place, among `size`.
  constexpr std::size_t place(std::size_t length) const noexcept { return length - dropped(length); }
  /// How many more there may be before some are dropped, at least 1.
  constexpr std::size_t left(std::size_t length) const noexcept { return size - place(length); }
  /// Places from which 64 are dropped; what is left in the last 64 of them moves to where there is room then.
  constexpr std::size_t older() const noexcept { return size - recent; }

  friend constexpr bool operator==(const heavy_hitters&, const heavy_hitters&) noexcept = default;
};

/// The places of the 64 smallest of some sums, ascending; of equal ones the first. What is no number is nothing.
/// @errors  none; precondition: there are as many
/// @cost    O(sums), no allocation
inline std::array<std::uint32_t, page_positions> lightest(std::span<const float> sums) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(sums.size() >= page_positions);
  std::array<std::uint32_t, page_positions> out;
  const auto weight = [&](std::uint32_t place) { return is_nan(sums[place]) ? 0.0f : sums[place]; };
  const auto lighter = [&](std::uint32_t a, std::uint32_t b) {
    return weight(a) < weight(b) || (weight(a) == weight(b) && a < b);
  };
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint32_t>(i);
  std::make_heap(out.begin(), out.end(), lighter);
  for (std::size_t i = out.size(); i < sums.size(); ++i) {
    const auto place = static_cast<std::uint32_t>(i);
    if (!lighter(place, out.front())) continue;
    std::pop_heap(out.begin(), out.end(), lighter);
    out.back() = place;
    std::push_heap(out.begin(), out.end(), lighter);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
