/// IQ2_S: 2.56 bits a weight; eight levels at once from a grid of 1024, signs apart; each 16 have a 4-bit scale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/encode_grid.hpp"
#include "nibble/quant/grid_layout.hpp"
#include "nibble/quant/grids.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d / 8 * (2 scale[j] + 1) * level, level = 8, 25 or 43 with a sign, scale in [0, 16), j = column / 16.
struct iq2_s {
  static constexpr std::string_view name = "IQ2_S";
  static constexpr tensor_type type = tensor_type::iq2_s;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half * 31 / 8 * 43;
  static constexpr int largest_level = 43;
  static constexpr const auto& grid = iq2_s_grid;
  static constexpr grid_layout layout = {.columns = 8,
                                         .d = {.bits = 16},
                                         .point = {16, 32, 8, 8},
                                         .beyond = {528, 8, 2, 2},
                                         .signs = {272, 32, 8, 8},
                                         .down = {},
                                         .step = {592, 8, 4, 4},
                                         .unit = 0.125f};

  struct block {
    half d;
    std::array<std::uint8_t, 32> points;      ///< of eight columns each: the lower eight bits of ten
    std::array<std::uint8_t, 32> signs;       ///< of eight columns each
    std::array<std::uint8_t, 8> points_high;  ///< byte i / 4, bits 2 (i % 4) and up: the upper two of point i
    std::array<std::uint8_t, 8> scales;       ///< byte j / 2: even j in the low four bits
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      const std::size_t point = stored.points[i] | (std::size_t{stored.points_high[i / 4]} >> (i % 4 * 2) & 3) << 8;
      detail::store_bytes(detail::signed_codes(iq2_s_grid[point], stored.signs[i]), out[i / 4].code.data() + i % 4 * 8);
    }
    detail::widen_nibble_scales(stored.d, stored.scales, out);
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<iq2_s>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    const detail::grid_codes made =
        detail::encode_by_grid(values, hint, detail::iq2_kind(iq2_s_grid, detail::grid_kind::choice::signs, 16));
    out = {};
    out.d = made.d, out.signs = made.signs;
    for (std::size_t i = 0; i < 32; ++i) {
      out.points[i] = std::uint8_t(made.point[i] & 255);
      std::uint8_t& high = out.points_high[i / 4];
      high = std::uint8_t(high | made.point[i] >> 8 << (i % 4 * 2));
    }
    out.scales = detail::steps_in_nibbles(made.step);
  }
};

static_assert(sizeof(iq2_s::block) == 82);

}  // namespace NIBBLE_ABI
}  // namespace nibble
