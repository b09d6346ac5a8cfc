/// activation_block and activation_super_block: activations of one token in 8 bits, what the integer kernels multiply weights
/// with.
///
/// All formats whose blocks have 32 columns share the one, all that have super-blocks of 256 the other, so one quantised input
/// serves matrices of different formats. Both follow the activations of each 32 columns, for a few channels of a model are far
/// larger than all others: the one by a scale of its own, the other by a power of two, which costs a kernel nothing beside its
/// products, where a scale costs a tenth of its time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value[i] ~ scale * code[i].
struct activation_block {
  static constexpr std::size_t columns = 32;

  std::array<std::int8_t, 32> code;       ///< -127 ... 127
  float scale;                            ///< 0 for a block of zeros
  float sum;                              ///< scale * (half_sums[0] + half_sums[1])
  std::array<std::int32_t, 2> half_sums;  ///< sums of code over columns 0..15 and 16..31
};
static_assert(sizeof(activation_block) == 48);

/// value[i] ~ scale * 2^exponent[i / 32] * code[i].
struct activation_super_block {
  static constexpr std::size_t columns = 256;
  static constexpr std::int32_t one = 1 << 23;      ///< exponents are held times this: added to a float's bits, they scale it
  static constexpr std::int32_t largest = 13;       ///< the exponent of the largest 32 columns
  static constexpr std::int32_t sum_exponent = 10;  ///< and what sums leave of it, so that they fit
  static constexpr float least = 1e-30f;            ///< a super-block of smaller activations is one of zeros

  std::array<std::int8_t, 256> code;       ///< -127 ... 127
  std::array<std::int32_t, 8> exponent;    ///< 0 ... largest, times `one`
  std::array<std::int16_t, 16> half_sums;  ///< sums of code over 16 columns
  std::array<std::int16_t, 8> sums;        ///< sums of code over 32 columns, times 2^(exponent - sum_exponent), rounded
  float scale;                             ///< 0 for a block of zeros
};
static_assert(sizeof(activation_super_block) == 340);
static_assert((32 * 127 << (activation_super_block::largest - activation_super_block::sum_exponent)) < 1 << 15);

/// What a format's kernels take activations as.
enum class activation_format : std::uint8_t { floats, blocks, super_blocks };

/// Tokens whose blocks stand side by side, so that kernels that work on so many of them read one stream. A step's tokens form
/// bundles of [blocks of a token][8] blocks; the last bundle holds the tokens that are left, [blocks of a token][fewer].
inline constexpr std::size_t activation_bundle = 8;

/// Where the blocks of a token stand among those of a step.
struct activation_place {
  std::size_t first, step;  ///< its first block, and how far behind a block that of the next columns is
};
/// The place of token t of `tokens`, each of so many blocks.
constexpr activation_place place_of(std::size_t t, std::size_t tokens, std::size_t blocks) noexcept {
  const std::size_t bundle = t / activation_bundle * activation_bundle;
  return {bundle * blocks + (t - bundle), std::min(activation_bundle, tokens - bundle)};
}

/// What an activation_block's largest activation may be mapped to. Rounding errors of neighbouring scales are nearly
/// independent, so trying these eight, and then the least-squares scale of the codes, takes some 11% off the error of 127
/// alone.
inline constexpr std::array<float, 8> activation_peaks{127, 126, 125, 124, 123, 122, 121, 120};

}  // namespace NIBBLE_ABI
}  // namespace nibble
