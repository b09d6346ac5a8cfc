/// Q1_0: 1.13 bits a weight, 128 signs and one scale.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/encode.hpp"
#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d or -d.
struct q1_0 {
  static constexpr std::string_view name = "Q1_0";
  static constexpr tensor_type type = tensor_type::q1_0;
  static constexpr std::size_t block_size = 128;
  static constexpr float largest_value = largest_half;
  static constexpr unsigned code_bits = 1;
  static constexpr int zero_point = 1;
  static constexpr std::array<std::int8_t, 16> codebook{-1, 1};  // the others are no codes
  using scales = block_scale_of<128>;

  struct block {
    half d;
    std::array<std::uint8_t, 16> signs;  ///< bit i % 8 of byte i / 8: column i is d
  };

  static void codes(const block& stored, std::span<std::uint8_t, 128> out) noexcept {
    for (std::size_t i = 0; i < 128; ++i) out[i] = std::uint8_t(stored.signs[i / 8] >> i % 8 & 1);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 128> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    out.signs.fill(0);
    for (std::size_t i = 0; i < 128; ++i) out.signs[i / 8] = std::uint8_t(out.signs[i / 8] | (code[i] & 1u) << i % 8);
  }

  static void decode(const block& stored, std::span<float, 128> out) noexcept { detail::decode_codes<q1_0>(stored, out); }
  static void encode(std::span<const float, 128> values, const encode_hint& hint, block& out) noexcept {
    std::array<float, 128> x;
    std::transform(values.begin(), values.end(), x.begin(), detail::encodable);
    const auto weights = detail::error_weights(x, {hint.importance, 0});
    double sum = 0, weight = 0;
    out = {};
    for (std::size_t i = 0; i < 128; ++i) {
      sum += double(weights[i] * std::abs(x[i])), weight += double(weights[i]);
      if (x[i] >= 0) out.signs[i / 8] = std::uint8_t(out.signs[i / 8] | 1u << i % 8);
    }
    out.d = to_half(detail::stored_half(float(sum / weight)));
  }
};

static_assert(sizeof(q1_0::block) == 18);

}  // namespace NIBBLE_ABI
}  // namespace nibble
