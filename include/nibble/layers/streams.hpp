/// streams: several hidden states side by side, mixed with weights of each token's own.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "nibble/layers/elementwise.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// The sum of squares, in eight interleaved parts of double precision, in which each square is exact: one order everywhere.
inline double sum_of_squares(const float* x, std::size_t n) noexcept {
  std::array<double, 8> part{};
  for (std::size_t i = 0; i < n; ++i) part[i % part.size()] += double(x[i]) * double(x[i]);
  double sum = 0;
  for (const double p : part) sum += p;
  return sum;
}
/// y += factor * x; spare is overwritten.
inline void add_scaled(const kernel_table& kernels, float* y, const float* x, float factor, std::size_t n,
                       float* spare) noexcept {
  std::memcpy(spare, x, n * sizeof(float));
  kernels.scale(spare, factor, n);
  kernels.add(y, spare, n);
}
}  // namespace detail

/// Gives each row of x the length of the row of `like`; a row of zeros stays.
/// @shape   x, like (tokens, width)
inline void scale_to_length_of(compute& c, activations like, activations x) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) {
    const double wanted = detail::sum_of_squares(like.row(t), like.width), found = detail::sum_of_squares(x.row(t), x.width);
    if (found > 0) c.kernels().scale(x.row(t), static_cast<float>(std::sqrt(wanted / found)), x.width);
  });
}

/// x = max(0, x - (mean + deviations * standard deviation)) for each row: few of its numbers stay.
/// @shape   x (tokens, width), of two numbers at least
inline void keep_largest(compute& c, activations x, double deviations) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) {
    float* row = x.row(t);
    const double n = double(x.width), mean = double(detail::mean_of(row, x.width)), all = n * mean;
    const double variance = std::fma(-all, mean, detail::sum_of_squares(row, x.width)) / (n - 1);
    const auto least = static_cast<float>(std::fma(deviations, std::sqrt(variance > 0 ? variance : 0), mean));
    for (std::size_t i = 0; i < x.width; ++i) row[i] = row[i] > least ? row[i] - least : 0;
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
