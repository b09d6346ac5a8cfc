/// Q5_0: 5.5 bits a weight, 32 codes of 5 bits and one scale.
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

/// value = d * (code - 16), code in [0, 32).
struct q5_0 {
  static constexpr std::string_view name = "Q5_0";
  static constexpr tensor_type type = tensor_type::q5_0;
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 5;
  static constexpr int zero_point = 16;
  using scales = block_scale;

  struct block {
    half d;
    std::array<std::uint8_t, 4> high;  ///< fifth bits: bit i % 8 of byte i / 8 belongs to column i
    std::array<std::uint8_t, 16> low;  ///< lower four bits of columns i (low half of the byte) and i + 16 (high half)
  };

  static void codes(const block& stored, std::span<std::uint8_t, 32> out) noexcept {
    detail::split_nibbles<16>(stored.low, out);
    detail::add_fifth_bits(stored.high, out);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 32> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    detail::take_fifth_bits(code, out.high);
    detail::join_nibbles<16>(code, out.low);
  }

  static void decode(const block& stored, std::span<float, 32> out) noexcept { detail::decode_codes<q5_0>(stored, out); }
  static void encode(std::span<const float, 32> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q5_0>(values, hint, out);
  }
};

static_assert(sizeof(q5_0::block) == 22);

}  // namespace NIBBLE_ABI
}  // namespace nibble
