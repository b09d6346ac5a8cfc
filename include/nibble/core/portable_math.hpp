/// Logarithm, power and sines whose bits do not depend on the C library: libraries differ in last digits, and what decides
/// logits must not. For what is computed once a load, or once a token; the kernels have functions of their own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/core/fused.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The polynomial of these coefficients, lowest power first: fused by name, so that no compiler can choose.
template <std::size_t N>
double polynomial_of(const double (&coefficients)[N], double x) noexcept {
  double sum = coefficients[N - 1];
  for (std::size_t i = N - 1; i-- > 0;) sum = fused(sum, x, coefficients[i]);
  return sum;
}

inline constexpr double ln_2 = 0.69314718055994530942;

/// log2(x) for finite x > 0; NaN for all others. Absolute error 3e-16 where |log2(x)| < 1, else relative.
inline double portable_log2(double x) noexcept {
  if (!(x > 0) || !std::isfinite(x)) return std::nan("");
  constexpr double terms[] = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11,
                              1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23};
  int exponent;
  double m = std::frexp(x, &exponent);              // exact
  if (m < 0.70710678118654752) m *= 2, --exponent;  // log2(m) is within 1/2
  const double s = (m - 1) / (m + 1);               // log(m) = 2 atanh(s)
  return fused(s * polynomial_of(terms, s * s), 2 / ln_2, double(exponent));
}
inline double portable_log(double x) noexcept { return portable_log2(x) * ln_2; }

/// 2^(a * b); NaN for NaN. Relative error 3e-16. The difference to the nearest whole number is fused with the product, by name.
inline double portable_exp2_of_product(double a, double b) noexcept {
  const double x = a * b;
  if (!(std::fabs(x) < 1100)) return x > 0 ? HUGE_VAL : x < 0 ? 0.0 : x;
  constexpr double terms[] = {1,
                              1,
                              1.0 / 2,
                              1.0 / 6,
                              1.0 / 24,
                              1.0 / 120,
                              1.0 / 720,
                              1.0 / 5040,
                              1.0 / 40320,
                              1.0 / 362880,
                              1.0 / 3628800,
                              1.0 / 39916800,
                              1.0 / 479001600,
                              1.0 / 6227020800,
                              1.0 / 87178291200};
  const double n = std::nearbyint(x);
  return std::ldexp(polynomial_of(terms, fused(a, b, -n) * ln_2), static_cast<int>(n));
}
/// 2^x.
inline double portable_exp2(double x) noexcept { return portable_exp2_of_product(x, 1); }
/// base^exponent for base > 0.
inline double portable_pow(double base, double exponent) noexcept {
  return portable_exp2_of_product(portable_log2(base), exponent);
}

/// A part of a turn, in units of 2^-64 turns: sums and multiples of it are exact, and whole turns fall away by themselves.
using turn_fraction = std::uint64_t;

/// The part that is left of an angle in radians when whole turns are taken away; 0 if the angle is no finite number.
inline turn_fraction turns_of(double radians) noexcept {
  constexpr double turns_in_radian = 0.15915494309189533577;
  const double whole = std::floor(radians * turns_in_radian), part = fused(radians, turns_in_radian, -whole);
  return part > 0 && part < 1 ? static_cast<turn_fraction>(std::ldexp(part, 64)) : 0;  // exact
}

/// Cosine and sine of a part of a turn, in units of 2^-32. Absolute error 2e-9.
struct direction {
  std::int64_t cosine, sine;

  /// Integers alone: a float computation would be fused in places, where a compiler may.
  explicit constexpr direction(turn_fraction turn) noexcept : cosine(0), sine(0) {
    constexpr std::uint64_t one = std::uint64_t{1} << 32;
    const turn_fraction shifted = turn + (one << 29);               // of 1/8 turn
    const unsigned quarter = static_cast<unsigned>(shifted >> 62);  // the nearest quarter turn
    const std::uint64_t in_quarter = shifted << 2 >> 2;             // 1/8 turn is 2^61
    const bool before = in_quarter < one << 29;                     // that quarter
    const std::uint64_t distance = before ? (one << 29) - in_quarter : in_quarter - (one << 29);
    const std::uint64_t y = std::min(distance >> 29, one - 1), z = y * y >> 32;  // in 1/8 turns, times 2^32, and its square
    std::uint64_t s = 8, c = 106;  // (pi / 4)^k / k! * 2^32 for k = 11 and 10, and below for smaller ones
    for (const std::uint64_t term : {1346u, 157094u, 10696163u, 346799334u, 3373259426u}) s = term - (s * z >> 32);
    for (const std::uint64_t term : {15423u, 1400124u, 68093890u, 1324675879u}) c = term - (c * z >> 32);
    c = one - (c * z >> 32);
    s = s * y >> 32;
    const auto near_sine = before ? -static_cast<std::int64_t>(s) : static_cast<std::int64_t>(s);
    const auto near_cosine = static_cast<std::int64_t>(c);
    cosine = quarter == 0 ? near_cosine : quarter == 1 ? -near_sine : quarter == 2 ? -near_cosine : near_sine;
    sine = quarter == 0 ? near_sine : quarter == 1 ? near_cosine : quarter == 2 ? -near_sine : -near_cosine;
  }
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
