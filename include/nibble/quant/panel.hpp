/// Panels: the layout in which weights stand in memory, made for the kernels at load.
///
///     a weight               a group                     a unit                            a granule
///     (rows, columns)        16 rows                     64 to 256 columns of it           32 columns of codes
///     +--------------+       +------+------+----+        +--------+----------------+       4-byte quads of row 0, 1 ... 15
///     | group 0      |  -->  | unit | unit |... |  -->   | scales | granule | ...  |  -->  quad 0: columns 0..3
///     | group 1      |       +------+------+----+        +--------+----------------+       quad 1: columns 4..7
///     | ...          |       read first to last          of sixteen rows, side by side     ... quad 7: columns 28..31
///     +--------------+
///
///     row group   sixteen rows: the lanes of a 512-bit register of sums; padded with rows of zeros at the end of a weight
///     panel       a row group in this layout; a weight's panels follow each other
///     unit        the columns of a panel that stand together: their scales, then their codes
///     tile        up to 256 columns of one or two groups, unpacked into the first cache for many tokens (kernels/tile-inl.hpp)
///     block       of a format: the columns that share one scale in a file; of activations: the columns quantised together
///
/// A row-major matrix keeps the bytes of a row side by side. A panel keeps the same four columns of its sixteen rows side by
/// side. So lanes are rows, the sum of a row never crosses lanes, and one token and many tokens add up in the same order.
///
///     integer formats   units of 64 columns, of 128 (MXFP4), or of 256 where a block has so many (the last may be shorter):
///                       scales, then codes
///         scales: [columns / scales::columns] x scale_panel, filled up to a whole cache line
///         codes of 32 columns: quads q = 0..7 of 64 bytes, byte row * 4 + i is the code of column 4 q + i
///             4 bits: quads q and q + 4 share 64 bytes (low and high nibble)        256 bytes
///             5 bits: as 4, and bit q of 64 more bytes                              320 bytes
///             6 bits: as 4, and bits 2 (q % 4) of plane q / 4 of 2 x 64 bytes       384 bytes
///             8 bits: a quad is 64 bytes                                            512 bytes
///     float formats     [columns] x 16 elements
///
/// A panel is read from its first byte to its last. That is the speed of memory for one token; where codes and scales were two
/// streams, or scales came after their codes, it was half of it.
///
/// The size is that of the file's blocks, but for what fills the scales' last cache line (Q6_K: +1%).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "nibble/core/aligned.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/quant/bits.hpp"
#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Rows of a group.
inline constexpr std::size_t panel_rows = 16;
/// Columns of one granule of codes, and of one block of activations.
inline constexpr std::size_t granule_columns = 32;

/// The scales of the blocks of sixteen rows: equal fields of the rows stand side by side.
template <class Scales>
struct scale_panel;
template <>
struct scale_panel<block_scale> {
  std::array<half, 16> d;
  void set(std::size_t row, const block_scale& s) noexcept { d[row] = s.d; }
  block_scale get(std::size_t row) const noexcept { return {d[row]}; }
};
template <>
struct scale_panel<block_exponent> {
  std::array<std::uint8_t, 16> e;
  void set(std::size_t row, const block_exponent& s) noexcept { e[row] = s.e; }
  block_exponent get(std::size_t row) const noexcept { return {e[row]}; }
};
template <>
struct scale_panel<block_scale_min> {
  std::array<half, 16> d, m;
  void set(std::size_t row, const block_scale_min& s) noexcept { d[row] = s.d, m[row] = s.m; }
  block_scale_min get(std::size_t row) const noexcept { return {d[row], m[row]}; }
};
template <>
struct scale_panel<super_scale_min> {
  std::array<half, 16> d, dmin;
  std::array<std::array<std::uint8_t, 16>, 8> low;   // of sub-block j: 4 bits of its scale, 4 of its minimum
  std::array<std::array<std::uint8_t, 16>, 4> high;  // of sub-blocks j and j + 4: 2 more of scale, minimum, scale, minimum
  void set(std::size_t row, const super_scale_min& s) noexcept {
    d[row] = s.d, dmin[row] = s.dmin;
    NIBBLE_UNROLL for (std::size_t j = 0; j < 8; ++j) low[j][row] =
        static_cast<std::uint8_t>((s.scale[j] & 15) | s.min[j] << 4);
    NIBBLE_UNROLL for (std::size_t j = 0; j < 4; ++j) {
      high[j][row] =
          static_cast<std::uint8_t>(s.scale[j] >> 4 | (s.min[j] >> 2 & 12) | (s.scale[j + 4] & 48) | (s.min[j + 4] & 48) << 2);
    }
  }
  super_scale_min get(std::size_t row) const noexcept {
    super_scale_min s{d[row], dmin[row], {}, {}};
    for (std::size_t j = 0; j < 8; ++j) {
      const unsigned two_bits = unsigned(high[j % 4][row]) >> j / 4 * 4;
      s.scale[j] = static_cast<std::uint8_t>((low[j][row] & 15u) | (two_bits & 3) << 4);
      s.min[j] = static_cast<std::uint8_t>(low[j][row] >> 4 | (two_bits & 12) << 2);
    }
    return s;
  }
};
template <>
struct scale_panel<super_scale> {
  std::array<half, 16> d;
  std::array<std::array<std::int8_t, 16>, 16> scale;
  void set(std::size_t row, const super_scale& s) noexcept {
    d[row] = s.d;
    NIBBLE_UNROLL for (std::size_t j = 0; j < 16; ++j) scale[j][row] = s.scale[j];
  }
  super_scale get(std::size_t row) const noexcept {
    super_scale s{d[row], {}};
    for (std::size_t j = 0; j < 16; ++j) s.scale[j] = scale[j][row];
    return s;
  }
};

/// Bytes of 16 rows x 32 columns of codes.
constexpr std::size_t code_bytes(unsigned bits) noexcept { return bits == 8 ? 512 : 256 + (bits - 4) * 64; }

/// The code of one row and column (of 32) in a granule.
constexpr std::uint8_t read_code(unsigned bits, const std::uint8_t* granule, std::size_t row, std::size_t column) noexcept {
  const std::size_t q = column / 4, at = row * 4 + column % 4;
  if (bits == 8) return granule[q * 64 + at];
  unsigned code = unsigned(granule[q % 4 * 64 + at]) >> (q < 4 ? 0 : 4) & 15u;
  if (bits == 5) code |= (unsigned(granule[256 + at]) >> q & 1u) << 4;
  if (bits == 6) code |= (unsigned(granule[256 + q / 4 * 64 + at]) >> (q % 4 * 2) & 3u) << 4;
  return static_cast<std::uint8_t>(code);
}

/// Writes the codes of one row and 32 columns into a granule.
template <unsigned Bits>
void pack_codes(const std::uint8_t* code, std::size_t row, std::uint8_t* granule) noexcept {
  using word = std::uint32_t;  // a quad of one row
  const auto quad = [&](std::size_t q) { return detail::load_bytes<word>(code + q * sizeof(word)); };
  const auto put = [&](word codes, std::size_t line) { detail::store_bytes(codes, granule + line * 64 + row * sizeof(word)); };
  if constexpr (Bits == 8) {
    NIBBLE_UNROLL for (std::size_t q = 0; q < 8; ++q) put(quad(q), q);
  } else {
    const auto low = detail::every_byte<word>(15);
    NIBBLE_UNROLL for (std::size_t q = 0; q < 4; ++q) put((quad(q) & low) | (quad(q + 4) & low) << 4, q);
    constexpr std::size_t width = Bits - 4, quads = width == 2 ? 4 : 8;  // of the high part: its bits, its quads a plane
    NIBBLE_UNROLL for (std::size_t plane = 0; plane < width; ++plane) {
      word high = 0;
      NIBBLE_UNROLL for (std::size_t q = 0; q < quads; ++q) high |= (quad(plane * quads + q) >> 4 & low) << (q * width);
      put(high, 4 + plane);
    }
  }
}

/// Columns of a unit: as few as fill a cache line with scales.
template <class Q>
inline constexpr std::size_t unit_columns = 64;
template <integer_format Q>
inline constexpr std::size_t unit_columns<Q> =
    std::max({std::size_t{64}, Q::scales::columns, cache_line / sizeof(scale_panel<typename Q::scales>) * Q::scales::columns});

/// One unit of an integer format: where its scales and its codes stand.
template <integer_format Q, class Byte>
struct panel_unit {
  using scale_type = scale_panel<typename Q::scales>;
  static constexpr std::size_t scale_bytes(std::size_t columns) noexcept {
    return round_up(columns / Q::scales::columns * sizeof(scale_type), cache_line);
  }
  static constexpr std::size_t bytes(std::size_t columns) noexcept {
    return scale_bytes(columns) + columns / granule_columns * code_bytes(Q::code_bits);
  }
  template <class T>
  using as = std::conditional_t<std::is_const_v<Byte>, const T, T>;

  as<scale_type>* scales;
  as<std::uint8_t>* codes;
  std::size_t columns;

  /// The unit of `count` columns that begins here.
  panel_unit(Byte* start, std::size_t count) noexcept
      : scales(reinterpret_cast<as<scale_type>*>(start)),
        codes(reinterpret_cast<as<std::uint8_t>*>(start + scale_bytes(count))),
        columns(count) {}
  /// The unit that begins with column `first` of a group of `group_columns`.
  panel_unit(Byte* group, std::size_t group_columns, std::size_t first) noexcept
      : panel_unit(group + first / unit_columns<Q> * bytes(unit_columns<Q>), std::min(unit_columns<Q>, group_columns - first)) {
  }
};

/// Bytes of one unit; precondition: columns is a multiple of Q::block_size, and at most unit_columns<Q>.
template <quant_format Q>
constexpr std::size_t unit_bytes(std::size_t columns) noexcept {
  if constexpr (integer_format<Q>) {
    return panel_unit<Q, const std::byte>::bytes(columns);
  } else {
    return round_up(columns * panel_rows * sizeof(typename Q::block), cache_line);
  }
}
/// Bytes of one group of sixteen rows; precondition: columns is a multiple of Q::block_size.
template <quant_format Q>
constexpr std::size_t group_bytes(std::size_t columns) noexcept {
  return sum_of_sizes(product_of_sizes(columns / unit_columns<Q>, unit_bytes<Q>(unit_columns<Q>)),
                      unit_bytes<Q>(columns % unit_columns<Q>));
}

/// Bytes that a row of a file takes for so many columns.
template <quant_format Q>
constexpr std::size_t stored_bytes(std::size_t columns) noexcept {
  return product_of_sizes(columns / Q::block_size, sizeof(typename Q::block));
}

/// Packs up to sixteen rows, as a file holds them, into one unit. Where rows are missing, the unit is left as it is.
/// @shape   rows: `count` x columns in blocks of Q, `row_bytes` apart, any alignment; unit: unit_bytes<Q>(columns)
/// @errors  none (noexcept); precondition: columns <= unit_columns<Q>
template <quant_format Q>
void pack_unit(const std::byte* rows, std::size_t count, std::size_t row_bytes, std::size_t columns, std::byte* unit) noexcept {
  using block = typename Q::block;
  if constexpr (integer_format<Q>) {
    // All rows are copied before the first is unpacked: a load that overlaps a store just made has to wait for it.
    std::array<block, panel_rows> stored;
    std::array<std::uint8_t, Q::block_size> code;
    const panel_unit<Q, std::byte> to(unit, columns);
    for (std::size_t b = 0; b < columns / Q::block_size; ++b) {
      auto* granules = to.codes + b * (Q::block_size / granule_columns) * code_bytes(Q::code_bits);
      for (std::size_t r = 0; r < count; ++r) std::memcpy(&stored[r], rows + r * row_bytes + b * sizeof(block), sizeof(block));
      for (std::size_t r = 0; r < count; ++r) {
        to.scales[b].set(r, Q::read_scales(stored[r]));
        Q::codes(stored[r], code);
        for (std::size_t g = 0; g < Q::block_size / granule_columns; ++g) {
          pack_codes<Q::code_bits>(code.data() + g * granule_columns, r, granules + g * code_bytes(Q::code_bits));
        }
      }
    }
  } else {
    for (std::size_t r = 0; r < count; ++r) {
      for (std::size_t k = 0; k < columns; ++k) {
        std::memcpy(unit + (k * panel_rows + r) * sizeof(block), rows + r * row_bytes + k * sizeof(block), sizeof(block));
      }
    }
  }
}

/// Packs up to sixteen rows, as a file holds them, into one group. Missing rows become zero.
/// @shape   rows: `count` x columns in blocks of Q, `row_bytes` apart, any alignment; group: group_bytes<Q>(columns)
/// @errors  none (noexcept)
template <quant_format Q>
void pack_group(const std::byte* rows, std::size_t count, std::size_t row_bytes, std::size_t columns,
                std::byte* group) noexcept {
  if (count < panel_rows) std::memset(group, 0, group_bytes<Q>(columns));
  for (std::size_t first = 0; first < columns; first += unit_columns<Q>) {
    pack_unit<Q>(rows + stored_bytes<Q>(first), count, row_bytes, std::min(unit_columns<Q>, columns - first),
                 group + first / unit_columns<Q> * unit_bytes<Q>(unit_columns<Q>));
  }
}

/// The scale and offset of one sub-block of columns: value = scale * level + offset.
struct affine {
  float scale, offset;
};
inline affine affine_of(const block_scale& s, std::size_t) noexcept { return {s.d, 0}; }
inline affine affine_of(const block_exponent& s, std::size_t) noexcept { return {s.d(), 0}; }
inline affine affine_of(const block_scale_min& s, std::size_t) noexcept { return {s.d, s.m}; }
inline affine affine_of(const super_scale_min& s, std::size_t j) noexcept {
  return {float(s.d) * float(s.scale[j]), -(float(s.dmin) * float(s.min[j]))};
}
inline affine affine_of(const super_scale& s, std::size_t j) noexcept { return {float(s.d) * float(s.scale[j]), 0}; }

/// One row of a group as floats, bit-equal to Q::decode of the row that was packed.
template <quant_format Q>
void unpack_row(const std::byte* group, std::size_t row, std::size_t columns, float* out) noexcept {
  if constexpr (integer_format<Q>) {
    using scales = typename Q::scales;
    for (std::size_t k = 0; k < columns; ++k) {
      const panel_unit<Q, const std::byte> unit(group, columns, k / unit_columns<Q> * unit_columns<Q>);
      const std::size_t at = k % unit_columns<Q>;
      const affine a = affine_of(unit.scales[at / scales::columns].get(row), at % scales::columns / scales::sub_block);
      const auto* granule = unit.codes + at / granule_columns * code_bytes(Q::code_bits);
      const int level = level_of<Q>(read_code(Q::code_bits, granule, row, at % granule_columns));
      if constexpr (scales::has_offset) {
        out[k] = a.scale * float(level) + a.offset;
      } else {
        out[k] = a.scale * float(level);
      }
    }
  } else {
    for (std::size_t k = 0; k < columns; ++k) {
      typename Q::block stored;
      std::memcpy(&stored, group + (k * panel_rows + row) * sizeof stored, sizeof stored);
      out[k] = float(stored);
    }
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
