/// activation_block and activation_super_block: the activations of a token in 8 bits, as the kernels of integer formats take
/// them.
///
/// Formats whose blocks have 32 columns take the first, formats whose blocks have 256 the second, so one quantized input serves
/// matrices of different formats. A few channels of a model are far larger than all others, so every 32 columns are scaled on
/// their own: in the first by a scale, in the second by a power of two. A scale costs a kernel a tenth of its time, a power of
/// two nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "nibble/core/half.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value[i] ~ scale * code[i].
struct activation_block {
  static constexpr std::size_t columns = 32;
  static constexpr float least = 1e-30f;  ///< where all activations are smaller, they become 0

  std::array<std::int8_t, 32> code;       ///< -127 ... 127
  float scale;                            ///< 0 for a block of zeros
  float sum;                              ///< scale * (half_sums[0] + half_sums[1])
  std::array<std::int32_t, 2> half_sums;  ///< sums of code over columns 0..15 and 16..31

  /// A block of activations that are not all finite, or whose sum is not (from 8e34 on): every product with it is NaN.
  static activation_block not_finite() noexcept {
    activation_block block{};
    block.scale = block.sum = nan_half;
    return block;
  }
};
static_assert(sizeof(activation_block) == 48);

/// value[i] ~ scale * 2^exponent[i / 32] * code[i].
struct activation_super_block {
  static constexpr std::size_t columns = 256;
  static constexpr std::int32_t one = 1 << 23;      ///< unit of the exponents: added to a float's bits, they multiply it
  static constexpr std::int32_t largest = 13;       ///< the exponent of the largest 32 columns
  static constexpr std::int32_t sum_exponent = 10;  ///< subtracted from the exponents of sums, so that these fit in 16 bits
  static constexpr float least = 1e-30f;            ///< smaller activations all become 0

  std::array<std::int8_t, 256> code;       ///< -127 ... 127
  std::array<std::int32_t, 8> exponent;    ///< 0 ... largest, times `one`
  std::array<std::int16_t, 16> half_sums;  ///< sums of code over 16 columns
  std::array<std::int16_t, 8> sums;        ///< sums of code over 32 columns, times 2^(exponent - sum_exponent), rounded
  float scale;                             ///< 0 for a block of zeros

  /// A block of activations that are not all finite: every product with it is NaN.
  static activation_super_block not_finite() noexcept {
    activation_super_block block{};
    block.scale = nan_half;
    return block;
  }
};
static_assert(sizeof(activation_super_block) == 340);
static_assert((32 * 127 << (activation_super_block::largest - activation_super_block::sum_exponent)) < 1 << 15);

/// As what the kernels of a format take activations.
enum class activation_format : std::uint8_t { floats, blocks, super_blocks };

/// Tokens whose blocks stand side by side: kernels work on so many tokens at once, and read one stream then. The blocks of a
/// step's tokens are bundles of (blocks of a token, 8 tokens); the last bundle has the tokens that are left.
inline constexpr std::size_t activation_bundle = 8;

/// Where the blocks of a token stand among those of a step.
struct activation_place {
  std::size_t first, step;  ///< the index of its first block, and from one of its blocks to the next
};
/// The place of token t of `tokens`, where each token has `blocks` blocks.
constexpr activation_place place_of(std::size_t t, std::size_t tokens, std::size_t blocks) noexcept {
  const std::size_t bundle = t / activation_bundle * activation_bundle;
  return {bundle * blocks + (t - bundle), std::min(activation_bundle, tokens - bundle)};
}

/// The codes that the largest activation of an activation_block may get; the one with the least error is taken. Rounding errors
/// of neighbouring scales are nearly independent, so the best of eight, followed by the least-squares scale for its codes, has
/// some 11% less error than 127 alone.
inline constexpr std::array<float, 8> activation_peaks{127, 126, 125, 124, 123, 122, 121, 120};

}  // namespace NIBBLE_ABI
}  // namespace nibble
