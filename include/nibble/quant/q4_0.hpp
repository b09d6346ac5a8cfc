/// Q4_0: 4.5 bits a weight, 32 codes of 4 bits and one scale.
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

/// value = d * (code - 8), code in [0, 16).
struct q4_0 {
  static constexpr std::string_view name = "Q4_0";
  static constexpr tensor_type type = tensor_type::q4_0;
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = 8;
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

  static void decode(const block& stored, std::span<float, 32> out) noexcept { detail::decode_codes<q4_0>(stored, out); }
  static void encode(std::span<const float, 32> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q4_0>(values, hint, out);
  }
};

static_assert(sizeof(q4_0::block) == 18);

}  // namespace NIBBLE_ABI
}  // namespace nibble
