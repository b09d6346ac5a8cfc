/// IQ2_XXS: 2.06 bits a weight; eight levels at once from a grid of 256, signs apart; each 32 have a 4-bit scale.
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

/// value = d / 8 * (2 scale[j] + 1) * level, level = 8, 25 or 43 with a sign, scale in [0, 16), j = column / 32.
struct iq2_xxs {
  static constexpr std::string_view name = "IQ2_XXS";
  static constexpr tensor_type type = tensor_type::iq2_xxs;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half * 31 / 8 * 43;
  static constexpr int largest_level = 43;
  static constexpr const auto& grid = iq2_xxs_grid;
  static constexpr grid_layout layout = {.columns = 8,
                                         .d = {.bits = 16},
                                         .point = {16, 64, 8, 8},
                                         .beyond = {},
                                         .signs = {48, 64, 7, 7},
                                         .down = {},
                                         .step = {76, 64, 0, 4},
                                         .unit = 0.125f};

  struct block {
    half d;
    /// Of 32 columns: four bytes that point into the grid, then in 32 bits four times seven signs and the scale.
    std::array<std::uint8_t, 64> points_and_signs;
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    for (std::size_t j = 0; j < 8; ++j) {
      const std::uint8_t* const points = stored.points_and_signs.data() + 8 * j;
      const auto rest = detail::load_bytes<std::uint32_t>(points + 4);
      for (std::size_t k = 0; k < 4; ++k) {
        const std::uint8_t signs = detail::even_signs(rest >> (7 * k) & 127);
        detail::store_bytes(detail::signed_codes(iq2_xxs_grid[points[k]], signs), out[j].code.data() + 8 * k);
      }
      out[j].scale.fill(float(stored.d) * float(2 * (rest >> 28) + 1) * 0.125f);
    }
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<iq2_xxs>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    const detail::grid_codes made =
        detail::encode_by_grid(values, hint, detail::iq2_kind(iq2_xxs_grid, detail::grid_kind::choice::even_signs, 32));
    out = {};
    out.d = made.d;
    for (std::size_t j = 0; j < 8; ++j) {
      std::uint32_t rest = std::uint32_t{made.step[j]} << 28;
      for (std::size_t k = 0; k < 4; ++k) {
        out.points_and_signs[8 * j + k] = std::uint8_t(made.point[4 * j + k]);
        rest |= std::uint32_t{made.signs[4 * j + k] & 127u} << (7 * k);
      }
      detail::store_bytes(rest, out.points_and_signs.data() + 8 * j + 4);
    }
  }
};

static_assert(sizeof(iq2_xxs::block) == 66);

}  // namespace NIBBLE_ABI
}  // namespace nibble
