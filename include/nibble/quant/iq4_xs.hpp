/// IQ4_XS: 4.25 bits a weight, 256 codes of 4 bits with the levels of IQ4_NL; each 32 have a signed 6-bit scale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/encode.hpp"
#include "nibble/quant/format.hpp"
#include "nibble/quant/iq4_nl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d * scale[j] * codebook[code], scale in [-32, 32), j = column / 32.
struct iq4_xs {
  static constexpr std::string_view name = "IQ4_XS";
  static constexpr tensor_type type = tensor_type::iq4_xs;
  static constexpr std::size_t block_size = 256;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = iq4_nl::zero_point;
  static constexpr std::array<std::int8_t, 16> codebook = iq4_nl::codebook;
  using scales = super_scale_of<32, 6>;

  struct block {
    half d;
    std::array<std::uint8_t, 2> scales_high;  ///< byte j / 4, bits 2 (j % 4) and up: the upper two of scale[j] + 32
    std::array<std::uint8_t, 4> scales_low;   ///< byte j / 2: the lower four, of even j first
    std::array<std::uint8_t, 128> low;        ///< byte 16 j + i: columns 32 j + i (low four bits) and 32 j + 16 + i (high four)
  };

  static void codes(const block& stored, std::span<std::uint8_t, 256> out) noexcept {
    detail::split_nibbles<16>(stored.low, out);
  }
  static scales read_scales(const block& stored) noexcept {
    scales s{stored.d, {}};
    for (std::size_t j = 0; j < 8; ++j) {
      const unsigned four = unsigned(stored.scales_low[j / 2]) >> (j % 2 * 4) & 15;
      const unsigned two = unsigned(stored.scales_high[j / 4]) >> (j % 4 * 2) & 3;
      s.scale[j] = std::int8_t(int(four | two << 4) - 32);
    }
    return s;
  }
  static void pack(std::span<const std::uint8_t, 256> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    out.scales_high.fill(0), out.scales_low.fill(0);
    for (std::size_t j = 0; j < 8; ++j) {
      const auto plus = unsigned(s.scale[j] + 32);
      std::uint8_t &four = out.scales_low[j / 2], &two = out.scales_high[j / 4];
      four = std::uint8_t(four | (plus & 15) << (j % 2 * 4));
      two = std::uint8_t(two | (plus >> 4 & 3) << (j % 4 * 2));
    }
    detail::join_nibbles<16>(code, out.low);
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_codes<iq4_xs>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<iq4_xs>(values, hint, out);
  }
};

static_assert(sizeof(iq4_xs::block) == 136);

}  // namespace NIBBLE_ABI
}  // namespace nibble
