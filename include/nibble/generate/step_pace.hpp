/// step_pace: how long steps take by how many tokens they have, as far as the last ones tell.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A line through two points: what steps of answers alone take, and those with parts of prompts. Two of them are kept, for as
/// long as a prompt is read at a pace its steps are all alike, and through one point there is no line.
class step_pace {
 public:
  /// @param answers  as many of its tokens are those of answers
  void add(std::size_t tokens, std::size_t answers, std::chrono::nanoseconds time) noexcept {
    mean& known = tokens == answers ? alone_ : shared_;
    double taken = std::max(1.0, double(time.count()));
    if (known.steps > 0) taken = std::min(taken, 2 * time_of(double(tokens)));  // one that was held up counts less
    known.add(double(tokens), taken);
  }
  /// Tokens of a step that takes at most `factor` times as long as one of `answers` tokens, a few more than these at least.
  /// Without measurements: any number.
  std::size_t most_tokens(double factor, std::size_t answers) const noexcept {
    if (knows_nothing()) return std::numeric_limits<std::size_t>::max();
    return within(factor * time_of(double(answers)), answers);
  }
  /// Tokens of a step that takes at most this long, a few more than `answers` at least. Without measurements: those of a short
  /// step, which tells more.
  std::size_t tokens_within(std::chrono::nanoseconds time, std::size_t answers) const noexcept {
    return knows_nothing() ? answers + 16 : within(double(time.count()), answers);
  }
  /// How long the shortest of these steps takes.
  std::chrono::nanoseconds shortest(std::size_t answers) const noexcept {
    const double time = knows_nothing() ? 0 : time_of(double(answers) + few);
    return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(time, 1e18)));
  }

 private:
  static constexpr double few = 4;

  bool knows_nothing() const noexcept { return alone_.steps + shared_.steps == 0; }
  std::size_t within(double time, std::size_t answers) const noexcept {
    const double own = double(answers), others = (time - time_of(own)) / token_time();
    return static_cast<std::size_t>(own + std::clamp(others, few, 1e9));
  }
  /// Of the last steps, the latest of which counts a twentieth.
  struct mean {
    double steps = 0, tokens = 0, time = 0;

    void add(double its_tokens, double its_time) noexcept {
      steps = std::min(steps + 1, 20.0);
      tokens += (its_tokens - tokens) / steps;
      time += (its_time - time) / steps;
    }
  };

  double token_time() const noexcept {
    const double more = shared_.tokens - alone_.tokens, longer = shared_.time - alone_.time;
    if (alone_.steps > 0 && more > 0 && longer > 0) return longer / more;
    const mean& known = shared_.steps > 0 ? shared_ : alone_;  // all that is known is so much a token
    return known.time / known.tokens;
  }
  double time_of(double tokens) const noexcept {
    const double each = token_time();
    return each * tokens + std::max(0.0, alone_.time - each * alone_.tokens);
  }

  mean alone_, shared_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
