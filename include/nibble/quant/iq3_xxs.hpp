/// IQ3_XXS: 3.06 bits a weight; four levels at once from a grid of 256, signs apart; each 32 have a 4-bit scale.
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

/// value = d / 4 * (2 scale[j] + 1) * level, level = 4, 12, 20, 28, 36, 44, 52 or 62 with a sign, scale in [0, 16), j = column
/// / 32.
struct iq3_xxs {
  static constexpr std::string_view name = "IQ3_XXS";
  static constexpr tensor_type type = tensor_type::iq3_xxs;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half * 31 / 4 * 62;
  static constexpr int largest_level = 62;
  static constexpr const auto& grid = iq3_xxs_grid;
  static constexpr grid_layout layout = {.columns = 4,
                                         .d = {.bits = 16},
                                         .point = {16, 64, 8, 8},
                                         .beyond = {},
                                         .signs = {528, 32, 7, 7},
                                         .down = {},
                                         .step = {556, 32, 0, 4},
                                         .unit = 0.25f};

  struct block {
    half d;
    std::array<std::uint8_t, 64> points;            ///< of four columns each
    std::array<std::uint8_t, 32> signs_and_scales;  ///< of 32 columns, in 32 bits: four times seven signs, and the scale
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    for (std::size_t j = 0; j < 8; ++j) {
      const auto rest = detail::load_bytes<std::uint32_t>(stored.signs_and_scales.data() + 4 * j);
      for (std::size_t k = 0; k < 4; ++k) {
        const std::uint8_t* const two = stored.points.data() + 8 * j + 2 * k;
        const std::uint64_t sizes = iq3_xxs_grid[two[0]] | std::uint64_t{iq3_xxs_grid[two[1]]} << 32;
        const std::uint8_t signs = detail::even_signs(rest >> (7 * k) & 127);
        detail::store_bytes(detail::signed_codes(sizes, signs), out[j].code.data() + 8 * k);
      }
      out[j].scale.fill(float(stored.d) * float(2 * (rest >> 28) + 1) * 0.25f);
    }
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<iq3_xxs>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    const detail::grid_codes made = detail::encode_by_grid(values, hint,
                                                           {.four = iq3_xxs_grid,
                                                            .beside = detail::grid_kind::choice::even_signs,
                                                            .sub_block = 32,
                                                            .steps = 16,
                                                            .unit = 0.25f,
                                                            .top = 62,
                                                            .bottom = 4});
    out = {};
    out.d = made.d;
    for (std::size_t i = 0; i < 64; ++i) out.points[i] = std::uint8_t(made.point[i]);
    for (std::size_t j = 0; j < 8; ++j) {
      std::uint32_t rest = std::uint32_t{made.step[j]} << 28;
      for (std::size_t k = 0; k < 4; ++k) rest |= std::uint32_t{made.signs[4 * j + k] & 127u} << (7 * k);
      detail::store_bytes(rest, out.signs_and_scales.data() + 4 * j);
    }
  }
};

static_assert(sizeof(iq3_xxs::block) == 98);

}  // namespace NIBBLE_ABI
}  // namespace nibble
