/// IQ1_S: 1.56 bits a weight; eight levels at once from a grid of 2048; each 32 have a 3-bit scale and one shift.
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

/// value = d * (2 scale[j] + 1) * (g +- 1/8), g = -1, 0 or 1, scale in [0, 8), j = column / 32.
struct iq1_s {
  static constexpr std::string_view name = "IQ1_S";
  static constexpr tensor_type type = tensor_type::iq1_s;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half * 15 / 8 * 9;
  static constexpr int largest_level = 9;
  static constexpr const auto& grid = iq1_grid;
  static constexpr grid_layout layout = {.columns = 8,
                                         .d = {.bits = 16},
                                         .point = {16, 32, 8, 8},
                                         .beyond = {272, 16, 3, 3},
                                         .signs = {},
                                         .down = {287, 16, 0, 1},
                                         .step = {284, 16, 0, 3},
                                         .unit = 0.125f};

  struct block {
    half d;
    std::array<std::uint8_t, 32> points;  ///< of eight columns each: the lower eight bits of eleven
    std::array<std::uint8_t, 16> rest;    ///< of 32 columns, in 16 bits: four times three upper bits, the scale, 1 for - 1/8
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    for (std::size_t j = 0; j < 8; ++j) {
      const auto rest = detail::load_bytes<std::uint16_t>(stored.rest.data() + 2 * j);
      for (std::size_t k = 0; k < 4; ++k) {
        const std::size_t point = stored.points[4 * j + k] | (std::size_t{rest} >> (3 * k) & 7) << 8;
        detail::store_bytes(detail::shifted_codes(point, rest >> 15), out[j].code.data() + 8 * k);
      }
      out[j].scale.fill(float(stored.d) * float(2 * (rest >> 12 & 7) + 1) * 0.125f);
    }
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<iq1_s>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    const detail::grid_codes made = detail::encode_by_grid(values, hint,
                                                           {.eight = iq1_grid,
                                                            .beside = detail::grid_kind::choice::shift_a_block,
                                                            .sub_block = 32,
                                                            .steps = 8,
                                                            .unit = 0.125f,
                                                            .top = 9,
                                                            .bottom = 1});
    out = {};
    out.d = made.d;
    for (std::size_t j = 0; j < 8; ++j) {
      unsigned rest = unsigned(made.step[j]) << 12 | unsigned(made.down[4 * j]) << 15;
      for (std::size_t k = 0; k < 4; ++k) {
        out.points[4 * j + k] = std::uint8_t(made.point[4 * j + k] & 255);
        rest |= unsigned(made.point[4 * j + k]) >> 8 << (3 * k);
      }
      detail::store_bytes(static_cast<std::uint16_t>(rest), out.rest.data() + 2 * j);
    }
  }
};

static_assert(sizeof(iq1_s::block) == 50);

}  // namespace NIBBLE_ABI
}  // namespace nibble
