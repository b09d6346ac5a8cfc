/// own_draw: for steps that draw themselves, and learn from what they drew once it is part of the text.
#pragma once

#include <cstddef>
#include <optional>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A token that a step has drawn, with the probability that the step takes note of. Another one may be chosen after all, or
/// none: so it counts when it stands where it was meant for.
struct own_draw {
  token id = no_token;
  std::size_t place = 0;
  double probability = 1;

  /// Leaves the candidate at `index` alone.
  void keep(candidates& c, std::size_t index, double likely, const sample_context& context) {
    const candidate drawn = c[index];
    id = drawn.id, place = context.recent.size(), probability = likely;
    c.items().front() = drawn;
    c.truncate(1);
  }

  /// The probability of the last draw, once, if it is part of the text.
  std::optional<double> taken(const sample_context& context) noexcept {
    const bool stands = id != no_token && place < context.recent.size() && context.recent[place] == id;
    id = no_token;
    return stands ? std::optional<double>(probability) : std::nullopt;
  }
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
