/// sliding_context: what is still seen of a text that has become longer than its context.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"

namespace nibble::NIBBLE_KERNELS_ABI {

/// What is seen of a text that is longer than its context: its first positions, and the most recent ones. Where there is no
/// room for one more, `step` positions behind the first are forgotten at once, as if they had never been: what is behind them
/// moves up, so that no query is farther than `size` from what it sees.
///
///     position     0 ... kept | kept ... kept + forgotten | kept + forgotten ... own      at most `size` without the forgotten
///     step = 1                       StreamingLLM: attention sinks and a window
///     step = (size - kept) / 2       a context shift
///
/// How much is forgotten follows from the position alone, so it is the same however a text is cut into steps.
/// @source  Xiao et al. 2024, "Efficient Streaming Language Models with Attention Sinks", section 3.2
struct sliding_context {
  static constexpr std::size_t all = SIZE_MAX;

  std::size_t size = all;  ///< positions that are seen at most, the query's own included; all: nothing is forgotten
  std::size_t kept = 0;    ///< first positions that always are
  std::size_t step = 1;    ///< at most size - kept, at least 1

  constexpr bool slides() const noexcept { return size != all; }
  /// Positions behind the kept ones that a query at `position` has forgotten.
  constexpr std::size_t forgotten(std::size_t position) const noexcept {
    return position < size ? 0 : ((position - size) / step + 1) * step;
  }
  /// The first position that it sees behind the forgotten ones, or of all.
  constexpr std::size_t first(std::size_t position) const noexcept { return position < size ? 0 : kept + forgotten(position); }

  friend constexpr bool operator==(const sliding_context&, const sliding_context&) noexcept = default;
};

}  // namespace nibble::NIBBLE_KERNELS_ABI

namespace nibble {
inline namespace NIBBLE_ABI {
using NIBBLE_KERNELS_ABI::sliding_context;
}  // namespace NIBBLE_ABI
}  // namespace nibble
