/// speculation: that a session guesses tokens ahead of its model, which then checks all guesses in one step.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class any_model;
struct session_options;

/// Guesses of a step, at most.
inline constexpr std::size_t most_guesses = 31;

namespace detail {
struct guesser;

/// A way to guess, before there is a session.
struct guessing {
  virtual ~guessing() = default;
  /// Tokens that it guesses at once, at most.
  virtual std::size_t guesses() const noexcept = 0;
  /// All guesses are checked, whatever they cost.
  virtual bool always() const noexcept = 0;
  /// It looks at the model's hidden states: see session_options::keep_hidden.
  virtual bool wants_hidden() const noexcept { return false; }
  /// Bytes that it takes for a session of this model, and its forks.
  virtual std::size_t planned_bytes(const any_model& model, const session_options& o) const = 0;
  virtual result<std::unique_ptr<guesser>> try_make(const any_model& model, const session_options& o) const = 0;
};
}  // namespace detail

/// How a session guesses; empty: it does not. What it says is the same with it and without, to the bit: guesses only save
/// steps. See prompt_lookup, draft_model and draft_block.
class speculation {
 public:
  speculation() noexcept = default;
  /// What prompt_lookup and the others turn into.
  explicit speculation(std::shared_ptr<const detail::guessing> how) noexcept : how_(std::move(how)) {}

  explicit operator bool() const noexcept { return how_ != nullptr; }
  /// The way.
  const detail::guessing* operator->() const noexcept { return how_.get(); }

 private:
  std::shared_ptr<const detail::guessing> how_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
