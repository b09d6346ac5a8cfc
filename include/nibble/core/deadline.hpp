/// deadline_after: a time from now on, however long.
#pragma once

#include <algorithm>
#include <chrono>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The time that is `time` behind `now`; what is longer than a hundred years, "for ever", is that. So no clock overflows, nor
/// do those to which condition variables convert it.
inline std::chrono::steady_clock::time_point deadline_after(std::chrono::steady_clock::time_point now,
                                                            std::chrono::nanoseconds time) noexcept {
  constexpr std::chrono::nanoseconds most = std::chrono::hours(24 * 365 * 100);
  return now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::min(time, most));
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
