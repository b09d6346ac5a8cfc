/// The definitions behind sampler.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "nibble/sample/sampler.hpp"
#include "nibble/sample/softmax.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

token draw(const candidates& c, rng& random) {
  const double u = random.uniform();
  if (c.empty()) return no_token;
  const candidate best = c.best();
  if (c.size() == 1 || !(best.logit > -std::numeric_limits<float>::infinity())) return best.id;
  const std::uint64_t total = c.probability_sum(best.logit);
  std::uint64_t left = std::min(static_cast<std::uint64_t>(u * double(total)), total - 1);
  for (std::size_t i = 0; i < c.size(); ++i) {
    const candidate x = c[i];
    const std::uint64_t share = unnormalized_probability(x.logit, best.logit);
    if (left < share) return x.id;
    left -= share;
  }
  return best.id;  // not reached: the shares sum to more than `left`
}

any_sampler any_sampler::greedy() {
  return any_sampler([](candidates& c) { c.keep_top(1); });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
