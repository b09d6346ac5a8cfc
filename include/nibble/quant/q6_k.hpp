/// Q6_K: 6.56 bits a weight, 256 codes of 6 bits; each 16 have a signed 8-bit scale.
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

/// value = d * scale[j] * (code - 32), code in [0, 64), scale in [-128, 128), j = column / 16.
struct q6_k {
  static constexpr std::string_view name = "Q6_K";
  static constexpr tensor_type type = tensor_type::q6_k;
  static constexpr std::size_t block_size = 256;
  static constexpr unsigned code_bits = 6;
  static constexpr int zero_point = 32;
  using scales = super_scale;

  struct block {
    std::array<std::uint8_t, 128> low;  ///< byte 64 h + i: columns 128 h + i (low four bits) and 128 h + 64 + i (high four)
    std::array<std::uint8_t, 64> high;  ///< byte 32 h + i, bits 2 k and 2 k + 1: the upper two of column 128 h + 32 k + i
    std::array<std::int8_t, 16> scale;
    half d;
  };

  static void codes(const block& stored, std::span<std::uint8_t, 256> out) noexcept {
    detail::split_nibbles<64>(stored.low, out);
    detail::add_planes<2, 32>(stored.high.data(), out.first<128>());
    detail::add_planes<2, 32>(stored.high.data() + 32, out.last<128>());
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d, stored.scale}; }
  static void pack(std::span<const std::uint8_t, 256> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    out.scale = s.scale;
    detail::join_nibbles<64>(code, out.low);
    out.high.fill(0);
    for (std::size_t i = 0; i < 256; ++i) {
      std::uint8_t& byte = out.high[i / 128 * 32 + i % 32];
      byte = std::uint8_t(byte | ((code[i] >> 4 & 3) << (i / 32 % 4 * 2)));
    }
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_codes<q6_k>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q6_k>(values, hint, out);
  }
};

static_assert(sizeof(q6_k::block) == 210);

}  // namespace NIBBLE_ABI
}  // namespace nibble
