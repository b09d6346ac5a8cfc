/// The definitions behind min_p.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "nibble/sample/min_p.hpp"
#include "nibble/sample/softmax.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

void min_p::operator()(candidates& c) const {
  if (!(p > 0) || c.empty()) return;
  const float best = c.best().logit;
  if (!(best > -std::numeric_limits<float>::infinity())) return c.keep_top(1);
  const auto wanted = static_cast<std::uint64_t>(std::ceil(double(std::min(p, 1.0f)) * double(certain)));
  c.keep_from(detail::least_logit_of(wanted, best));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
