/// Tiles of the KV cache: how the keys and values of one head at 64 positions stand in memory, by format.
///
/// Keys are transposed, (head_dim, position): lanes are positions, and a score is a sum down one lane, in the order of the
/// dimensions. Values are (position, value_dim): lanes are dimensions, and an output is a sum in the order of the positions.
/// Q8_0 keeps one half-precision scale for each position and 32 dimensions behind the codes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "nibble/core/aligned.hpp"
#include "nibble/core/type_list.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/bf16.hpp"
#include "nibble/quant/f16.hpp"
#include "nibble/quant/f32.hpp"
#include "nibble/quant/q8_0.hpp"

namespace nibble::inline NIBBLE_ABI {

/// The formats a KV cache may have.
using kv_formats = type_list<f32, f16, bf16, q8_0>;

template <class Format>
concept kv_format = index_of<Format, kv_formats> < kv_formats::size;

/// Dimensions that share one scale.
inline constexpr std::size_t kv_block = 32;
constexpr std::size_t kv_blocks(std::size_t dim) noexcept { return (dim + kv_block - 1) / kv_block; }

/// Bytes of one tile of keys or of values; a multiple of a cache line.
template <kv_format Format>
constexpr std::size_t kv_tile_bytes(std::size_t dim) noexcept {
  if constexpr (std::is_same_v<Format, q8_0>) {
    return round_up(page_positions * (dim + kv_blocks(dim) * sizeof(half)), cache_line);
  } else {
    return round_up(page_positions * dim * sizeof(typename Format::block), cache_line);
  }
}

/// A number as the float formats store it.
inline void store_number(float v, float& out) noexcept { out = v; }
inline void store_number(float v, half& out) noexcept { out = to_half(v); }
inline void store_number(float v, bhalf& out) noexcept { out = to_bhalf(v); }

/// Where element (slot, i) of a tile of width dim lies: keys are transposed, values are not.
enum class kv_role : std::uint8_t { key, value };
template <kv_role Role>
constexpr std::size_t kv_index(std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  return Role == kv_role::key ? i * page_positions + slot : slot * dim + i;
}

/// Writes one position's vector into its tile.
template <kv_format Format, kv_role Role>
void store_kv(const float* vector, std::size_t dim, std::size_t slot, std::byte* tile) {
  if constexpr (std::is_same_v<Format, q8_0>) {
    auto* code = reinterpret_cast<std::int8_t*>(tile);
    auto* scale = reinterpret_cast<half*>(tile + page_positions * dim);
    for (std::size_t b = 0; b < kv_blocks(dim); ++b) {
      const std::size_t begin = b * kv_block, end = std::min(dim, begin + kv_block);
      float largest = 0;
      for (std::size_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(vector[i]));
      const half d = to_half(largest / 127);
      const float inverse = float(d) > 0 ? 1 / float(d) : 0;
      scale[kv_index<Role>(kv_blocks(dim), slot, b)] = d;
      for (std::size_t i = begin; i < end; ++i) {
        const float rounded = std::nearbyint(vector[i] * inverse);
        // NaN, which comes from broken weights only, becomes -127: a conversion of it would be undefined
        code[kv_index<Role>(dim, slot, i)] = static_cast<std::int8_t>(std::min(std::max(-127.0f, rounded), 127.0f));
      }
    }
  } else {
    auto* element = reinterpret_cast<typename Format::block*>(tile);
    for (std::size_t i = 0; i < dim; ++i) store_number(vector[i], element[kv_index<Role>(dim, slot, i)]);
  }
}

/// Element i of one position's vector.
template <kv_format Format, kv_role Role>
float read_kv(const std::byte* tile, std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  const std::size_t at = kv_index<Role>(dim, slot, i);
  if constexpr (std::is_same_v<Format, q8_0>) {
    const auto* scale = reinterpret_cast<const half*>(tile + page_positions * dim);
    return float(scale[kv_index<Role>(kv_blocks(dim), slot, i / kv_block)]) *
           float(reinterpret_cast<const std::int8_t*>(tile)[at]);
  } else {
    return float(reinterpret_cast<const typename Format::block*>(tile)[at]);
  }
}

}  // namespace nibble::inline NIBBLE_ABI
