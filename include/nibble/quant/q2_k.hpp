/// Q2_K: 2.63 bits a weight, 256 codes of 2 bits; each 16 have a 4-bit scale and a 4-bit minimum.
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

/// value = d * scale[j] * code - dmin * min[j], code in [0, 4), scale and min in [0, 16), j = column / 16.
struct q2_k {
  static constexpr std::string_view name = "Q2_K";
  static constexpr tensor_type type = tensor_type::q2_k;
  static constexpr std::size_t block_size = 256;
  static constexpr unsigned code_bits = 2;
  static constexpr int zero_point = 0;
  using scales = half_super_scale_min;

  struct block {
    std::array<std::uint8_t, 16> both;  ///< scale (low four bits) and min (high four)
    std::array<std::uint8_t, 64> low;   ///< byte 32 h + i, bits 2 k and 2 k + 1: column 128 h + 32 k + i
    half d, dmin;
  };

  static void codes(const block& stored, std::span<std::uint8_t, 256> out) noexcept {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    detail::add_planes<2, 32, 0>(stored.low.data(), out.first<128>());
    detail::add_planes<2, 32, 0>(stored.low.data() + 32, out.last<128>());
  }
  static scales read_scales(const block& stored) noexcept {
    scales s{stored.d, stored.dmin, {}, {}};
    for (std::size_t j = 0; j < 16; ++j) s.scale[j] = stored.both[j] & 15, s.min[j] = stored.both[j] >> 4;
    return s;
  }
  static void pack(std::span<const std::uint8_t, 256> code, const scales& s, block& out) noexcept {
    out.d = s.d, out.dmin = s.dmin;
    for (std::size_t j = 0; j < 16; ++j) out.both[j] = std::uint8_t((s.scale[j] & 15) | s.min[j] << 4);
    detail::take_planes<2, 32, 0>(code.first<128>(), out.low.data());
    detail::take_planes<2, 32, 0>(code.last<128>(), out.low.data() + 32);
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_codes<q2_k>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q2_k>(values, hint, out);
  }
};

static_assert(sizeof(q2_k::block) == 84);

}  // namespace NIBBLE_ABI
}  // namespace nibble
