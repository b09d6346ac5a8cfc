/// best_guess: what a row of logits guesses.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <utility>

#include "nibble/core/token.hpp"
#include "nibble/generate/guesser.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The most likely token of a row of logits, and how sure that is: by how much it is before the next one.
inline token_guess best_guess(std::span<const float> logits) noexcept {
  float best = -std::numeric_limits<float>::infinity(), next = best;
  std::size_t at = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > next)) continue;
    if (logits[i] > best) {
      next = std::exchange(best, logits[i]), at = i;
    } else {
      next = logits[i];
    }
  }
  constexpr float before[] = {0.25f, 0.5f, 1, 1.5f, 2.5f, 4, 6};
  const auto sure = std::upper_bound(std::begin(before), std::end(before), best - next) - std::begin(before);
  return {static_cast<token>(at), static_cast<std::uint8_t>(sure)};
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
