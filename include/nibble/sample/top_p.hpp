/// top_p: only the most likely tokens that together reach a probability (nucleus sampling).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/softmax.hpp"

namespace nibble::inline NIBBLE_ABI {

/// Keeps the fewest best candidates whose probabilities sum to p or more, best first. 1 and more, or NaN: all stay. 0 and less:
/// the best one stays.
/// @cost    one pass, and a sort of about as many as are kept
/// @source  Holtzman et al. 2020, section 3.1
struct top_p {
  float p = 0.95f;

  static constexpr std::string_view name = "top_p";
  static result<top_p> from_text(std::string_view value) { return detail::parse_into<top_p, float>(value); }

  void operator()(candidates& c) const {
    if (!(p < 1) || c.empty()) return;
    if (!(p > 0)) return c.keep_top(1);
    const float best = c.best().logit;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (!(best > -infinity)) return c.keep_top(1);
    c.keep_from(best < infinity ? least_logit(1, best) : best);  // what the softmax gives nothing cannot count
    const double wanted = double(p) * double(c.total_likelihood(best));
    std::uint64_t sum = 0;
    for (std::size_t sorted = 0, i = 0; sorted < c.size();) {
      sorted = std::min(c.size(), std::max<std::size_t>(64, 8 * sorted));
      c.sort_descending(sorted);
      for (; i < sorted; ++i) {
        sum += likelihood(c[i].logit, best);
        if (double(sum) >= wanted) return c.truncate(i + 1);
      }
    }
  }
};

}  // namespace nibble::inline NIBBLE_ABI
