/// guess_pace: how many guesses are worth checking, by what was measured.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <span>

#include "nibble/generate/guesser.hpp"
#include "nibble/model/speculation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Knows how long steps of so many tokens take, what a guess costs, and how often guesses of each kind come true. All of it is
/// measured; none of it changes a token.
///
/// Never loses much: it keeps an account, in steps of one token, of what guessing has gained. That begins with a small credit,
/// grows by a hundredth of a step with each plain one, and is bounded above, so that old gains pay for no long loss. Where it
/// is used up, nothing is guessed.
class guess_pace {
 public:
  using duration = std::chrono::nanoseconds;

  /// How many of some guesses to check, in a step that has `pending` tokens anyhow; 0: none.
  std::size_t worth(std::span<const token_guess> guesses, std::size_t pending) const noexcept;
  /// How many to make, where each one costs.
  std::size_t plan(std::size_t most, std::size_t pending) const noexcept;

  /// A guess came true, or did not. @param checked  by the model; else it shows only later
  void came_true(const token_guess& guess, bool hit, bool checked) noexcept;
  void made(std::size_t guesses, duration took) noexcept;
  /// A step of so many tokens.
  void stepped(std::size_t tokens, duration took) noexcept;
  /// What the last step and its guesses have brought.
  void brought(std::size_t tokens) noexcept;

 private:
  static constexpr std::size_t most_tokens = most_guesses + 1;
  struct luck {
    double hits = 0, tries = 0;
  };
  double step_time(std::size_t tokens) const noexcept;
  double usual_time(std::size_t tokens) const noexcept;
  double chance(std::size_t kind) const noexcept;

  std::array<double, most_tokens + 1> times_{};  // of steps with so many tokens, in nanoseconds; 0: not known
  std::array<luck, token_guess::kinds> luck_{};
  luck all_;
  static constexpr double unknown = -1;
  double guess_time_ = 0;  // of one; 0: none was made
  double guessing_ = 0,
         spent_ = 0;      // by guesses of the next step; by the last one, if it had more than one token, and its guesses
  double account_ = 1.5;  // gained so far, in steps of one token
  bool plain_ = true;     // the last step had one token
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
