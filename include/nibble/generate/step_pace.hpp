/// step_pace: how long steps take by how many tokens they have, as far as the last ones tell.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A line through what was measured, of which each step counts less than the next: so much a step, and so much a token of it.
class step_pace {
 public:
  void add(std::size_t tokens, std::chrono::nanoseconds time) noexcept {
    constexpr double fading = 0.95;
    const double x = double(tokens), y = double(time.count());
    n_ = n_ * fading + 1, x_ = x_ * fading + x, y_ = y_ * fading + y;
    xx_ = xx_ * fading + x * x, xy_ = xy_ * fading + x * y;
  }
  /// Tokens of a step that takes at most `factor` times as long as one of `answers` tokens, a few at least. Without
  /// measurements: any number.
  std::size_t most_tokens(double factor, std::size_t answers) const noexcept {
    constexpr double few = 8;
    if (n_ == 0) return std::numeric_limits<std::size_t>::max();
    const double spread = n_ * xx_ - x_ * x_;
    double of_token = spread > 1e-3 * n_ * xx_ ? (n_ * xy_ - x_ * y_) / spread : 0;
    double of_step = (y_ - of_token * x_) / n_;
    if (of_token <= 0 || of_step < 0) of_token = y_ / x_, of_step = 0;  // all steps were alike, or no line fits
    const double allowed = factor * double(answers) + (factor - 1) * of_step / of_token;
    return static_cast<std::size_t>(std::clamp(allowed, double(answers) + few, 1e9));
  }

 private:
  double n_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
