/// Q5_K: 5.5 bits a weight, 256 codes of 5 bits; each 32 have a 6-bit scale and a 6-bit minimum.
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

/// value = d * scale[j] * code - dmin * min[j], code in [0, 32), scale and min in [0, 64), j = column / 32.
struct q5_k {
  static constexpr std::string_view name = "Q5_K";
  static constexpr tensor_type type = tensor_type::q5_k;
  static constexpr std::size_t block_size = 256;
  static constexpr unsigned code_bits = 5;
  static constexpr int zero_point = 0;
  using scales = super_scale_min;

  struct block {
    half d, dmin;
    std::array<std::uint8_t, 12> scales6;  ///< eight scales and eight minima of six bits, see detail::unpack_scales
    std::array<std::uint8_t, 32> high;     ///< bit j of byte i: the fifth bit of column 32 j + i
    std::array<std::uint8_t, 128> low;     ///< byte 32 g + i: columns 64 g + i (low four bits) and 64 g + 32 + i (high four)
  };

  static void codes(const block& stored, std::span<std::uint8_t, 256> out) noexcept {
    detail::split_nibbles<32>(stored.low, out);
    detail::add_planes<1, 32>(stored.high.data(), out);
  }
  static scales read_scales(const block& stored) noexcept {
    return detail::unpack_scales(stored.d, stored.dmin, stored.scales6);
  }
  static void pack(std::span<const std::uint8_t, 256> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    out.dmin = s.dmin;
    detail::pack_scales(s, out.scales6);
    out.high.fill(0);
    for (std::size_t i = 0; i < 256; ++i) out.high[i % 32] = std::uint8_t(out.high[i % 32] | ((code[i] >> 4 & 1) << (i / 32)));
    detail::join_nibbles<32>(code, out.low);
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_codes<q5_k>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q5_k>(values, hint, out);
  }
};

static_assert(sizeof(q5_k::block) == 176);

}  // namespace NIBBLE_ABI
}  // namespace nibble
