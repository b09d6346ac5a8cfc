/// Q3_K: 3.44 bits a weight, 256 codes of 3 bits; each 16 have a signed 6-bit scale.
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

/// value = d * scale[j] * (code - 4), code in [0, 8), scale in [-32, 32), j = column / 16.
struct q3_k {
  static constexpr std::string_view name = "Q3_K";
  static constexpr tensor_type type = tensor_type::q3_k;
  static constexpr std::size_t block_size = 256;
  static constexpr unsigned code_bits = 3;
  static constexpr int zero_point = 4;
  using scales = super_scale_of<16, 6>;

  struct block {
    std::array<std::uint8_t, 32> high;  ///< byte i, bit k: the upper bit of column 32 k + i
    std::array<std::uint8_t, 64> low;   ///< byte 32 h + i, bits 2 k and 2 k + 1: the lower two of column 128 h + 32 k + i
    /// Of scale[j] + 32: the lower four bits in byte j % 8, first those of j < 8; the upper two in byte 8 + j % 4, in bits
    /// 2 (j / 4) and up.
    std::array<std::uint8_t, 12> scales6;
    half d;
  };

  static void codes(const block& stored, std::span<std::uint8_t, 256> out) noexcept {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    detail::add_planes<2, 32, 0>(stored.low.data(), out.first<128>());
    detail::add_planes<2, 32, 0>(stored.low.data() + 32, out.last<128>());
    detail::add_planes<1, 32, 2>(stored.high.data(), out);
  }
  static scales read_scales(const block& stored) noexcept {
    scales s{stored.d, {}};
    for (std::size_t j = 0; j < 16; ++j) {
      const unsigned four = unsigned(stored.scales6[j % 8]) >> (j / 8 * 4) & 15;
      const unsigned two = unsigned(stored.scales6[8 + j % 4]) >> (j / 4 * 2) & 3;
      s.scale[j] = std::int8_t(int(four | two << 4) - 32);
    }
    return s;
  }
  static void pack(std::span<const std::uint8_t, 256> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    out.scales6.fill(0);
    for (std::size_t j = 0; j < 16; ++j) {
      const auto plus = unsigned(s.scale[j] + 32);
      std::uint8_t &four = out.scales6[j % 8], &two = out.scales6[8 + j % 4];
      four = std::uint8_t(four | (plus & 15) << (j / 8 * 4));
      two = std::uint8_t(two | (plus >> 4 & 3) << (j / 4 * 2));
    }
    detail::take_planes<2, 32, 0>(code.first<128>(), out.low.data());
    detail::take_planes<2, 32, 0>(code.last<128>(), out.low.data() + 32);
    detail::take_planes<1, 32, 2>(code, out.high.data());
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_codes<q3_k>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q3_k>(values, hint, out);
  }
};

static_assert(sizeof(q3_k::block) == 110);

}  // namespace NIBBLE_ABI
}  // namespace nibble
