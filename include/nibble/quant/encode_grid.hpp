/// Encoders of formats whose levels come from a grid, and of those of one, two or four levels.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// How a format makes values of points of a grid: d * unit * (2 step + 1) * level.
struct grid_kind {
  enum class choice : std::uint8_t {
    signs,          ///< levels have signs
    even_signs,     ///< of eight levels an even number is negative
    shift_a_block,  ///< levels are shifted by 1 or -1, 32 together
    shift_eight,    ///< or eight together
  };
  std::span<const std::uint64_t> eight = {};  ///< points of eight columns
  std::span<const std::uint32_t> four = {};   ///< or of four
  choice beside;
  std::size_t sub_block;  ///< columns that share a step
  int steps;
  float unit, top, bottom;  ///< the largest level, and the smallest
};

/// Of IQ2 formats: levels are 8, 25 or 43, in eighths of d * (2 step + 1), and there are sixteen steps.
constexpr grid_kind iq2_kind(std::span<const std::uint64_t> grid, grid_kind::choice beside, std::size_t sub_block) noexcept {
  return {.eight = grid, .beside = beside, .sub_block = sub_block, .steps = 16, .unit = 0.125f, .top = 43, .bottom = 8};
}

/// What a block of 256 columns becomes.
struct grid_codes {
  half d{};
  std::array<std::uint8_t, 16> step{};    ///< of each sub-block
  std::array<std::uint16_t, 64> point{};  ///< of each eight or four columns
  std::array<std::uint8_t, 32> signs{};   ///< of each eight columns
  std::array<bool, 32> down{};            ///< whether these are shifted by -1
};

/// The codes with about the least weighted squared error. Defined once, with quantize.hpp.
/// @cost  some thousand operations a value
grid_codes encode_by_grid(std::span<const float, 256> values, const encode_hint& hint, const grid_kind& kind) noexcept;

/// Sixteen steps as IQ2_XS and IQ2_S store them: byte j / 2, even j in the low four bits.
constexpr std::array<std::uint8_t, 8> steps_in_nibbles(const std::array<std::uint8_t, 16>& step) noexcept {
  std::array<std::uint8_t, 8> out{};
  for (std::size_t j = 0; j < 8; ++j) out[j] = std::uint8_t(step[2 * j] | step[2 * j + 1] << 4);
  return out;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
