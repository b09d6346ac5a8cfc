/// widened: what formats become whose levels the kernels do not look up themselves, on the way to a product.
///
/// Codes of 8 bits and a float scale for each 16 columns: any format whose values are whole multiples of such scales fits in,
/// without a rounding. In memory a weight stays as small as in its file; 256 columns of sixteen rows are widened at once, into
/// the first cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/quant/format.hpp"
#include "nibble/quant/scales.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What the kernels read.
struct widened {
  static constexpr unsigned code_bits = 8;
  static constexpr int zero_point = 128;
  using scales = two_scales;
};

/// 32 columns: value = scale[column / 16] * (code - 128).
struct widened_block {
  std::array<std::uint8_t, 32> code;
  std::array<float, 2> scale;
};

namespace detail {
/// Decodes a format that is widened.
template <class Q>
void decode_widened(const typename Q::block& stored, std::span<float, Q::block_size> out) noexcept {
  std::array<widened_block, Q::block_size / 32> wide;
  Q::widen(stored, wide);
  for (std::size_t i = 0; i < Q::block_size; ++i) {
    const widened_block& w = wide[i / 32];
    out[i] = w.scale[i % 32 / 16] * float(int(w.code[i % 32]) - widened::zero_point);
  }
}
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
