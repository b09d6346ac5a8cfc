/// IQ2_XS: 2.31 bits a weight; eight levels at once from a grid of 512, signs apart; each 16 have a 4-bit scale.
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
struct iq2_xs {
  static constexpr std::string_view name = "IQ2_XS";
  static constexpr tensor_type type = tensor_type::iq2_xs;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half * 31 / 8 * 43;
  static constexpr int largest_level = 43;
  static constexpr const auto& grid = iq2_xs_grid;
  static constexpr grid_layout layout = {.columns = 8,
                                         .d = {.bits = 16},
                                         .point = {16, 64, 16, 9},
                                         .beyond = {},
                                         .signs = {25, 64, 16, 7},
                                         .down = {},
                                         .step = {528, 8, 4, 4},
                                         .unit = 0.125f};

  struct block {
    half d;
    std::array<std::uint8_t, 64>
        points_and_signs;                ///< of eight columns, in 16 bits: nine that point into the grid, seven signs
    std::array<std::uint8_t, 8> scales;  ///< byte j / 2: even j in the low four bits
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      const auto both = detail::load_bytes<std::uint16_t>(stored.points_and_signs.data() + 2 * i);
      const std::uint8_t signs = detail::even_signs(both >> 9);
      detail::store_bytes(detail::signed_codes(iq2_xs_grid[both & 511], signs), out[i / 4].code.data() + i % 4 * 8);
    }
    detail::widen_nibble_scales(stored.d, stored.scales, out);
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<iq2_xs>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    const detail::grid_codes made =
        detail::encode_by_grid(values, hint, detail::iq2_kind(iq2_xs_grid, detail::grid_kind::choice::even_signs, 16));
    out = {};
    out.d = made.d;
    for (std::size_t i = 0; i < 32; ++i) {
      const auto both = static_cast<std::uint16_t>(made.point[i] | (made.signs[i] & 127) << 9);
      detail::store_bytes(both, out.points_and_signs.data() + 2 * i);
    }
    out.scales = detail::steps_in_nibbles(made.step);
  }
};

static_assert(sizeof(iq2_xs::block) == 74);

}  // namespace NIBBLE_ABI
}  // namespace nibble
