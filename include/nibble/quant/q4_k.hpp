/// Q4_K: 4.5 bits a weight, 256 codes of 4 bits; each 32 have a 6-bit scale and a 6-bit minimum.
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

/// value = d * scale[j] * code - dmin * min[j], code in [0, 16), scale and min in [0, 64), j = column / 32.
struct q4_k {
  static constexpr std::string_view name = "Q4_K";
  static constexpr tensor_type type = tensor_type::q4_k;
  static constexpr std::size_t block_size = 256;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = 0;
  using scales = super_scale_min;

  struct block {
    half d, dmin;
    std::array<std::uint8_t, 12> scales6;  ///< eight scales and eight minima of six bits, see detail::unpack_scales
    std::array<std::uint8_t, 128> low;     ///< byte 32 g + i: columns 64 g + i (low four bits) and 64 g + 32 + i (high four)
  };

  static void codes(const block& stored, std::span<std::uint8_t, 256> out) noexcept {
    detail::split_nibbles<32>(stored.low, out);
  }
  static scales read_scales(const block& stored) noexcept {
    return detail::unpack_scales(stored.d, stored.dmin, stored.scales6);
  }
  static void pack(std::span<const std::uint8_t, 256> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    out.dmin = s.dmin;
    detail::pack_scales(s, out.scales6);
    detail::join_nibbles<32>(code, out.low);
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_codes<q4_k>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q4_k>(values, hint, out);
  }
};

static_assert(sizeof(q4_k::block) == 144);

}  // namespace NIBBLE_ABI
}  // namespace nibble
