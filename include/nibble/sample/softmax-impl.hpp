/// The definitions behind softmax.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <xsimd/xsimd.hpp>

#include "nibble/sample/softmax.hpp"
#include "nibble/tensor/map.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The greater of two, numbers or batches; a NaN in `x` is passed over.
struct greater_of {
  float operator()(float best, float x) const noexcept { return x > best ? x : best; }
  template <class Arch>
  xsimd::batch<float, Arch> operator()(const xsimd::batch<float, Arch>& best,
                                       const xsimd::batch<float, Arch>& x) const noexcept {
    return select(x > best, x, best);
  }
};

/// The sum of e^(x - best), NaN passed over.
template <class Arch>
float exp_sum(std::span<const float> logits, float best) noexcept {
  float sum = 0;
  std::size_t i = 0;
  if constexpr (batch_width<float, Arch>() > 1) {
    using batch = xsimd::batch<float, Arch>;
    const batch zero(0.0f), shift(best), lowest(-100.0f);  // e^-100 is 0, and -infinity no argument for exp()
    batch sums = zero;
    for (; logits.size() - i >= batch::size; i += batch::size) {
      const batch x = batch::load_unaligned(logits.data() + i) - shift;
      sums += select(x <= zero, exp(max(x, lowest)), zero);
    }
    float lanes[batch::size];
    sums.store_unaligned(lanes);
    for (const float lane : lanes) sum += lane;
  }
  for (; i < logits.size(); ++i)
    if (logits[i] <= best) sum += std::exp(logits[i] - best);
  return sum;
}

}  // namespace detail

float greatest(std::span<const float> logits) noexcept {
  return fold(logits, -std::numeric_limits<float>::infinity(), detail::greater_of());
}

float log_probability(std::span<const float> logits, token id) noexcept {
  const float best = greatest(logits);
  if (std::size_t(id) >= logits.size() || !std::isfinite(best)) return std::numeric_limits<float>::quiet_NaN();
  constexpr std::size_t block = 1024;  // summed in float, the blocks in double
  double sum = 0;
  for (std::size_t at = 0; at < logits.size(); at += block)
    sum += double(detail::exp_sum<xsimd::default_arch>(logits.subspan(at, std::min(block, logits.size() - at)), best));
  return float(double(logits[std::size_t(id)]) - double(best) - std::log(sum));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
