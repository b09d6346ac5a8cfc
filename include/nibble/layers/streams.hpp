/// streams: several hidden states side by side, mixed with weights of each token's own.
#pragma once

#include <cmath>
#include <cstddef>

#include "nibble/core/fused.hpp"
#include "nibble/layers/elementwise.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Gives each row of x the length of the row of `like`; a row of zeros stays.
/// @shape   x, like (tokens, width)
inline void scale_to_length_of(compute& c, activations like, activations x) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) {
    const double wanted = c.kernels().squared_length(like.row(t), like.width),
                 found = c.kernels().squared_length(x.row(t), x.width);
    if (found > 0) c.kernels().scale(x.row(t), static_cast<float>(std::sqrt(wanted / found)), x.width);
  });
}

/// x = max(0, x - (mean + deviations * standard deviation)) for each row: few of its numbers stay.
/// @shape   x (tokens, width), of two numbers at least
inline void keep_largest(compute& c, activations x, double deviations) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) {
    float* row = x.row(t);
    const double n = double(x.width), mean = double(static_cast<float>(c.kernels().sum(row, x.width) / n)), all = n * mean;
    const double variance = fused(-all, mean, c.kernels().squared_length(row, x.width)) / (n - 1);
    const auto least = static_cast<float>(fused(deviations, std::sqrt(variance > 0 ? variance : 0), mean));
    for (std::size_t i = 0; i < x.width; ++i) row[i] = row[i] > least ? row[i] - least : 0;
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
