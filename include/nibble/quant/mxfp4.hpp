/// MXFP4: 4.25 bits a weight, 32 numbers of 4 bits (one of sign, two of exponent, one of mantissa) and one power of two.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/encode.hpp"
#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = 2^(e - 128) * codebook[code]: levels are twice the numbers, so that they are whole.
/// @source  Open Compute Project 2023, "OCP Microscaling Formats (MX) Specification"
struct mxfp4 {
  static constexpr std::string_view name = "MXFP4";
  static constexpr tensor_type type = tensor_type::mxfp4;
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = 12;
  static constexpr std::array<std::int8_t, 16> codebook{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  using scales = block_exponent;

  struct block {
    std::uint8_t e;
    std::array<std::uint8_t, 16> low;  ///< codes of columns i (low four bits) and i + 16 (high four)
  };

  static void codes(const block& stored, std::span<std::uint8_t, 32> out) noexcept {
    detail::split_nibbles<16>(stored.low, out);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.e}; }
  static void pack(std::span<const std::uint8_t, 32> code, const scales& s, block& out) noexcept {
    out.e = s.e;
    detail::join_nibbles<16>(code, out.low);
  }

  static void decode(const block& stored, std::span<float, 32> out) noexcept { detail::decode_codes<mxfp4>(stored, out); }

  /// Of the power of two by which the largest value is a level of 8 to 16, as published encoders take it, and its two
  /// neighbours: the one with the least error.
  static void encode(std::span<const float, 32> values, const encode_hint& hint, block& out) noexcept {
    std::array<float, 32> x;
    std::transform(values.begin(), values.end(), x.begin(), detail::encodable);
    float largest = 0;
    for (const float v : x) largest = std::max(largest, std::abs(v));
    int exponent = -124;
    if (largest > 0) static_cast<void>(std::frexp(largest, &exponent));
    const auto weights = detail::error_weights(x, hint);
    float least = -1;
    for (const int by : {124, 125, 123}) {
      const scales s{static_cast<std::uint8_t>(std::clamp(exponent + by, 0, 254))};
      std::array<std::uint8_t, 32> code;
      float error = 0;
      for (std::size_t i = 0; i < 32; ++i) {
        code[i] = nearest(x[i], s.d());
        const float off = x[i] - s.d() * float(codebook[code[i]]);
        error += weights[i] * off * off;
      }
      if (least >= 0 && !(error < least)) continue;
      least = error;
      pack(code, s, out);
    }
  }

  /// The code whose level is nearest, of two the first.
  static std::uint8_t nearest(float x, float d) noexcept {
    std::size_t best = 0;
    for (std::size_t i = 1; i < codebook.size(); ++i) {
      if (std::abs(d * float(codebook[i]) - x) < std::abs(d * float(codebook[best]) - x)) best = i;
    }
    return static_cast<std::uint8_t>(best);
  }
};

static_assert(sizeof(mxfp4::block) == 17);

}  // namespace NIBBLE_ABI
}  // namespace nibble
