/// typical_p: only tokens about as surprising as the distribution leads one to expect (locally typical sampling).
#pragma once

#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Keeps the fewest candidates whose probabilities sum to p or more, those first whose surprise, -log of their probability, is
/// nearest to its mean, the entropy; in this order. 1 and more, or NaN: all stay. 0 and less: the most typical one stays.
/// @cost    three passes, a selection, and a sort of at most twice what is kept
/// @source  Meister et al. 2023, "Locally Typical Sampling"
struct typical_p {
  float p = 0.95f;

  static constexpr std::string_view name = "typical_p";
  static result<typical_p> from_text(std::string_view value) { return detail::parse_into<typical_p, float>(value); }

  void operator()(candidates& c) const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
