/// TQ2_0: 2.06 bits a weight, 256 codes of 2 bits and one scale.
#pragma once

#include <algorithm>
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

/// value = d * (code - 1), code in [0, 4), of which ternary weights use three.
struct tq2_0 {
  static constexpr std::string_view name = "TQ2_0";
  static constexpr tensor_type type = tensor_type::tq2_0;
  static constexpr std::size_t block_size = 256;
  static constexpr unsigned code_bits = 2;
  static constexpr int zero_point = 1;
  static constexpr float largest_value = largest_half;  ///< no encoder makes the fourth code
  using scales = block_scale_of<256>;

  struct block {
    std::array<std::uint8_t, 64> low;  ///< byte 32 h + i, bits 2 k and 2 k + 1: column 128 h + 32 k + i
    half d;
  };

  static void codes(const block& stored, std::span<std::uint8_t, 256> out) noexcept {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    detail::add_planes<2, 32, 0>(stored.low.data(), out.first<128>());
    detail::add_planes<2, 32, 0>(stored.low.data() + 32, out.last<128>());
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 256> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    detail::take_planes<2, 32, 0>(code.first<128>(), out.low.data());
    detail::take_planes<2, 32, 0>(code.last<128>(), out.low.data() + 32);
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_codes<tq2_0>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    std::array<std::uint8_t, 256> digit;
    const half d = detail::encode_ternary(values, hint, digit);
    pack(digit, {d}, out);
  }
};

static_assert(sizeof(tq2_0::block) == 66);

}  // namespace NIBBLE_ABI
}  // namespace nibble
