/// The codebooks of IQ formats: eight or four levels at once, as bytes of a number, the first column's the lowest.
///
/// They are constants of the program, not of a header: defined once, with the kernels (quant/grids-impl.hpp), outside of the
/// versioned inline namespace, for they serve every caller.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/config.hpp"
#include "nibble/quant/bits.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble::NIBBLE_KERNELS_ABI {

/// Sizes of levels, whose signs stand apart.
extern const std::array<std::uint64_t, 256> iq2_xxs_grid;
extern const std::array<std::uint64_t, 512> iq2_xs_grid;
extern const std::array<std::uint64_t, 1024> iq2_s_grid;
extern const std::array<std::uint32_t, 256> iq3_xxs_grid;
extern const std::array<std::uint32_t, 512> iq3_s_grid;
/// Codes: eight times -1, 0 or 1, and widened_small::zero_point.
extern const std::array<std::uint64_t, 2048> iq1_grid;

}  // namespace nibble::NIBBLE_KERNELS_ABI

namespace nibble {
inline namespace NIBBLE_ABI {
using NIBBLE_KERNELS_ABI::iq1_grid;
using NIBBLE_KERNELS_ABI::iq2_s_grid;
using NIBBLE_KERNELS_ABI::iq2_xs_grid;
using NIBBLE_KERNELS_ABI::iq2_xxs_grid;
using NIBBLE_KERNELS_ABI::iq3_s_grid;
using NIBBLE_KERNELS_ABI::iq3_xxs_grid;

namespace detail {

/// Eight signs of which seven are stored: there is an even number of minuses.
inline std::uint8_t even_signs(unsigned seven) noexcept {
  unsigned parity = seven ^ seven >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return static_cast<std::uint8_t>(seven | (parity & 1) << 7);
}

/// Eight sizes of levels, 1 to 63, as codes, level + Zero; bit i of `signs` is set where level i is negative.
template <int Zero = widened::zero_point>
std::uint64_t signed_codes(std::uint64_t sizes, std::uint8_t signs) noexcept {
  using word = std::uint64_t;
  const word kept = every_byte<word>(signs) & 0x8040201008040201u;  // a sum carries a bit that is set to the top of its byte
  const word minus = (kept + every_byte<word>(127)) >> 7 & every_byte<word>(1);
  return ((sizes ^ every_byte<word>(128) ^ minus * 255) + minus) - every_byte<word>(128 - Zero);
}

/// A point of IQ1's grid as codes, shifted by an eighth of a level's unit, which is 1: up, or down.
inline std::uint64_t shifted_codes(std::size_t point, bool down) noexcept {
  const auto one = every_byte<std::uint64_t>(1);
  return down ? iq1_grid[point] - one : iq1_grid[point] + one;
}

/// Scales of IQ2_XS and IQ2_S: d / 8 * (2 k + 1), with k in nibbles.
inline void widen_nibble_scales(half d, const std::array<std::uint8_t, 8>& nibbles, std::span<widened_block, 8> out) noexcept {
  for (std::size_t j = 0; j < 16; ++j) {
    out[j / 2].scale[j % 2] = float(d) * float(2 * (nibbles[j / 2] >> (j % 2 * 4) & 15) + 1) * 0.125f;
  }
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
