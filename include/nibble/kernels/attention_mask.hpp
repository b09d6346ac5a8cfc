/// attention_mask: which positions a query sees, counted from its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nibble/error.hpp"

namespace nibble::NIBBLE_KERNELS_ABI {

/// A query at position p sees positions [p - before, p + after], as far as they exist: its own is always one of them.
/// @example  auto mask = nibble::attention_mask::window(512);
struct attention_mask {
  /// As far as there are positions.
  static constexpr std::size_t all = SIZE_MAX;

  std::size_t before = all;  ///< positions seen before the query's own
  std::size_t after = 0;     ///< positions seen behind it

  /// Itself and all before it.
  static constexpr attention_mask causal() noexcept { return {}; }
  /// The last n positions, itself included; precondition: n > 0.
  static constexpr attention_mask window(std::size_t n) NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(n > 0);
    return {n - 1, 0};
  }
  /// Positions at most n / 2 away, in both directions.
  static constexpr attention_mask symmetric_window(std::size_t n) noexcept { return {n / 2, n / 2}; }
  /// Every position, before and behind.
  static constexpr attention_mask everything() noexcept { return {all, all}; }

  /// The first position that a query at `position` sees.
  constexpr std::size_t first(std::size_t position) const noexcept { return position - std::min(position, before); }
  /// One past the last, where `positions` are stored; precondition: position < positions.
  constexpr std::size_t end(std::size_t position, std::size_t positions) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(position < positions);
    return position + 1 + std::min(after, positions - position - 1);
  }

  friend constexpr bool operator==(const attention_mask&, const attention_mask&) noexcept = default;
};

}  // namespace nibble::NIBBLE_KERNELS_ABI
