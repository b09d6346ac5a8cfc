/// IQ4_NL: 4.5 bits a weight, 32 codes of 4 bits and one scale; levels that stand closer together near zero.
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

/// value = d * codebook[code].
struct iq4_nl {
  static constexpr std::string_view name = "IQ4_NL";
  static constexpr tensor_type type = tensor_type::iq4_nl;
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = 127;
  static constexpr std::array<std::int8_t, 16> codebook{-127, -104, -83, -65, -49, -35, -22, -10,
                                                        1,    13,   25,  38,  53,  69,  89,  113};
  using scales = block_scale;

  struct block {
    half d;
    std::array<std::uint8_t, 16> low;  ///< codes of columns i (low four bits) and i + 16 (high four)
  };

  static void codes(const block& stored, std::span<std::uint8_t, 32> out) noexcept {
    detail::split_nibbles<16>(stored.low, out);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 32> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    detail::join_nibbles<16>(code, out.low);
  }

  static void decode(const block& stored, std::span<float, 32> out) noexcept { detail::decode_codes<iq4_nl>(stored, out); }
  static void encode(std::span<const float, 32> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<iq4_nl>(values, hint, out);
  }
};

static_assert(sizeof(iq4_nl::block) == 18);

}  // namespace NIBBLE_ABI
}  // namespace nibble
