/// top_p: only the most likely tokens that together reach a probability (nucleus sampling).
#pragma once

#include <limits>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Keeps the fewest best candidates whose probabilities sum to p or more, best first. 1 and more, or NaN: all stay. 0 and less:
/// the best one stays.
/// @cost    three passes, and a sort of little more than what is kept
/// @source  Holtzman et al. 2020, section 3.1
struct top_p {
  float p = 0.95f;

  static constexpr std::string_view name = "top_p";
  static result<top_p> from_text(std::string_view value) { return detail::parse_into<top_p, float>(value); }

  void operator()(candidates& c) const {
    if (!(p < 1) || c.empty()) return;
    if (!(p > 0)) return c.keep_top(1);
    const float best = c.best().logit;
    if (!(best > -std::numeric_limits<float>::infinity())) return c.keep_top(1);
    c.keep_likely(p, best);
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
