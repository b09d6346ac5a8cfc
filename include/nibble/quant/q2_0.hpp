/// Q2_0: 2.25 bits a weight, 64 codes of 2 bits and one scale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/encode.hpp"
#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d * (code - 1), code in [0, 4).
struct q2_0 {
  static constexpr std::string_view name = "Q2_0";
  static constexpr tensor_type type = tensor_type::q2_0;
  static constexpr std::size_t block_size = 64;
  static constexpr unsigned code_bits = 2;
  static constexpr int zero_point = 1;
  using scales = block_scale_of<64>;

  struct block {
    half d;
    std::array<std::uint8_t, 16> low;  ///< four columns a byte, the first in the lowest bits
  };

  static void codes(const block& stored, std::span<std::uint8_t, 64> out) noexcept {
    for (std::size_t i = 0; i < 64; ++i) out[i] = std::uint8_t(stored.low[i / 4] >> (i % 4 * 2) & 3);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 64> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    out.low.fill(0);
    for (std::size_t i = 0; i < 64; ++i) out.low[i / 4] = std::uint8_t(out.low[i / 4] | (code[i] & 3) << (i % 4 * 2));
  }

  static void decode(const block& stored, std::span<float, 64> out) noexcept { detail::decode_codes<q2_0>(stored, out); }
  static void encode(std::span<const float, 64> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q2_0>(values, hint, out);
  }
};

static_assert(sizeof(q2_0::block) == 18);

}  // namespace NIBBLE_ABI
}  // namespace nibble
