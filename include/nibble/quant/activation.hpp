/// activation_block: 32 activations of one token in 8 bits, what the integer kernels multiply weights with.
///
/// Every integer format uses this one block, so one quantised input serves matrices of different formats. It is finer than the
/// blocks of 256 that K-quants are often paired with: the scale follows each 32 columns, and the error is smaller for it.
#pragma once

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

/// What a block's largest activation may be mapped to. Rounding errors of neighbouring scales are nearly independent, so trying
/// these eight, and then the least-squares scale of the codes, takes some 11% off the error of 127 alone.
inline constexpr std::array<float, 8> activation_peaks{127, 126, 125, 124, 123, 122, 121, 120};

}  // namespace nibble::inline NIBBLE_ABI
