/// generation_stats: what a generation has cost.
#pragma once

#include <chrono>
#include <cstddef>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Counts and times of one generation; the time that its consumer takes between events is not in them.
struct generation_stats {
  std::size_t prompt_tokens = 0;                ///< processed before the first token was chosen; what the cache had is not here
  std::chrono::nanoseconds prompt_time{0};      ///< until the first token was chosen
  std::size_t generated_tokens = 0;             ///< events with a token
  std::size_t generation_steps = 0;             ///< tokens chosen after the first, the one that ended the text included
  std::chrono::nanoseconds generation_time{0};  ///< for these
  std::size_t speculation_steps = 0;            ///< of a session that guesses: steps of the model after the prompt
  std::size_t guessed_tokens = 0;               ///< that these checked beside
  std::size_t accepted_guesses = 0;             ///< steps that these have saved

  /// Tokens a second; 0 where nothing was measured.
  double prompt_speed() const noexcept { return rate(prompt_tokens, prompt_time); }
  double generation_speed() const noexcept { return rate(generation_steps, generation_time); }

 private:
  static double rate(std::size_t tokens, std::chrono::nanoseconds time) noexcept {
    return time.count() > 0 ? double(tokens) / std::chrono::duration<double>(time).count() : 0;
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
