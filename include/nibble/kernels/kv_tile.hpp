/// Tiles of the KV cache: how the keys and values of one head at 64 positions stand in memory, by format.
///
/// Float formats: keys are transposed, (head_dim, position): lanes are positions, and a score is a sum down one lane, in the
/// order of the dimensions. Values are (position, value_dim): lanes are dimensions, and an output is a sum in the order of the
/// positions.
/// Q8_0: keys are four groups of a weight's panels, sixteen positions each: scores are a matrix product like any other. Values
/// are codes, (position, value_dim), and behind them half-precision scales, (value_dim / 32, position).
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
#include "nibble/quant/panel.hpp"
#include "nibble/quant/q8_0.hpp"

namespace nibble::inline NIBBLE_ABI {

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

/// Bytes of one tile of keys or of values; a multiple of a cache line.
template <kv_format Format, kv_role Role>
constexpr std::size_t kv_tile_bytes(std::size_t dim) noexcept {
  if constexpr (!std::is_same_v<Format, q8_0>) {
    return round_up(page_positions * dim * sizeof(typename Format::block), cache_line);
  } else if constexpr (Role == kv_role::key) {
    return page_positions / panel_rows * group_bytes<q8_0>(kv_columns(dim));
  } else {
    return round_up(page_positions * (dim + kv_blocks(dim) * sizeof(half)), cache_line);
  }
}

/// A number as the float formats store it.
inline void store_number(float v, float& out) noexcept { out = v; }
inline void store_number(float v, half& out) noexcept { out = to_half(v); }
inline void store_number(float v, bhalf& out) noexcept { out = to_bhalf(v); }

/// Where element (slot, i) of a tile of width dim lies in a float format.
template <kv_role Role>
constexpr std::size_t kv_index(std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  return Role == kv_role::key ? i * page_positions + slot : slot * dim + i;
}

/// Where the code of element (slot, i), and the scale of its block, lie in a tile of Q8_0.
template <class Code, class Half>
struct kv_code {
  Code* code;
  Half* scale;
};
template <kv_role Role, class Byte>
auto kv_code_at(Byte* tile, std::size_t dim, std::size_t slot, std::size_t i) noexcept {
  constexpr bool constant = std::is_const_v<Byte>;
  using code_type = std::conditional_t<constant, const std::uint8_t, std::uint8_t>;
  using half_type = std::conditional_t<constant, const half, half>;
  if constexpr (Role == kv_role::key) {
    const std::size_t columns = kv_columns(dim), at = i % unit_columns;
    const panel_unit<q8_0, Byte> unit(tile + slot / panel_rows * group_bytes<q8_0>(columns), columns, i - at);
    return kv_code<code_type, half_type>{unit.codes + at / 4 * 64 + slot % panel_rows * 4 + at % 4,
                                         &unit.scales[at / kv_block].d[slot % panel_rows]};
  } else {
    auto* scales = reinterpret_cast<half_type*>(tile + page_positions * dim);
    return kv_code<code_type, half_type>{reinterpret_cast<code_type*>(tile) + slot * dim + i,
                                         scales + i / kv_block * page_positions + slot};
  }
}
/// Keys are unsigned codes around 128, as weights are; values are signed.
template <kv_role Role>
inline constexpr int kv_center = Role == kv_role::key ? q8_0::center : 0;

/// Writes one position's vector into its tile.
template <kv_format Format, kv_role Role>
void store_kv(const float* vector, std::size_t dim, std::size_t slot, std::byte* tile) {
  if constexpr (std::is_same_v<Format, q8_0>) {
    for (std::size_t b = 0; b < kv_blocks(dim); ++b) {
      const std::size_t begin = b * kv_block, end = std::min(dim, begin + kv_block);
      float largest = 0;
      for (std::size_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(vector[i]));
      const half d = to_half(largest / 127);
      const float inverse = float(d) > 0 ? 1 / float(d) : 0;
      *kv_code_at<Role>(tile, dim, slot, begin).scale = d;
      for (std::size_t i = begin; i < end; ++i) {
        const float rounded = std::nearbyint(vector[i] * inverse);
        // NaN, which comes from broken weights only, becomes -127: a conversion of it would be undefined
        const int code = static_cast<int>(std::min(std::max(-127.0f, rounded), 127.0f)) + kv_center<Role>;
        *kv_code_at<Role>(tile, dim, slot, i).code = static_cast<std::uint8_t>(code);
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
  if constexpr (std::is_same_v<Format, q8_0>) {
    const auto at = kv_code_at<Role>(tile, dim, slot, i);
    const int code = Role == kv_role::key ? int(*at.code) - q8_0::center : int(static_cast<std::int8_t>(*at.code));
    return float(*at.scale) * float(code);
  } else {
    return float(reinterpret_cast<const typename Format::block*>(tile)[kv_index<Role>(dim, slot, i)]);
  }
}

}  // namespace nibble::inline NIBBLE_ABI
