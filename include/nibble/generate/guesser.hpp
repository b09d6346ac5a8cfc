/// guesser: who guesses the next tokens of a session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/tensor/scratch.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A token that may come, and how sure its guesser is: a kind of guesses whose luck is counted apart.
struct token_guess {
  static constexpr std::size_t kinds = 8;
  token id = no_token;
  std::uint8_t sureness = 0;  ///< less than kinds
};

/// What a model has computed behind some tokens that follow each other: row i behind the first `behind` + i.
struct hidden_states {
  activations rows = {};
  std::size_t behind = 0;
};

struct guesser {
  virtual ~guesser() = default;
  /// Whether guesses cost next to nothing: they are made where they are not checked, too, so that their luck is known.
  virtual bool is_free() const noexcept = 0;
  /// Guesses what comes behind `said`, one token after the other. It may be another text than in the call before.
  /// @param   hidden  those of the last step, where guessing::wants_hidden
  /// @returns how many of `out` it has guessed
  /// @errors  what an executor throws: it may be called again
  virtual std::size_t guess(std::span<const token> said, const hidden_states& hidden, std::span<token_guess> out) = 0;
  /// One for a fork of the session.
  virtual result<std::unique_ptr<guesser>> try_fork() const = 0;
};

/// Whether an option of a kind of guessing is in its range.
/// @errors  invalid_argument
inline result<void> check_in_range(std::string_view name, std::size_t found, std::size_t most) {
  if (found > 0 && found <= most) return {};
  return error(errc::invalid_argument,
               std::string(name) + ": expected 1 to " + std::to_string(most) + ", found " + std::to_string(found));
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
