/// low_rank: what adapters change of a step for some of its rows: scale * B (A x) is added to matrix products, of a rank far
/// below the matrix's, and directions to what layers give.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>

#include "nibble/kernels/weight.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The two factors of what is added to the products of one weight.
struct low_rank_factors {
  const std::byte* base = nullptr;  ///< weight::data() of that weight
  weight a, b;                      ///< (rank, columns) and (rows, rank)
};

/// An adapter at work in a step.
struct active_adapter {
  std::span<const low_rank_factors> factors;  ///< ordered by base
  std::span<const float> directions;          ///< (layers, width), or empty
  std::span<const float> of_tokens;           ///< how much of it each token of the step takes; 0: none
  std::span<const float> of_wanted;           ///< the same of those whose output is wanted

  /// What belongs to a weight, or null.
  const low_rank_factors* find(const weight& w) const noexcept {
    const auto below = [](const low_rank_factors& f, const std::byte* at) { return std::less<>()(f.base, at); };
    const auto found = std::lower_bound(factors.begin(), factors.end(), w.data(), below);
    return found != factors.end() && found->base == w.data() && w.data() ? &*found : nullptr;
  }
  /// How much the rows of a product take: they are all tokens, or those that are wanted. None of others, such as those that
  /// experts are given.
  std::span<const float> scales(std::size_t rows) const noexcept {
    if (rows == of_tokens.size()) return of_tokens;
    return rows == of_wanted.size() ? of_wanted : std::span<const float>();
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
