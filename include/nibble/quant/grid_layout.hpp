/// grid_layout: where a block of a format of grids holds what. So one kernel reads the blocks of all of them.
#pragma once

#include <cstddef>

#include "nibble/config.hpp"
#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A number of so many bits for each part of each granule of 32 columns: where they begin in the block, whose lowest bit is 0.
struct bit_field {
  unsigned first = 0, from_granule = 0, from_part = 0;  ///< and how far it is from one to the next
  unsigned bits = 0;                                    ///< 0: there is none
  unsigned skipped = 0;                                 ///< further bits from two granules to the next two

  constexpr unsigned at(std::size_t granule, std::size_t part) const noexcept {
    const auto g = static_cast<unsigned>(granule), i = static_cast<unsigned>(part);
    return first + g * from_granule + i * from_part + g / 2 * skipped;
  }
};

/// value = d * unit * (2 * step + 1) * level, and the levels are those of a point, with signs or with a shift.
struct grid_layout {
  std::size_t columns;      ///< of a point: 4 or 8
  bit_field d;              ///< 16 bits: of one part, or of four
  bit_field point, beyond;  ///< of each point: the lower bits, and those above
  bit_field signs;          ///< of each eight columns; where there are seven, an eighth makes the number of minuses even
  bit_field down;           ///< of each eight columns: 1 where levels are one less, and not one more
  bit_field step;           ///< of each 16 columns; of each 32 where its parts are at one place
  float unit;
};

/// A format that is widened as its `layout` says: with points of its `grid`.
template <class Q>
concept grid_format = widened_format<Q> && Q::block_size == 256 && requires {
  { Q::layout } -> std::convertible_to<grid_layout>;
  Q::grid[0];
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
