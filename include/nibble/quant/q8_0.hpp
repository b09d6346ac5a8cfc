/// Q8_0: 8.5 bits a weight, 32 signed bytes and one scale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/encode.hpp"
#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d * q, q in [-128, 128). Its codes are q + 128.
struct q8_0 {
  static constexpr std::string_view name = "Q8_0";
  static constexpr tensor_type type = tensor_type::q8_0;
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 8;
  static constexpr int zero_point = 128;
  using scales = block_scale;

  struct block {
    half d;
    std::array<std::int8_t, 32> q;
  };

  static void codes(const block& stored, std::span<std::uint8_t, 32> out) noexcept {
    for (std::size_t i = 0; i < 32; ++i) out[i] = std::uint8_t(stored.q[i] + zero_point);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 32> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    for (std::size_t i = 0; i < 32; ++i) out.q[i] = std::int8_t(int(code[i]) - zero_point);
  }

  static void decode(const block& stored, std::span<float, 32> out) noexcept { detail::decode_codes<q8_0>(stored, out); }
  static void encode(std::span<const float, 32> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<q8_0>(values, hint, out);
  }
};

static_assert(sizeof(q8_0::block) == 34);

}  // namespace NIBBLE_ABI
}  // namespace nibble
