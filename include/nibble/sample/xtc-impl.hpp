/// The definitions behind xtc.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "nibble/sample/softmax.hpp"
#include "nibble/sample/xtc.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<xtc> xtc::from_text(std::string_view value) {
  xtc made;
  NIBBLE_TRY(detail::parse_fields(value, {{"probability", &made.probability}, {"threshold", &made.threshold}}));
  return made;
}

void xtc::operator()(candidates& c, sample_context& context) const {
  const double chance = context.random.uniform();
  if (!(chance < double(probability)) || !(threshold <= 0.5f) || c.size() < 2) return;
  const float best = c.best().logit;
  if (!(best > -std::numeric_limits<float>::infinity())) return;
  const double share = std::ceil(double(std::max(threshold, 0.0f)) * double(c.probability_sum(best)));
  if (share > double(certain)) return;  // the best one is less likely than that
  const float least = detail::least_logit_of(std::max(static_cast<std::uint64_t>(share), std::uint64_t{1}), best);
  candidate last = c.best();
  for (std::size_t i = 0; i < c.size(); ++i)
    if (c[i].logit >= least && ranks_before(last, c[i])) last = c[i];
  c.remove_if([=](const candidate& x) { return x.logit >= least && ranks_before(x, last); });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
