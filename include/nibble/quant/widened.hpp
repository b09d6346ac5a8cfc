/// widened: what formats become whose levels the kernels do not look up themselves, on the way to a product.
///
/// Codes of 7 bits, or of 5, in bytes, and a float scale for each 16 columns: any format whose values are whole multiples of
/// such scales fits in, without a rounding. In memory a weight stays as small as in its file; 256 columns of sixteen rows are
/// widened at once, into the first cache. Kernels do that for several formats at once where these say how their blocks are laid
/// out (quant/grid_layout.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "nibble/quant/format.hpp"
#include "nibble/quant/scales.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What the kernels read: levels from -64 to 63.
struct widened {
  static constexpr unsigned code_bits = 8, level_bits = 7;
  static constexpr int zero_point = 64;
  using scales = two_scales;
};
/// Levels from -16 to 15, more of whose products are added up in 16 bits.
struct widened_small {
  static constexpr unsigned code_bits = 8, level_bits = 5;
  static constexpr int zero_point = 16;
  using scales = two_scales;
};
/// The one for a format: `largest_level` is how far from zero its levels reach.
template <class Q>
using wide_of = std::conditional_t<(Q::largest_level < widened_small::zero_point), widened_small, widened>;

/// One of these.
template <class Q>
concept widened_codes = std::is_same_v<Q, widened> || std::is_same_v<Q, widened_small>;

/// 32 columns: value = scale[column / 16] * (code - wide_of<Q>::zero_point), code below 2^level_bits.
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
    out[i] = w.scale[i % 32 / 16] * float(int(w.code[i % 32]) - wide_of<Q>::zero_point);
  }
}
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
