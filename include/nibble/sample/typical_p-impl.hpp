/// The definitions behind typical_p.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "nibble/sample/softmax.hpp"
#include "nibble/sample/typical_p.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// How far the logits stand below the best: surprise, but for a constant that is part of the entropy, too.
struct surprise {
  float best;
  double mean = 0;

  double of(float logit) const noexcept { return logit == best ? 0.0 : double(best) - double(logit); }
  double from_mean(float logit) const noexcept { return std::abs(of(logit) - mean); }
};

}  // namespace detail

void typical_p::operator()(candidates& c) const {
  if (!(p < 1) || c.empty()) return;
  const float best = c.best().logit;
  if (!(best > -std::numeric_limits<float>::infinity())) return c.keep_top(1);
  c.remove_if([best](const candidate& x) { return unnormalized_probability(x.logit, best) == 0; });
  const std::span<candidate> items = c.items();
  const std::uint64_t total = c.probability_sum(best);
  detail::surprise s{best};
  std::uint64_t surprises = 0;
  for (const candidate& x : items) surprises += unnormalized_surprise(x.logit, best);
  s.mean = double(surprises) / double(total);
  const auto more_typical = [s](const candidate& a, const candidate& b) {
    const double x = s.from_mean(a.logit), y = s.from_mean(b.logit);
    return x != y ? x < y : ranks_before(a, b);
  };

  const auto wanted = std::max(std::uint64_t(std::ceil(double(std::max(p, 0.0f)) * double(total))), std::uint64_t{1});
  std::size_t kept = 0, sorted = 0;
  for (std::uint64_t sum = 0; kept < items.size() && sum < wanted; ++kept) {
    if (kept == sorted) {  // sorts as many again as there are
      sorted = std::min(items.size(), 2 * sorted + 64);
      std::partial_sort(items.begin() + std::ptrdiff_t(kept), items.begin() + std::ptrdiff_t(sorted), items.end(),
                        more_typical);
    }
    sum += unnormalized_probability(items[kept].logit, best);
  }
  c.truncate(kept);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
