/// The meaning of the functions that the kernels compute by polynomials: exponentials, hyperbolic tangent, logarithm, error
/// function. Not those of the C library, which differ from one to the next, but one sequence of operations, that every target
/// repeats to the same bits. A product that is added to something is fused with the addition, by name, so no flag of
/// a compiler has anything left to fuse.
///
/// Relative errors below are those to the exact function, over all floats unless a range is given. NaN gives NaN.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/core/fused.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The numbers that the functions are made of, shared by the scalar code here and the kernels in math-inl.hpp.
namespace math_numbers {
/// 2^r = 1 + r * (those in powers of r, highest first), minimax for r in [-1/2, 1/2], relative error 3e-9.
inline constexpr float power_coefficients[] = {1.5594678e-4f, 1.3406643e-3f, 9.6176928e-3f,
                                               5.5503103e-2f, 2.4022652e-1f, 6.9314724e-1f};
/// log2(e), and what is missing in the first.
inline constexpr float log2_e = 1.44269504f, log2_e_rest = 1.92596299e-8f;
/// Adding it to a number of at most 2^21 rounds that to the next integer n, whose sum with 127 is in the lowest bits: the
/// exponent of 2^n, as a float has it.
inline constexpr float exponent_magic = 12582912.0f + 127.0f;
/// Below it, 2^x counts as 0.
inline constexpr float least_power = -125;
/// Below the first, e^x counts as 0; from the second on it is infinite.
inline constexpr float least_exponent = -86.5f, most_exponent = 88.75f;
/// log(1 + e) = s * (those in powers of s^2, highest first), where s = e / (2 + e) <= 1/3.
inline constexpr float log1p[] = {0.2819155f, 0.27957666f, 0.40025115f, 0.6666631f, 2.0f};
/// (1 - erf(x / sqrt 2)) / 2 = t * (those in powers of t, highest first) * e^(-x^2 / 2), where t = 1 / (1 + 0.35 x), x >= 0.
inline constexpr float normal_tail[] = {-0.029145911f, 0.14397162f, -0.2557141f, 0.159174f, -0.023109728f,
                                        0.10550796f,   0.11983287f, 0.13986187f, 0.1396214f};
inline constexpr float normal_tail_slope = 0.35f;
}  // namespace math_numbers

namespace reference {

/// The polynomial of these coefficients, highest power first.
template <std::size_t N>
float polynomial(const float (&coefficients)[N], float x) noexcept {
  float sum = coefficients[0];
  for (std::size_t i = 1; i < N; ++i) sum = fused(sum, x, coefficients[i]);
  return sum;
}

/// Sixteen partial sums of a row: number i belongs to sum i % 16, and they are added up by halves. What a register of sixteen
/// numbers, two of eight and four of four can do alike.
class lane_sums {
 public:
  /// Adds a * b, number i.
  void add_product(std::size_t i, float a, float b) noexcept { part_[i % 16] = fused(a, b, part_[i % 16]); }
  float& operator[](std::size_t i) noexcept { return part_[i % 16]; }
  float total() const noexcept {
    float sum[16];
    for (std::size_t i = 0; i < 16; ++i) sum[i] = part_[i];
    for (std::size_t step = 8; step > 0; step /= 2) {
      for (std::size_t i = 0; i < step; ++i) sum[i] += sum[i + step];
    }
    return sum[0];
  }

 private:
  float part_[16] = {};
};

/// 2^x for x <= 0, and a little above: 0 below -125. Relative error 2e-7. Scores of 2^30 and more, which no trained model has,
/// are so far apart that their rounding alone takes x farther above 0 or below: the result is then any number, the same one
/// everywhere.
inline float power_of_2(float x) noexcept {
  using namespace math_numbers;
  if (x < least_power) return 0;
  const float rounded = x + exponent_magic, r = x - (rounded - exponent_magic);
  const float power = std::bit_cast<float>(std::bit_cast<std::uint32_t>(rounded) << 23);
  return fused(polynomial(math_numbers::power_coefficients, r), r, 1.0f) * power;
}

/// e^x = 2^n (1 + slope * r), where |r| <= 1/2.
struct exponential {
  float slope, r, power;  ///< power = 2^n

  /// Precondition: -87 <= x < 88.8, or NaN.
  explicit exponential(float x) noexcept {
    using namespace math_numbers;
    const float rounded = fused(x, log2_e, exponent_magic), n = rounded - exponent_magic;
    r = fused(x, log2_e_rest, fused(x, log2_e, -n));
    slope = polynomial(power_coefficients, r);
    power = std::bit_cast<float>(std::bit_cast<std::uint32_t>(rounded) << 23);
  }
  float fraction() const noexcept { return fused(slope, r, 1.0f); }
};

/// e^x for x <= 0, 0 below -86.5. Relative error 2e-7.
inline float exp_of_negative(float x) noexcept {
  if (x < math_numbers::least_exponent) return 0;
  const exponential e(x);
  return e.fraction() * e.power;
}
/// e^x, 0 below -86.5, infinite from 88.73 on. Relative error 2e-7.
inline float exp(float x) noexcept {
  if (x < math_numbers::least_exponent) return 0;
  const exponential e(x > math_numbers::most_exponent ? math_numbers::most_exponent : x);
  const float half_power = std::bit_cast<float>(std::bit_cast<std::uint32_t>(e.power) - (1u << 23));  // 2^128 is no float
  return e.fraction() * half_power * 2;
}
/// e^x - 1 for x <= 0. Relative error 3e-7.
inline float expm1_of_negative(float x) noexcept {
  const exponential e(x < math_numbers::least_exponent ? math_numbers::least_exponent : x);
  return fused(e.power, e.slope * e.r, e.power - 1);
}
/// tanh(x). Relative error 4e-7.
inline float tanh(float x) noexcept {
  const float size = std::fabs(x);
  const float e = expm1_of_negative((size > 10 ? 10.0f : size) * -2);
  return std::copysign(e / (-2 - e), x);
}

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
