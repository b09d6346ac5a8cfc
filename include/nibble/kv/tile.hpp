/// Tiles of the KV cache: how the keys and values of one head at 64 positions stand in memory, by format.
///
/// Keys are four groups of a weight's panels, sixteen positions each (quant/panel.hpp): scores are a matrix product like any
/// other. Values stand in blocks of 32 dimensions, (value_dim / 32, position, 32): lanes are dimensions, and an output is a sum
/// in the order of the positions. A block of Q8_0 begins with the scales of its positions, (64) in half precision. Both are
/// read from the first byte to the last, in order.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "nibble/core/aligned.hpp"
#include "nibble/core/type_list.hpp"
#include "nibble/quant/bf16.hpp"
#include "nibble/quant/f16.hpp"
#include "nibble/quant/f32.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/q8_0.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Positions in a page of the KV cache: one tile of attention.
inline constexpr std::size_t page_positions = 64;
/// Dimensions of a head at most: of its queries, keys and values.
inline constexpr std::size_t max_head_dim = 1024;

/// The formats a KV cache may have.
using kv_formats = type_list<f32, f16, bf16, q8_0>;

template <class Format>
concept kv_format = index_of<Format, kv_formats> < kv_formats::size;

/// Dimensions that share one scale.
inline constexpr std::size_t kv_block = 32;
constexpr std::size_t kv_blocks(std::size_t dim) noexcept { return (dim + kv_block - 1) / kv_block; }

enum class kv_role : std::uint8_t { key, value };

/// Columns of the panels that keys of `dim` dimensions take.
constexpr std::size_t kv_columns(std::size_t dim) noexcept { return kv_blocks(dim) * kv_block; }

/// Bytes of 32 dimensions of the values of a tile.
template <kv_format Format>
constexpr std::size_t value_block_bytes() noexcept {
  if constexpr (std::is_same_v<Format, q8_0>) return page_positions * (sizeof(half) + kv_block);
  return page_positions * kv_block * sizeof(typename Format::block);
}

/// Bytes of one tile of keys or of values; a multiple of a cache line.
template <kv_format Format, kv_role Role>
constexpr std::size_t kv_tile_bytes(std::size_t dim) noexcept {
  if constexpr (Role == kv_role::key) return page_positions / panel_rows * group_bytes<Format>(kv_columns(dim));
  return kv_blocks(dim) * value_block_bytes<Format>();
}

/// A number as the float formats store it.
inline void store_number(float v, float& out) noexcept { out = v; }
inline void store_number(float v, half& out) noexcept { out = to_half(v); }
inline void store_number(float v, bhalf& out) noexcept { out = to_bhalf(v); }

/// Where element (slot, i) of a tile of width dim lies: a float, or a code and the scale of its block.
template <class T, class Half>
struct kv_element {
  T* value;
  Half* scale;
};
template <kv_format Format, kv_role Role, class Byte>
auto kv_at(Byte* tile, std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  constexpr bool coded = std::is_same_v<Format, q8_0>;
  using stored = std::conditional_t<coded, std::uint8_t, typename Format::block>;
  using T = std::conditional_t<std::is_const_v<Byte>, const stored, stored>;
  using Half = std::conditional_t<std::is_const_v<Byte>, const half, half>;
  if constexpr (Role == kv_role::value) {
    Byte* block = tile + i / kv_block * value_block_bytes<Format>();
    auto* values = reinterpret_cast<T*>(block + (coded ? page_positions * sizeof(half) : 0));
    return kv_element<T, Half>{values + slot * kv_block + i % kv_block, reinterpret_cast<Half*>(block) + slot};
  } else {
    const std::size_t columns = kv_columns(dim), row = slot % panel_rows;
    Byte* group = tile + slot / panel_rows * group_bytes<Format>(columns);
    if constexpr (coded) {
      const std::size_t at = i % unit_columns<q8_0>;
      const panel_unit<q8_0, Byte> unit(group, columns, i - at);
      return kv_element<T, Half>{unit.codes + at / 4 * 64 + row * 4 + at % 4, &unit.scales[at / kv_block].d[row]};
    } else {
      return kv_element<T, Half>{reinterpret_cast<T*>(group) + i * panel_rows + row, nullptr};
    }
  }
}
/// Keys are unsigned codes around 128, as weights are; values are signed.
template <kv_role Role>
inline constexpr int kv_zero_point = Role == kv_role::key ? q8_0::zero_point : 0;

/// Writes one position's vector into its tile.
template <kv_format Format, kv_role Role>
void store_kv(const float* vector, std::size_t dim, std::size_t slot, std::byte* tile) {
  if constexpr (std::is_same_v<Format, q8_0>) {
    for (std::size_t begin = 0; begin < dim; begin += kv_block) {
      const std::size_t end = std::min(dim, begin + kv_block);
      float largest = 0;
      for (std::size_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(vector[i]));
      const half d = to_half(largest / 127);
      const float inverse = float(d) > 0 ? 1 / float(d) : 0;
      *kv_at<Format, Role>(tile, dim, slot, begin).scale = d;
      for (std::size_t i = begin; i < end; ++i) {
        const float rounded = std::nearbyint(vector[i] * inverse);
        // NaN, which comes from broken weights only, becomes -127: a conversion of it would be undefined
        const int code = static_cast<int>(std::min(std::max(-127.0f, rounded), 127.0f)) + kv_zero_point<Role>;
        *kv_at<Format, Role>(tile, dim, slot, i).value = static_cast<std::uint8_t>(code);
      }
    }
  } else {
    for (std::size_t i = 0; i < dim; ++i) store_number(vector[i], *kv_at<Format, Role>(tile, dim, slot, i).value);
  }
}

/// Element i of one position's vector.
template <kv_format Format, kv_role Role>
float read_kv(const std::byte* tile, std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  const auto at = kv_at<Format, Role>(tile, dim, slot, i);
  if constexpr (std::is_same_v<Format, q8_0>) {
    const int code = Role == kv_role::key ? int(*at.value) - q8_0::zero_point : int(static_cast<std::int8_t>(*at.value));
    return float(*at.scale) * float(code);
  } else {
    return float(*at.value);
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
