/// IQ1_M: 1.75 bits a weight; eight levels at once from a grid of 2048, with a shift; each 16 have a 3-bit scale.
#pragma once

#include <array>
#include <bit>
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

/// value = d * (2 scale[j] + 1) * (g +- 1/8), g = -1, 0 or 1, scale in [0, 8), j = column / 16.
struct iq1_m {
  static constexpr std::string_view name = "IQ1_M";
  static constexpr tensor_type type = tensor_type::iq1_m;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half * 15 / 8 * 9;
  static constexpr int largest_level = 9;
  static constexpr const auto& grid = iq1_grid;
  static constexpr grid_layout layout = {.columns = 8,
                                         .d = {396, 0, 16, 4},
                                         .point = {0, 32, 8, 8},
                                         .beyond = {256, 16, 4, 3},
                                         .signs = {},
                                         .down = {259, 16, 4, 1},
                                         .step = {384, 6, 3, 3, 4},
                                         .unit = 0.125f};

  struct block {
    std::array<std::uint8_t, 32> points;  ///< of eight columns each: the lower eight bits of eleven
    std::array<std::uint8_t, 16> rest;    ///< nibble i: three upper bits of point i, and 1 for - 1/8
    std::array<std::uint8_t, 8> scales;   ///< word j / 4, in 16 bits: four times three bits of scale, and four bits of d
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    const auto word = [&](std::size_t i) { return unsigned(detail::load_bytes<std::uint16_t>(stored.scales.data() + 2 * i)); };
    const unsigned bits = word(0) >> 12 | (word(1) >> 12) << 4 | (word(2) >> 12) << 8 | (word(3) >> 12) << 12;
    const float d = std::bit_cast<half>(static_cast<std::uint16_t>(bits));
    for (std::size_t i = 0; i < 32; ++i) {
      const unsigned rest = unsigned(stored.rest[i / 2]) >> (i % 2 * 4);
      const std::size_t point = stored.points[i] | (rest & 7) << 8;
      detail::store_bytes(detail::shifted_codes(point, rest >> 3 & 1), out[i / 4].code.data() + i % 4 * 8);
    }
    for (std::size_t j = 0; j < 16; ++j) {
      out[j / 2].scale[j % 2] = d * float(2 * (word(j / 4) >> (j % 4 * 3) & 7) + 1) * 0.125f;
    }
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<iq1_m>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    const detail::grid_codes made = detail::encode_by_grid(values, hint,
                                                           {.eight = iq1_grid,
                                                            .beside = detail::grid_kind::choice::shift_eight,
                                                            .sub_block = 16,
                                                            .steps = 8,
                                                            .unit = 0.125f,
                                                            .top = 9,
                                                            .bottom = 1});
    out = {};
    for (std::size_t i = 0; i < 32; ++i) {
      out.points[i] = std::uint8_t(made.point[i] & 255);
      const unsigned rest = unsigned(made.point[i]) >> 8 | unsigned(made.down[i]) << 3;
      out.rest[i / 2] = std::uint8_t(out.rest[i / 2] | rest << (i % 2 * 4));
    }
    for (std::size_t i = 0; i < 4; ++i) {
      unsigned word = (unsigned(made.d.bits) >> (4 * i) & 15) << 12;
      for (std::size_t k = 0; k < 4; ++k) word |= unsigned(made.step[4 * i + k]) << (3 * k);
      detail::store_bytes(static_cast<std::uint16_t>(word), out.scales.data() + 2 * i);
    }
  }
};

static_assert(sizeof(iq1_m::block) == 56);

}  // namespace NIBBLE_ABI
}  // namespace nibble
