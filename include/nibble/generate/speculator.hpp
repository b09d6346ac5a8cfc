/// speculator: takes a session one step further, with guesses that are checked in the same step.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "nibble/core/stop_token.hpp"
#include "nibble/generate/guess_pace.hpp"
#include "nibble/generate/guesser.hpp"
#include "nibble/generate/transcript.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A step gives the logits behind what was said and behind each guess. Who chooses tokens sees them one after the other, as if
/// each came from a step of its own; with the first one that was not guessed the rest is dropped. So tokens, random numbers,
/// grammars and stop strings are those of a session that does not guess.
class speculator {
 public:
  /// @param   always  whatever guesses cost
  speculator(std::unique_ptr<guesser> who, bool always) noexcept : guesser_(std::move(who)), always_(always) {}

  /// Processes what is not processed yet, and guesses.
  /// @param   most  guesses, at most
  /// @errors  as transcript::process
  feed_outcome step(transcript& said, std::size_t most, const stop_token& cancel);
  /// What is said from here on is another text: nothing is learnt from guesses before.
  void begin_reply() noexcept { counted_ = known_ = 0; }

  struct counts {
    std::size_t steps = 0, guessed = 0, accepted = 0;
  };
  const counts& counted() const noexcept { return counts_; }

  /// One for a fork.
  result<std::unique_ptr<speculator>> try_fork() const;

 private:
  void learn(std::span<const token> said) noexcept;
  std::size_t guess(const transcript& said, std::size_t most);

  std::unique_ptr<guesser> guesser_;
  bool always_;
  guess_pace pace_;
  std::array<token_guess, most_guesses> guesses_{};
  std::size_t known_ = 0, checked_ = 0;  // of guesses_; checked ones come first
  std::size_t counted_ = 0;              // tokens that were said before them
  counts counts_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
