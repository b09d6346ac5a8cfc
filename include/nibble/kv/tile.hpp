/// Tiles of the KV cache: how the keys and values of one head at 64 positions stand in memory, by format.
///
/// Keys are four groups of sixteen positions, in the panels of a weight (quant/panel.hpp): scores are a matrix product like any
/// other. Values stand in blocks of 32 dimensions, (value_dim / 32, position, 32): lanes are dimensions, and an output is a sum
/// in the order of the positions. A block of codes begins with the scales of its positions, (64) in half precision. Both are
/// read from the first byte to the last, in order.
///
/// Nothing is filled up, for a model may have many narrow heads: the last block of values is as wide as there are dimensions
/// left, and so is the last unit of keys. Where that leaves a granule of Q8_0 codes incomplete, kernels complete a copy. Two
/// codes of Q4_0 share a byte, dimensions i and i + 16 of 32: there the last 32 are filled up with zeros.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "nibble/core/aligned.hpp"
#include "nibble/core/type_list.hpp"
#include "nibble/quant/bf16.hpp"
#include "nibble/quant/f16.hpp"
#include "nibble/quant/f32.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/q4_0.hpp"
#include "nibble/quant/q8_0.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Positions in a page of the KV cache: one tile of attention.
inline constexpr std::size_t page_positions = 64;
/// Dimensions of a head at most: of its queries, keys and values.
inline constexpr std::size_t max_head_dim = 1024;

/// The formats a KV cache may have.
using kv_formats = type_list<f32, f16, bf16, q8_0, q4_0>;

template <class Format>
concept kv_format = index_of<Format, kv_formats> < kv_formats::size;
/// One of codes and scales, not of floats.
template <class Format>
concept coded_kv_format = kv_format<Format> && coded_format<Format>;

/// Dimensions that share one scale.
inline constexpr std::size_t kv_block = 32;
constexpr std::size_t kv_blocks(std::size_t dim) noexcept { return (dim + kv_block - 1) / kv_block; }

enum class kv_role : std::uint8_t { key, value };

/// Columns of the panels that keys of `dim` dimensions take.
constexpr std::size_t kv_columns(std::size_t dim) noexcept { return kv_blocks(dim) * kv_block; }

/// Dimensions of the block of values that begins with dimension `first` of `dim`.
constexpr std::size_t value_width(std::size_t dim, std::size_t first) noexcept { return std::min(kv_block, dim - first); }
/// Bytes of `width` dimensions of the values of a tile.
template <kv_format Format>
constexpr std::size_t value_block_bytes(std::size_t width) noexcept {
  if constexpr (std::is_same_v<Format, q4_0>) {
    return page_positions * (sizeof(half) + kv_block / 2);
  } else if constexpr (std::is_same_v<Format, q8_0>) {
    return page_positions * (sizeof(half) + width);
  } else {
    return page_positions * width * sizeof(typename Format::block);
  }
}

namespace detail {
/// Columns of the last unit of Q8_0 keys if it is ragged: its last granule is incomplete. 0 for all other keys.
///
///     a ragged unit   scales of its blocks, (columns / 32 rounded up, 16); quads of 64 bytes as in panels; of the columns that
///                     make up no quad: (16, columns % 4)
constexpr std::size_t ragged_columns(std::size_t dim) noexcept { return dim % kv_block == 0 ? 0 : dim % unit_columns<q8_0>; }
constexpr std::size_t ragged_scale_bytes(std::size_t columns) noexcept {
  return kv_blocks(columns) * sizeof(scale_panel<block_scale>);
}
}  // namespace detail

/// Bytes of sixteen keys. Whole units of Q8_0 begin on a cache line.
template <kv_format Format>
constexpr std::size_t key_group_bytes(std::size_t dim) noexcept {
  if constexpr (std::is_same_v<Format, q4_0>) return group_bytes<q4_0>(kv_columns(dim));
  if constexpr (!coded_kv_format<Format>) return dim * panel_rows * sizeof(typename Format::block);
  const std::size_t ragged = detail::ragged_columns(dim), whole = group_bytes<q8_0>(dim - ragged);
  const std::size_t bytes = whole + detail::ragged_scale_bytes(ragged) + ragged * panel_rows;
  return whole > 0 ? round_up(bytes, cache_line) : bytes;
}

/// Bytes of one tile of keys or of values; a multiple of a cache line.
template <kv_format Format, kv_role Role>
constexpr std::size_t kv_tile_bytes(std::size_t dim) noexcept {
  if constexpr (Role == kv_role::key) return page_positions / panel_rows * key_group_bytes<Format>(dim);
  const std::size_t rest = dim % kv_block;
  return dim / kv_block * value_block_bytes<Format>(kv_block) + (rest > 0 ? value_block_bytes<Format>(rest) : 0);
}

/// Memory in which a ragged unit of keys is completed.
struct key_unit_buffer {
  alignas(cache_line) std::byte bytes[unit_bytes<q8_0>(unit_columns<q8_0>)] = {};
};
/// The unit of a group of Q8_0 keys that begins with column `first`, as kernels read it: where it stands, or completed.
inline const std::byte* key_unit(const std::byte* group, std::size_t dim, std::size_t first, key_unit_buffer& buffer) noexcept {
  const std::byte* unit = group + first / unit_columns<q8_0> * unit_bytes<q8_0>(unit_columns<q8_0>);
  const std::size_t ragged = detail::ragged_columns(dim), quads = ragged / 4, rest = ragged % 4;
  if (first + ragged < dim || ragged == 0) return unit;
  const panel_unit<q8_0, std::byte> to(buffer.bytes, kv_columns(ragged));
  const std::size_t scale_bytes = detail::ragged_scale_bytes(ragged);
  std::memcpy(to.scales, unit, scale_bytes);
  std::memcpy(to.codes, unit + scale_bytes, quads * 64);
  for (std::size_t row = 0; row < panel_rows && rest > 0; ++row) {
    std::memcpy(to.codes + quads * 64 + row * 4, unit + scale_bytes + quads * 64 + row * rest, rest);
  }
  return buffer.bytes;
}

/// A number as the float formats store it. What is beyond the largest number of a format becomes that; NaN stays NaN.
inline void store_number(float v, float& out) noexcept { out = v; }
inline void store_number(float v, half& out) noexcept { out = to_half(limited(v, largest_half)); }
inline void store_number(float v, bhalf& out) noexcept { out = to_bhalf(limited(v, largest_bhalf)); }

/// Where element (slot, i) of a tile of width dim lies: a float, or a code and the scale of its block.
template <class T, class Half>
struct kv_element {
  T* value;
  Half* scale;
  unsigned shift = 0;  ///< the lowest bit of a code in its byte
};
namespace detail {
template <class Byte, class T>
using as_const_as = std::conditional_t<std::is_const_v<Byte>, const T, T>;

/// Of Q4_0: the bytes of a block of values are those of its positions, 16 each; keys stand as weights do.
template <kv_role Role, class Byte>
auto nibble_at(Byte* tile, std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  using code = as_const_as<Byte, std::uint8_t>;
  using element = kv_element<code, as_const_as<Byte, half>>;
  using scale = as_const_as<Byte, half>;
  const unsigned shift = i % kv_block < kv_block / 2 ? 0 : 4;
  if constexpr (Role == kv_role::value) {
    Byte* block = tile + i / kv_block * value_block_bytes<q4_0>(kv_block);
    auto* codes = reinterpret_cast<code*>(block + page_positions * sizeof(half));
    return element{codes + slot * (kv_block / 2) + i % (kv_block / 2), reinterpret_cast<scale*>(block) + slot, shift};
  } else {
    const std::size_t row = slot % panel_rows, first = i / unit_columns<q4_0> * unit_columns<q4_0>, at = i - first;
    const panel_unit<q4_0, Byte> unit(tile + slot / panel_rows * key_group_bytes<q4_0>(dim), kv_columns(dim), first);
    auto* granule = unit.codes + at / granule_columns * code_bytes(q4_0::code_bits);
    return element{granule + i / 4 % 4 * 64 + row * 4 + i % 4,
                   reinterpret_cast<scale*>(unit.scales) + at / kv_block * panel_rows + row, shift};
  }
}
}  // namespace detail

template <kv_format Format, kv_role Role, class Byte>
auto kv_at(Byte* tile, std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  constexpr bool coded = std::is_same_v<Format, q8_0>;
  using stored = std::conditional_t<coded, std::uint8_t, typename Format::block>;
  using T = detail::as_const_as<Byte, stored>;
  using Half = detail::as_const_as<Byte, half>;
  if constexpr (std::is_same_v<Format, q4_0>) {
    return detail::nibble_at<Role>(tile, dim, slot, i);
  } else if constexpr (Role == kv_role::value) {
    const std::size_t width = value_width(dim, i / kv_block * kv_block);
    Byte* block = tile + i / kv_block * value_block_bytes<Format>(kv_block);
    auto* values = reinterpret_cast<T*>(block + (coded ? page_positions * sizeof(half) : 0));
    return kv_element<T, Half>{values + slot * width + i % kv_block, reinterpret_cast<Half*>(block) + slot};
  } else {
    const std::size_t row = slot % panel_rows;
    Byte* group = tile + slot / panel_rows * key_group_bytes<Format>(dim);
    if constexpr (coded) {
      const std::size_t at = i % unit_columns<q8_0>, ragged = detail::ragged_columns(dim);
      const bool in_ragged = i >= dim - ragged;
      Byte* start = group + i / unit_columns<q8_0> * unit_bytes<q8_0>(unit_columns<q8_0>);
      const std::size_t columns = std::min(unit_columns<q8_0>, dim - (i - at));
      const std::size_t scale_bytes =
          in_ragged ? detail::ragged_scale_bytes(ragged) : panel_unit<q8_0, std::byte>::scale_bytes(columns);
      const std::size_t quad = in_ragged && at / 4 == ragged / 4 ? ragged % 4 : 4;
      auto* codes = reinterpret_cast<T*>(start + scale_bytes);
      return kv_element<T, Half>{codes + at / 4 * 64 + row * quad + at % 4,
                                 reinterpret_cast<Half*>(start) + at / kv_block * panel_rows + row};
    } else {
      return kv_element<T, Half>{reinterpret_cast<T*>(group) + i * panel_rows + row, nullptr};
    }
  }
}

/// What is added to a level to make it a code. Keys of Q8_0 are unsigned codes around 128, as weights are; values are signed.
template <coded_kv_format Format, kv_role Role>
inline constexpr int kv_zero_point = std::is_same_v<Format, q8_0>&& Role == kv_role::value ? 0 : Format::zero_point;
/// The levels that there are.
template <coded_kv_format Format>
inline constexpr float least_kv_level = std::is_same_v<Format, q4_0> ? -8 : -127;
template <coded_kv_format Format>
inline constexpr float most_kv_level = std::is_same_v<Format, q4_0> ? 7 : 127;

/// The scale of numbers from `least` <= 0 to `most` >= 0: of Q8_0 the farthest from zero has level 127 or -127, and of Q4_0
/// level -8, so that its scale may be negative. No larger than the largest half.
template <coded_kv_format Format>
half kv_scale(float least, float most) noexcept {
  if (least == most) return {};
  if constexpr (std::is_same_v<Format, q4_0>) {
    return to_half(limited((most >= -least ? most : least) / least_kv_level<q4_0>, largest_half));
  } else {
    return to_half(std::min(std::max(most, -least) / most_kv_level<q8_0>, largest_half));
  }
}
/// The same of some numbers; NaN where one of them is.
template <coded_kv_format Format>
half kv_scale_of(const float* x, std::size_t n) noexcept {
  float least = 0, most = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (is_nan(x[i])) return nan_half;
    least = std::min(least, x[i]), most = std::max(most, x[i]);
  }
  return kv_scale<Format>(least, most);
}
/// 1 / scale; 0 where there is none, or a NaN.
inline float kv_inverse(half scale) noexcept { return std::fabs(float(scale)) > 0 ? 1 / float(scale) : 0; }

/// Writes one position's vector into its tile.
template <kv_format Format, kv_role Role>
void store_kv(const float* vector, std::size_t dim, std::size_t slot, std::byte* tile) {
  if constexpr (coded_kv_format<Format>) {
    for (std::size_t begin = 0; begin < dim; begin += kv_block) {
      const std::size_t end = std::min(dim, begin + kv_block);
      const half d = kv_scale_of<Format>(vector + begin, end - begin);
      const float inverse = kv_inverse(d);
      *kv_at<Format, Role>(tile, dim, slot, begin).scale = d;
      for (std::size_t i = begin; i < (std::is_same_v<Format, q4_0> ? begin + kv_block : end); ++i) {
        // no NaN: its block has no inverse
        const float x = inverse != 0 && i < end ? vector[i] * inverse : 0;
        const float level = std::min(std::max(std::nearbyint(x), least_kv_level<Format>), most_kv_level<Format>);
        const auto at = kv_at<Format, Role>(tile, dim, slot, i);
        const auto mask = static_cast<std::uint8_t>(((1u << Format::code_bits) - 1) << at.shift);
        const unsigned code = unsigned(static_cast<int>(level) + kv_zero_point<Format, Role>) << at.shift;
        *at.value = static_cast<std::uint8_t>((*at.value & ~mask) | (code & mask));
      }
    }
  } else {
    for (std::size_t i = 0; i < dim; ++i) store_number(vector[i], *kv_at<Format, Role>(tile, dim, slot, i).value);
  }
}

/// The level of a code.
template <coded_kv_format Format, kv_role Role, class T, class Half>
int kv_level(const kv_element<T, Half>& at) noexcept {
  if constexpr (std::is_same_v<Format, q4_0>) {
    return (*at.value >> at.shift & 15) - q4_0::zero_point;
  } else {
    return Role == kv_role::key ? int(*at.value) - q8_0::zero_point : int(static_cast<std::int8_t>(*at.value));
  }
}

/// Element i of one position's vector.
template <kv_format Format, kv_role Role>
float read_kv(const std::byte* tile, std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  const auto at = kv_at<Format, Role>(tile, dim, slot, i);
  if constexpr (coded_kv_format<Format>) {
    return float(*at.scale) * float(kv_level<Format, Role>(at));
  } else {
    return float(*at.value);
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
