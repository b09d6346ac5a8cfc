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
///     block       of a format: the columns that share one scale in a file; of activations: the columns quantized together
///
/// A row-major matrix keeps the bytes of a row side by side. A panel keeps the same four columns of its sixteen rows side by
/// side. So lanes are rows, the sum of a row never crosses lanes, and one token and many tokens add up in the same order.
///
///     integer formats   units of 64 columns, of 128 (MXFP4), or of 256 where a block has so many (the last may be shorter):
///                       scales, then codes
///         scales: [columns / scales::columns] x scale_panel, filled up to a whole cache line
///         codes of 32 columns: quads q = 0..7 of 64 bytes, byte row * 4 + i is the code of column 4 q + i
///             1 bit:  bit q of 64 bytes                              64 bytes
///             2 bits: bits 2 (q % 4) of plane q / 4 of 2 x 64 bytes                 128 bytes
///             3 bits: quads 2 p and 2 p + 1 in bits 0 and 3 and up of plane p of 3 x 64 bytes; of quads 6 and 7 the lower
///                     two bits in bits 6 and 7 of planes 0 and 1, the upper one in those of plane 2   192 bytes
///             4 bits: quads q and q + 4 share 64 bytes (low and high nibble)        256 bytes
///             5 bits: as 4, and bit q of 64 more bytes                              320 bytes
///             6 bits: as 4, and bits 2 (q % 4) of plane q / 4 of 2 x 64 bytes       384 bytes
///             8 bits: a quad is 64 bytes                                            512 bytes
///     widened formats   blocks as a file holds them, but their words of 16 bits with those of sixteen rows side by side
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
#include "nibble/quant/scale_panel.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Rows of a group.
inline constexpr std::size_t panel_rows = 16;
/// Columns of one granule of codes, and of one block of activations.
inline constexpr std::size_t granule_columns = 32;

/// Bytes of 16 rows x 32 columns of codes.
constexpr std::size_t code_bytes(unsigned bits) noexcept { return bits * 64; }

/// The code of one row and column (of 32) in a granule.
constexpr std::uint8_t read_code(unsigned bits, const std::uint8_t* granule, std::size_t row, std::size_t column) noexcept {
  const std::size_t q = column / 4, at = row * 4 + column % 4;
  if (bits == 8) return granule[q * 64 + at];
  if (bits == 1) return granule[at] >> q & 1;
  if (bits == 2) return granule[q / 4 * 64 + at] >> (q % 4 * 2) & 3;
  if (bits == 3 && q < 6) return granule[q / 2 * 64 + at] >> (q % 2 * 3) & 7;
  if (bits == 3) return static_cast<std::uint8_t>(granule[(q - 6) * 64 + at] >> 6 | (granule[128 + at] >> q & 1) << 2);
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
  // `quads` quads in one line, `width` bits of each, from bit `from` on
  const auto put_bits = [&](std::size_t first, std::size_t quads, unsigned width, unsigned from, std::size_t line) {
    const auto mask = detail::every_byte<word>(static_cast<std::uint8_t>((1u << width) - 1));
    word out = 0;
    NIBBLE_UNROLL for (std::size_t q = 0; q < quads; ++q) out |= (quad(first + q) >> from & mask) << (q * width);
    put(out, line);
  };
  if constexpr (Bits == 8) {
    NIBBLE_UNROLL for (std::size_t q = 0; q < 8; ++q) put(quad(q), q);
  } else if constexpr (Bits == 1) {
    put_bits(0, 8, 1, 0, 0);
  } else if constexpr (Bits == 2) {
    put_bits(0, 4, 2, 0, 0), put_bits(4, 4, 2, 0, 1);
  } else if constexpr (Bits == 3) {
    const auto low = detail::every_byte<word>(3), high = detail::every_byte<word>(4);
    const auto beside = [&](std::size_t q) { return quad(q) | quad(q + 1) << 3; };
    put(beside(0) | (quad(6) & low) << 6, 0);
    put(beside(2) | (quad(7) & low) << 6, 1);
    put(beside(4) | (quad(6) & high) << 4 | (quad(7) & high) << 5, 2);
  } else {
    const auto low = detail::every_byte<word>(15);
    NIBBLE_UNROLL for (std::size_t q = 0; q < 4; ++q) put((quad(q) & low) | (quad(q + 4) & low) << 4, q);
    if constexpr (Bits == 5) put_bits(0, 8, 1, 4, 4);
    if constexpr (Bits == 6) put_bits(0, 4, 2, 4, 4), put_bits(4, 4, 2, 4, 5);
  }
}

/// Columns of a unit: as few as fill a cache line with scales, but no more than a tile has.
template <class Q>
inline constexpr std::size_t unit_columns = 64;
template <coded_format Q>
inline constexpr std::size_t unit_columns<Q> = std::min(
    std::size_t{256},
    std::max({std::size_t{64}, Q::scales::columns, cache_line / sizeof(scale_panel<typename Q::scales>) * Q::scales::columns}));

template <widened_format Q>
inline constexpr std::size_t unit_columns<Q> = 256;
/// What is widened at once.
template <coded_format Q>
requires widened_codes<Q>
inline constexpr std::size_t unit_columns<Q> = 256;

/// One unit of codes: where its scales and its codes stand.
template <coded_format Q, class Byte>
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
template <class Q>
constexpr std::size_t unit_bytes(std::size_t columns) noexcept {
  if constexpr (coded_format<Q>) {
    return panel_unit<Q, const std::byte>::bytes(columns);
  } else if constexpr (widened_format<Q>) {
    return columns / Q::block_size * panel_rows * sizeof(typename Q::block);
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

namespace detail {
/// Words of 16 bits, from one after the other to one a row of a panel, and back.
template <std::size_t Bytes>
void put_words(const std::byte* from, std::byte* to) noexcept {
  for (std::size_t i = 0; i < Bytes / 2; ++i) std::memcpy(to + i * panel_rows * 2, from + i * 2, 2);
}
template <widened_format Q>
typename Q::block block_of_words(const std::byte* panel, std::size_t row) noexcept {
  std::array<std::byte, sizeof(typename Q::block)> bytes;
  for (std::size_t i = 0; i < bytes.size(); i += 2) std::memcpy(bytes.data() + i, panel + i * panel_rows + row * 2, 2);
  typename Q::block out;
  std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}
}  // namespace detail

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
  } else if constexpr (widened_format<Q>) {
    for (std::size_t b = 0; b < columns / Q::block_size; ++b, rows += sizeof(block), unit += panel_rows * sizeof(block)) {
      for (std::size_t r = 0; r < count; ++r) detail::put_words<sizeof(block)>(rows + r * row_bytes, unit + 2 * r);
    }
  } else {
    for (std::size_t r = 0; r < count; ++r) {
      for (std::size_t b = 0; b < columns / Q::block_size; ++b) {
        std::memcpy(unit + (b * panel_rows + r) * sizeof(block), rows + r * row_bytes + b * sizeof(block), sizeof(block));
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
  for (std::size_t first = 0; first < columns; first += unit_columns<Q>) {
    const std::size_t in_unit = std::min(unit_columns<Q>, columns - first);
    std::byte* const unit = group + first / unit_columns<Q> * unit_bytes<Q>(unit_columns<Q>);
    if (count < panel_rows) std::memset(unit, 0, unit_bytes<Q>(in_unit));
    pack_unit<Q>(rows + stored_bytes<Q>(first), count, row_bytes, in_unit, unit);
  }
}

/// One row of a group as floats, bit-equal to Q::decode of the row that was packed.
template <quant_format Q>
void unpack_row(const std::byte* group, std::size_t row, std::size_t columns, float* out) noexcept {
  if constexpr (integer_format<Q>) {
    using scales = typename Q::scales;
    for (std::size_t k = 0; k < columns; ++k) {
      const panel_unit<Q, const std::byte> unit(group, columns, k / unit_columns<Q> * unit_columns<Q>);
      const std::size_t at = k % unit_columns<Q>;
      const affine a = unit.scales[at / scales::columns].get(row).of(at % scales::columns / scales::sub_block);
      const auto* granule = unit.codes + at / granule_columns * code_bytes(Q::code_bits);
      const int level = level_of<Q>(read_code(Q::code_bits, granule, row, at % granule_columns));
      if constexpr (scales::has_offset) {
        out[k] = a.scale * float(level) + a.offset;  // an exact product: see detail::decode_codes
      } else {
        out[k] = a.scale * float(level);
      }
    }
  } else {
    for (std::size_t b = 0; b < columns / Q::block_size; ++b) {
      typename Q::block stored;
      if constexpr (widened_format<Q>) {
        stored = detail::block_of_words<Q>(group + b * panel_rows * sizeof stored, row);
      } else {
        std::memcpy(&stored, group + (b * panel_rows + row) * sizeof stored, sizeof stored);
      }
      Q::decode(stored, std::span<float, Q::block_size>(out + b * Q::block_size, Q::block_size));
    }
  }
}

/// Widens some columns, from column `first` on, of up to sixteen rows into one unit of codes, which holds zeros where rows are
/// missing.
/// @shape   rows: `count` x columns in blocks of Q, `row_bytes` apart, any alignment; or with row_bytes 0 a group in panels
/// @errors  none (noexcept); precondition: columns <= unit_columns<wide_of<Q>>, and `first` begins a unit
template <widened_format Q>
void widen_unit(const std::byte* rows, std::size_t row_bytes, std::size_t count, std::size_t first, std::size_t columns,
                std::byte* unit) noexcept {
  using block = typename Q::block;
  using wide_codes = wide_of<Q>;
  constexpr std::size_t granules = Q::block_size / granule_columns, bytes = code_bytes(wide_codes::code_bits);
  const panel_unit<wide_codes, std::byte> to(unit, columns);
  const std::size_t block_step = row_bytes > 0 ? sizeof(block) : panel_rows * sizeof(block);
  rows += first / Q::block_size * block_step;
  for (std::size_t b = 0; b < columns / Q::block_size; ++b, rows += block_step) {
    for (std::size_t r = 0; r < count; ++r) {
      block stored;
      std::array<widened_block, granules> wide;
      if (row_bytes > 0) {
        std::memcpy(&stored, rows + r * row_bytes, sizeof stored);
      } else {
        stored = detail::block_of_words<Q>(rows, r);
      }
      Q::widen(stored, wide);
      for (std::size_t g = 0; g < granules; ++g) {
        to.scales[b * granules + g].set(r, {wide[g].scale});
        pack_codes<wide_codes::code_bits>(wide[g].code.data(), r, to.codes + (b * granules + g) * bytes);
      }
    }
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
