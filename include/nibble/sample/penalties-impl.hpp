/// The definitions behind penalties.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "nibble/core/token.hpp"
#include "nibble/sample/penalties.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<penalties> penalties::from_text(std::string_view value) {
  penalties made;
  NIBBLE_TRY(detail::parse_fields(value, {{"repetition", &made.repetition},
                                          {"frequency", &made.frequency},
                                          {"presence", &made.presence},
                                          {"last_n", &made.last_n}}));
  return made;
}

void penalties::operator()(candidates& c, sample_context& context) const {
  const std::size_t n = std::min({last_n, context.recent.size(), most_tokens});
  std::array<token, most_tokens> sorted;  // equal tokens side by side
  const auto recent = context.recent.last(n);
  const auto end = std::copy(recent.begin(), recent.end(), sorted.begin());
  std::sort(sorted.begin(), end);
  if (c.complete()) {
    for (auto run = sorted.begin(); run != end;) {
      const auto next = std::upper_bound(run, end, *run);
      if (float* logit = c.find(*run)) *logit = lowered(*logit, next - run);
      run = next;
    }
  } else {
    for (candidate& x : c) {
      const auto [first, last] = std::equal_range(sorted.begin(), end, x.id);
      if (first != last) x.logit = lowered(x.logit, last - first);
    }
  }
}

float penalties::lowered(float logit, std::ptrdiff_t occurrences) const noexcept {
  if (std::isfinite(repetition) && repetition > 0) logit = logit > 0 ? logit / repetition : logit * repetition;
  // in double both products are exact, so it does not matter whether the compiler fuses them with the subtractions
  const double per_occurrence = std::isfinite(frequency) ? frequency : 0, once = std::isfinite(presence) ? presence : 0;
  return float(double(logit) - per_occurrence * double(occurrences) - once);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
