/// What products of several tokens read: a packed unit where it stands, or a tile, 256 columns of it unpacked. Both offer the
/// same functions, so the products are written once for both.
#if defined(NIBBLE_KERNELS_TILE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_TILE_INL_HPP
#undef NIBBLE_KERNELS_TILE_INL_HPP
#else
#define NIBBLE_KERNELS_TILE_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/panel-inl.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/quant/panel.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// The unit that begins with column `first` of `columns`.
template <coded_format Q, class Units>
HWY_INLINE panel_unit<Q, const std::byte> read_unit(Units& units, std::size_t columns, std::size_t first) {
  const std::size_t count = std::min(unit_columns<Q>, columns - first);
  return {units.at(first, count), count};
}

/// Up to 256 columns of groups, unpacked: level + zero_point as bytes (of 8-bit formats, where they are; in two parts
/// for products of pairs), scales and offsets as floats.
template <class Q, dot Dot>
struct tile {
  static constexpr std::size_t rows = tile_groups * panel_rows, sub_blocks = super_sub_blocks<Q>;
  static constexpr bool split = value_bits<Q> == 8 && Dot == dot::pairs;
  static constexpr bool copied = Q::code_bits < 8 || split,
                        offsets = (Q::scales::has_offset || two_halves<Q>)&&!super_block_format<Q>,
                        mins = Q::scales::has_offset && super_block_format<Q>;
  static constexpr std::size_t min_pairs = !mins ? 1 : 4 * sub_blocks;
  static constexpr std::size_t granule_bytes = (split ? 2 : 1) * 8 * 64;
  alignas(64) std::uint8_t unpacked[tile_groups][copied ? 8 : 1][granule_bytes];
  alignas(64) float scale[8][sub_blocks][rows];
  alignas(64) float offset[offsets ? 8 : 1][rows];
  alignas(64) std::int16_t min[min_pairs][2 * rows];  ///< of two sub-blocks, row by row
  alignas(64) float min_scale[rows];
  const std::uint8_t* code[tile_groups][8];

  // As of a packed unit: quad q, scales and offsets of granule g, or of its sub-block j, for `lanes` rows from row r on.
  HWY_INLINE byte_vec values_of(std::size_t g, std::size_t q, std::size_t r) const {
    return hn::Load(byte_tag(), code[r / panel_rows][g] + q * 64 + r % panel_rows * 4);
  }
  HWY_INLINE parts_vec parts_of(std::size_t g, std::size_t q, std::size_t r) const {
    return {values_of(g, q, r), values_of(g, 8 + q, r)};
  }
  HWY_INLINE affine_vec affine_of(std::size_t g, std::size_t r) const {
    const float_tag d;
    return {hn::Load(d, scale[g][0] + r), offsets ? hn::Load(d, offset[g * offsets] + r) : hn::Zero(d)};
  }
  HWY_INLINE float_vec scale_of(std::size_t g, std::size_t j, std::size_t r) const {
    return hn::Load(float_tag(), scale[g][j] + r);
  }
  HWY_INLINE short_vec mins_of(std::size_t j, std::size_t r) const { return hn::Load(short_tag(), min[j / 2] + 2 * r); }
  HWY_INLINE float_vec min_scale_of(std::size_t r) const { return hn::Load(float_tag(), min_scale + r); }
};

/// A unit where it stands: for so few tokens that unpacking it would cost more than it saves.
template <coded_format Q>
struct packed {
  static constexpr std::size_t rows = panel_rows, granules = Q::scales::columns / 32;
  panel_unit<Q, const std::byte> unit;

  HWY_INLINE byte_vec values_of(std::size_t g, std::size_t q, std::size_t r) const {
    return values<Q>(unit.codes + g * code_bytes(Q::code_bits), q, r);
  }
  HWY_INLINE parts_vec parts_of(std::size_t g, std::size_t q, std::size_t r) const {
    return read_parts<Q>(unit.codes + g * code_bytes(Q::code_bits), q, r);
  }
  HWY_INLINE affine_vec affine_of(std::size_t g, std::size_t r) const {
    return read_affine(unit.scales[g / granules], g % granules, r);
  }
  HWY_INLINE float_vec scale_of(std::size_t g, std::size_t j, std::size_t r) const {
    return read_scale(unit.scales[0], g * super_sub_blocks<Q> + j, r);
  }
  HWY_INLINE short_vec mins_of(std::size_t j, std::size_t r) const { return read_mins(unit.scales[0], j, r); }
  HWY_INLINE float_vec min_scale_of(std::size_t r) const { return read_min_scale(unit.scales[0], r); }
};

/// Unpacks `count` granules, from column `first` on, of the group whose place in the tile is `place`.
template <coded_format Q, dot Dot, class Units>
HWY_INLINE void fill(tile<Q, Dot>& t, std::size_t place, Units& units, std::size_t columns, std::size_t first,
                     std::size_t count) {
  constexpr std::size_t in_unit = unit_columns<Q> / 32, sub_blocks = tile<Q, Dot>::sub_blocks;
  const std::size_t row = place * panel_rows;
  for (std::size_t at = 0; at < count; at += in_unit) {
    const auto unit = read_unit<Q>(units, columns, first + at * 32);
    const packed<Q> from{unit};
    for (std::size_t i = 0; i < unit.columns / 32; ++i) {
      const std::size_t g = at + i;
      t.code[place][g] = t.copied ? t.unpacked[place][g] : unit.codes + i * code_bytes(Q::code_bits);
      if constexpr (tile<Q, Dot>::copied) {
        if (const auto* next = units.next_tile(first)) prefetch<2>(next, tile_bytes<Q>, g, count);
      }
      for (std::size_t r = 0; r < panel_rows; r += lanes) {
        if constexpr (tile<Q, Dot>::copied) {
          NIBBLE_UNROLL for (std::size_t q = 0; q < 8; ++q) {
            std::uint8_t* to = t.unpacked[place][g] + q * 64 + r * 4;
            if constexpr (tile<Q, Dot>::split) {
              const auto parts = from.parts_of(i, q, r);
              hn::Store(parts.first, byte_tag(), to);
              hn::Store(parts.second, byte_tag(), to + 8 * 64);
            } else {
              hn::Store(from.values_of(i, q, r), byte_tag(), to);
            }
          }
        }
        if constexpr (super_block_format<Q>) {
          for (std::size_t j = 0; j < sub_blocks; ++j) {
            hn::Store(from.scale_of(i, j, r), float_tag(), t.scale[g][j] + row + r);
          }
        } else {
          const auto s = from.affine_of(i, r);
          hn::Store(s.scale, float_tag(), t.scale[g][0] + row + r);
          if constexpr (tile<Q, Dot>::offsets) hn::Store(s.offset, float_tag(), t.offset[g] + row + r);
        }
      }
    }
    if constexpr (tile<Q, Dot>::mins) {
      for (std::size_t r = 0; r < panel_rows; r += lanes) {
        for (std::size_t j = 0; j < 2 * tile<Q, Dot>::min_pairs; j += 2) {
          hn::Store(from.mins_of(j, r), short_tag(), t.min[j / 2] + 2 * (row + r));
        }
        hn::Store(from.min_scale_of(r), float_tag(), t.min_scale + row + r);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
