/// top_n_sigma: only tokens whose logits stand near the best one, measured by how far logits are spread.
#pragma once

#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Keeps candidates of which the logit is at least the best one less n standard deviations of all logits, in their order: what
/// stays does not depend on a temperature before it. 0 and less, infinite, or NaN: all stay. Logits of -infinity and NaN do not
/// count.
/// @cost    three passes
/// @source  Tang et al. 2024, "Top-nSigma: Not All Logits Are You Need"
struct top_n_sigma {
  float n = 1;

  static constexpr std::string_view name = "top_n_sigma";
  static result<top_n_sigma> from_text(std::string_view value) { return detail::parse_into<top_n_sigma, float>(value); }

  void operator()(candidates& c) const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
