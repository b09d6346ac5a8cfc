/// temperature: how far the less likely tokens stand behind.
#pragma once

#include <limits>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Divides all logits by t. Below 1e-6, negative or NaN: greedy. Infinite: what is possible becomes equally likely.
struct temperature {
  float t = 1;

  static constexpr std::string_view name = "temperature";
  static result<temperature> from_text(std::string_view value) { return detail::parse_into<temperature, float>(value); }

  void operator()(candidates& c) const {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    if (!(t >= 1e-6f)) return c.keep_top(1);
    if (t == 1.0f) return;
    if (t == infinity) {
      for (candidate& x : c) x.logit = x.logit < infinity && x.logit > -infinity ? 0.0f : x.logit;
      return;
    }
    c.transform([scale = 1 / t](const auto& logit) { return logit * scale; });
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
