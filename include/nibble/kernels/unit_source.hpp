/// unit_source: the units of one group of a weight, which may stand in panels or as its file holds it, and may have to be
/// widened.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "nibble/kernels/table.hpp"
#include "nibble/quant/format.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Columns of a tile: one long unit or several short ones. And the bytes of its units.
inline constexpr std::size_t tile_columns = 256;
template <class Q>
inline constexpr std::size_t tile_bytes = tile_columns / unit_columns<Q>* unit_bytes<Q>(unit_columns<Q>);

/// Units of a panel are read where they stand. Units of stored rows are packed on demand, into a buffer of this object that
/// holds one tile.
template <class Q>
class unit_source {
 public:
  /// A group of panels that stands alone, such as keys.
  void open(const std::byte* group) noexcept { group_ = group; }
  /// Group g of a product.
  void open(const matmul_args& m, std::size_t g) noexcept {
    if (m.groups) {
      open(m.groups + g * m.group_bytes);
      more_follow_ = true;
    } else {
      rows_ = m.stored + g * panel_rows * m.row_bytes;
      row_bytes_ = m.row_bytes;
      count_ = std::min(panel_rows, m.rows - g * panel_rows);
      if (count_ < panel_rows) std::memset(buffer_, 0, sizeof buffer_);
    }
  }

  /// The unit of `columns` columns that begins with column `first`. It is valid as long as only units of the same tile are
  /// read.
  const std::byte* at(std::size_t first, std::size_t columns) noexcept {
    const std::size_t index = first / unit_columns<Q>;
    if (group_) return group_ + index * unit_bytes<Q>(unit_columns<Q>);
    std::byte* unit = buffer_ + index % units * unit_bytes<Q>(unit_columns<Q>);
    pack_unit<Q>(rows_ + stored_bytes<Q>(first), count_, row_bytes_, columns, unit);
    return unit;
  }
  /// The tile after that of column `first`, to be prefetched: null where units are packed on demand, and for a group that
  /// stands alone.
  const std::byte* next_tile(std::size_t first) const noexcept {
    return more_follow_ ? group_ + (first + tile_columns) / unit_columns<Q> * unit_bytes<Q>(unit_columns<Q>) : nullptr;
  }

 private:
  static constexpr std::size_t units = coded_format<Q> ? tile_columns / unit_columns<Q> : 1;

  const std::byte* group_ = nullptr;
  const std::byte* rows_ = nullptr;
  std::size_t row_bytes_ = 0, count_ = 0;
  bool more_follow_ = false;
  alignas(64) std::byte buffer_[units * unit_bytes<Q>(unit_columns<Q>)];
};

/// A product with a format that is widened, by this function: &widen_unit<Q>.
struct widened_args : matmul_args {
  void (*widen)(const std::byte* rows, std::size_t row_bytes, std::size_t count, std::size_t first, std::size_t columns,
                std::byte* unit) noexcept;
};

/// Units are widened on demand, into a buffer of this object that holds one tile. Valid as above.
template <class Q>
requires widened_codes<Q>
class unit_source<Q> {
 public:
  void open(const widened_args& m, std::size_t g) noexcept {
    widen_ = m.widen;
    rows_ = m.groups ? m.groups + g * m.group_bytes : m.stored + g * panel_rows * m.row_bytes;
    row_bytes_ = m.groups ? 0 : m.row_bytes;
    count_ = m.groups ? panel_rows : std::min(panel_rows, m.rows - g * panel_rows);
    if (count_ < panel_rows) std::memset(buffer_, 0, sizeof buffer_);
  }
  const std::byte* at(std::size_t first, std::size_t columns) noexcept {
    widen_(rows_, row_bytes_, count_, first, columns, buffer_);
    return buffer_;
  }
  const std::byte* next_tile(std::size_t) const noexcept { return nullptr; }

 private:
  static_assert(unit_columns<Q> == tile_columns);

  decltype(widened_args::widen) widen_ = nullptr;
  const std::byte* rows_ = nullptr;
  std::size_t row_bytes_ = 0, count_ = 0;
  alignas(64) std::byte buffer_[unit_bytes<Q>(tile_columns)];
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
