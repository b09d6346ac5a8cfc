/// min_p: only tokens that are not much less likely than the most likely one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/softmax.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Keeps candidates at least p times as likely as the best, in their order. 0 and less, or NaN: all stay. 1 and more: those as
/// likely as the best.
/// @source  Nguyen et al. 2024
struct min_p {
  float p = 0.05f;

  static constexpr std::string_view name = "min_p";
  static result<min_p> from_text(std::string_view value) { return detail::parse_into<min_p, float>(value); }

  void operator()(candidates& c) const {
    if (!(p > 0) || c.empty()) return;
    const float best = c.best().logit;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (!(best > -infinity)) return c.keep_top(1);
    const auto wanted = static_cast<std::uint64_t>(std::ceil(double(std::min(p, 1.0f)) * double(certain)));
    c.keep_from(best < infinity && wanted < certain ? least_logit(wanted, best) : best);
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
