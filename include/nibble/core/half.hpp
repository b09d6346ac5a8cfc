/// f16 and bf16: 16-bit floats as the bits they are stored in, with exact widening and round-to-nearest-even narrowing.
#pragma once

#include <bit>
#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// An IEEE 754 binary16 number. Trivial, 2 bytes; converts to float exactly, subnormals, infinities and NaN included.
struct half {
  std::uint16_t bits;

  /// The same number, exactly.
  constexpr operator float() const noexcept {
    const std::uint32_t sign = std::uint32_t(bits & 0x8000u) << 16;
    const std::uint32_t exponent = (bits >> 10) & 31u, mantissa = bits & 1023u;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
    if (exponent == 0) {
      const float magnitude = float(mantissa) * 0x1p-24f;
      return sign ? -magnitude : magnitude;
    }
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
  }
};

/// The upper half of a float32. Trivial, 2 bytes; converts to float exactly.
struct bhalf {
  std::uint16_t bits;

  /// The same number, exactly.
  constexpr operator float() const noexcept { return std::bit_cast<float>(std::uint32_t(bits) << 16); }
};

/// Nearest half, ties to even; overflow gives infinity, NaN stays NaN.
constexpr half to_half(float value) noexcept {
  const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
  const auto sign = std::uint16_t((x >> 16) & 0x8000u);
  const std::uint32_t magnitude = x & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {std::uint16_t(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu))};
  if (magnitude >= 0x477ff000u) return {std::uint16_t(sign | 0x7c00u)};  // 65520 and above round to infinity
  if (magnitude < 0x38800000u) {  // below 2^-14: a multiple of 2^-24; adding 0.5 lets the addition round
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return {std::uint16_t(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u))};
  }
  const std::uint32_t rounded = magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u);
  return {std::uint16_t(sign | (rounded >> 13))};
}

/// Nearest bhalf, ties to even; NaN stays NaN.
constexpr bhalf to_bhalf(float value) noexcept {
  const std::uint32_t x = std::bit_cast<std::uint32_t>(value);
  if ((x & 0x7fffffffu) > 0x7f800000u) return {std::uint16_t((x >> 16) | 0x40u)};
  return {std::uint16_t((x + 0x7fffu + ((x >> 16) & 1u)) >> 16)};
}

/// The largest finite numbers of both, and a half that is no number.
inline constexpr float largest_half = 65504, largest_bhalf = 0x1.fep127f;
inline constexpr half nan_half{0x7e00};

/// Whether a float is NaN, and whether it is neither NaN nor infinite: by its bits, whatever a compiler is told of NaN.
constexpr bool is_nan(float v) noexcept { return (std::bit_cast<std::uint32_t>(v) & 0x7fffffffu) > 0x7f800000u; }
constexpr bool is_finite(float v) noexcept { return (std::bit_cast<std::uint32_t>(v) & 0x7fffffffu) < 0x7f800000u; }

/// The nearest number to v in [-|limit|, |limit|]; NaN stays NaN.
constexpr float limited(float v, float limit) noexcept {
  if (is_nan(v)) return v;
  const float most = limit < 0 ? -limit : limit;
  return v > most ? most : v < -most ? -most : v;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
