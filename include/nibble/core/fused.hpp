/// fused: a * b + c, rounded once. What std::fma promises, and the C library of MinGW does not keep where the processor's
/// instruction is not at hand: it rounds twice, so that last bits would be its own.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// x = high + low, exactly.
struct double_pair {
  double high, low;
};
/// @source  Knuth, The Art of Computer Programming 2, 4.2.2, theorem B
inline double_pair exact_sum(double a, double b) noexcept {
  const double sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}
/// @source  Dekker 1971, "A floating-point technique for extending the available precision"
inline double_pair exact_product(double a, double b) noexcept {
  constexpr double split = 0x1p27 + 1;
  const double a_high = a * split - (a * split - a), a_low = a - a_high;
  const double b_high = b * split - (b * split - b), b_low = b - b_high;
  const double product = a * b;
  return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}
/// The sum, rounded to the neighbour whose last bit is 1 where it is not exact: rounding that once more, to fewer bits, gives
/// what rounding the sum itself would have.
inline double sum_to_odd(double a, double b) noexcept {
  const double_pair exact = exact_sum(a, b);
  const auto bits = std::bit_cast<std::uint64_t>(exact.high);
  if (exact.low == 0 || (bits & 1) != 0 || !std::isfinite(exact.low)) return exact.high;
  return std::bit_cast<double>((exact.low > 0) == (exact.high > 0) ? bits + 1 : bits - 1);
}

/// a * b + c, rounded once, by additions and multiplications. Exact where no product of parts overflows or is subnormal.
/// @source  Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums"
inline double emulated_fused(double a, double b, double c) noexcept {
  const double_pair product = exact_product(a, b);
  if (product.high == 0 || !std::isfinite(product.low) || !std::isfinite(c)) return product.high + c;
  const double_pair low = exact_sum(c, product.low), high = exact_sum(product.high, low.high);
  return high.high + sum_to_odd(low.low, high.low);
}
/// The product of floats is a double.
inline float emulated_fused(float a, float b, float c) noexcept { return float(sum_to_odd(double(a) * double(b), double(c))); }

}  // namespace detail

/// a * b + c, rounded once: to the same bits on every machine.
/// @example  double distance = nibble::fused(slope, x, offset);
template <std::floating_point T>
T fused(T a, T b, T c) noexcept {
#if defined(__MINGW32__) && !defined(__FMA__)
  return detail::emulated_fused(a, b, c);
#else
  return std::fma(a, b, c);
#endif
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
