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
  const auto weight = [&](std::size_t i) { return unnormalized_probability(c[i].logit, best.logit); };
  return c[detail::drawn_index(c.size(), c.probability_sum(best.logit), u, weight)].id;
}

any_sampler any_sampler::greedy() {
  return any_sampler([](candidates& c) { c.keep_top(1); });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
