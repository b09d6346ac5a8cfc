/// The definitions behind top_n_sigma.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "nibble/core/fused.hpp"
#include "nibble/sample/top_n_sigma.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Half the standard deviation of how far logits stand below the best one, which is finite. Each half is a float.
inline double half_deviation(const candidates& c, float best) noexcept {
  double sum = 0, squares = 0, count = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    const float logit = c[i].logit;
    if (!(logit > -std::numeric_limits<float>::infinity())) continue;
    const double half = static_cast<float>((double(best) - double(logit)) * 0.5);
    sum += half;
    squares += half * half;  // exact, so it does not matter whether the compiler fuses it with the sum
    ++count;
  }
  const double mean = sum / count;
  return std::sqrt(std::max(fused(-mean, mean, squares / count), 0.0));
}

}  // namespace detail

void top_n_sigma::operator()(candidates& c) const {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  if (!(n > 0) || !(n < infinity) || c.empty()) return;
  const float best = c.best().logit;
  if (!(best > -infinity)) return c.keep_top(1);
  if (!(best < infinity)) return c.keep_from(best);
  const double least = fused(-2.0 * double(n), detail::half_deviation(c, best), double(best));
  c.keep_from(float(std::max(least, double(std::numeric_limits<float>::lowest()))));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
