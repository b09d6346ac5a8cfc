/// TQ2_0: 2.06 bits a weight, 256 codes of 2 bits and one scale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/encode.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d * (code - 1), code in [0, 4), of which ternary weights use three.
struct tq2_0 {
  static constexpr std::string_view name = "TQ2_0";
  static constexpr tensor_type type = tensor_type::tq2_0;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half;

  struct block {
    std::array<std::uint8_t, 64> low;  ///< byte 32 h + i, bits 2 k and 2 k + 1: column 128 h + 32 k + i
    half d;
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    for (std::size_t j = 0; j < 8; ++j) {
      for (std::size_t i = 0; i < 32; ++i) {
        out[j].code[i] = std::uint8_t(127 + (stored.low[j / 4 * 32 + i] >> (j % 4 * 2) & 3));
      }
      out[j].scale.fill(float(stored.d));
    }
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<tq2_0>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    std::array<std::uint8_t, 256> digit;
    out = {};
    out.d = detail::encode_ternary(values, hint, digit);
    detail::take_planes<2, 32, 0>(std::span<const std::uint8_t, 256>(digit).first<128>(), out.low.data());
    detail::take_planes<2, 32, 0>(std::span<const std::uint8_t, 256>(digit).last<128>(), out.low.data() + 32);
  }
};

static_assert(sizeof(tq2_0::block) == 66);

}  // namespace NIBBLE_ABI
}  // namespace nibble
