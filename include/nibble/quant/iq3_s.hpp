/// IQ3_S: 3.44 bits a weight; four levels at once from a grid of 512, signs apart; each 32 have a 4-bit scale.
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

/// value = d * (2 scale[j] + 1) * level, level = 1, 3, 5 ... 15 with a sign, scale in [0, 16), j = column / 32.
struct iq3_s {
  static constexpr std::string_view name = "IQ3_S";
  static constexpr tensor_type type = tensor_type::iq3_s;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half * 31 * 15;
  static constexpr int largest_level = 15;
  static constexpr const auto& grid = iq3_s_grid;
  static constexpr grid_layout layout = {.columns = 4,
                                         .d = {.bits = 16},
                                         .point = {16, 64, 8, 8},
                                         .beyond = {528, 8, 1, 1},
                                         .signs = {592, 32, 8, 8},
                                         .down = {},
                                         .step = {848, 4, 0, 4},
                                         .unit = 1};

  struct block {
    half d;
    std::array<std::uint8_t, 64> points;      ///< of four columns each: the lower eight bits of nine
    std::array<std::uint8_t, 8> points_high;  ///< byte i / 8, bit i % 8: the upper bit of point i
    std::array<std::uint8_t, 32> signs;       ///< of eight columns each
    std::array<std::uint8_t, 4> scales;       ///< byte j / 2: even j in the low four bits
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    const auto sizes = [&](std::size_t i) {
      return std::uint64_t{iq3_s_grid[stored.points[i] | (std::size_t{stored.points_high[i / 8]} >> i % 8 & 1) << 8]};
    };
    for (std::size_t i = 0; i < 32; ++i) {
      detail::store_bytes(
          detail::signed_codes<widened_small::zero_point>(sizes(2 * i) | sizes(2 * i + 1) << 32, stored.signs[i]),
          out[i / 4].code.data() + i % 4 * 8);
    }
    for (std::size_t j = 0; j < 8; ++j) {
      out[j].scale.fill(float(stored.d) * float(2 * (stored.scales[j / 2] >> (j % 2 * 4) & 15) + 1));
    }
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<iq3_s>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    const detail::grid_codes made = detail::encode_by_grid(values, hint,
                                                           {.four = iq3_s_grid,
                                                            .beside = detail::grid_kind::choice::signs,
                                                            .sub_block = 32,
                                                            .steps = 16,
                                                            .unit = 1,
                                                            .top = 15,
                                                            .bottom = 1});
    out = {};
    out.d = made.d, out.signs = made.signs;
    for (std::size_t i = 0; i < 64; ++i) {
      out.points[i] = std::uint8_t(made.point[i] & 255);
      out.points_high[i / 8] = std::uint8_t(out.points_high[i / 8] | made.point[i] >> 8 << i % 8);
    }
    for (std::size_t j = 0; j < 4; ++j) out.scales[j] = std::uint8_t(made.step[2 * j] | made.step[2 * j + 1] << 4);
  }
};

static_assert(sizeof(iq3_s::block) == 110);

}  // namespace NIBBLE_ABI
}  // namespace nibble
