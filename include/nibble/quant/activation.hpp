/// activation_block: 32 activations of one token in 8 bits, what the integer kernels multiply weights with.
///
/// Every integer format uses this one block, so one quantised input serves matrices of different formats. It is finer than the
/// blocks of 256 that K-quants are often paired with: the scale follows each 32 columns, and the error is smaller for it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"

namespace nibble::inline NIBBLE_ABI {

/// value[i] ~ scale * code[i].
struct activation_block {
  static constexpr std::size_t columns = 32;

  std::array<std::int8_t, 32> code;       ///< -127 ... 127
  float scale;                            ///< 0 for a block of zeros
  float sum;                              ///< scale * (half_sums[0] + half_sums[1])
  std::array<std::int32_t, 2> half_sums;  ///< sums of code over columns 0..15 and 16..31
};
static_assert(sizeof(activation_block) == 48);

/// Tokens whose blocks stand side by side, so that kernels that work on so many of them read one stream. A step's tokens form
/// bundles of [columns / 32][8] blocks; the last bundle holds the tokens that are left, [columns / 32][fewer].
inline constexpr std::size_t activation_bundle = 8;

/// Where the blocks of a token stand among those of a step.
struct activation_place {
  std::size_t first, step;  ///< its first block, and how far behind a block that of the next 32 columns is
};
/// The place of token t of `tokens`, each of so many blocks.
constexpr activation_place place_of(std::size_t t, std::size_t tokens, std::size_t blocks) noexcept {
  const std::size_t bundle = t / activation_bundle * activation_bundle;
  return {bundle * blocks + (t - bundle), std::min(activation_bundle, tokens - bundle)};
}

/// What a block's largest activation may be mapped to. Rounding errors of neighbouring scales are nearly independent, so trying
/// these eight, and then the least-squares scale of the codes, takes some 11% off the error of 127 alone.
inline constexpr std::array<float, 8> activation_peaks{127, 126, 125, 124, 123, 122, 121, 120};

}  // namespace nibble::inline NIBBLE_ABI
