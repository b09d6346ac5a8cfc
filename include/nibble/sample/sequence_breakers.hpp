/// sequence_breakers: short sequences of tokens at which a repetition ends: of what stands before them, nothing counts.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A set of sequences, found from their first token on. tokens_with() (text/spellings.hpp) makes those of a text.
/// @example  nibble::sequence_breakers breakers(nibble::tokens_with(model.tokenizer(), "\n"));
class sequence_breakers {
 public:
  static constexpr std::size_t most_tokens = 21;  ///< of a sequence; what is behind them is cut off

  sequence_breakers() noexcept = default;
  /// Empty sequences, and such with ids that are no tokens, are left out.
  /// @cost  O(n log n)
  explicit sequence_breakers(std::vector<std::vector<token>> sequences);

  bool empty() const noexcept { return sequences_.empty(); }
  std::size_t size() const noexcept { return sequences_.size(); }
  /// This token alone is one.
  bool contains(token id) const noexcept;
  /// How many tokens stand behind the last breaker in a text: all, if there is none. Of breakers that begin at one place, the
  /// longest counts.
  /// @cost  O(text)
  std::size_t tokens_behind(std::span<const token> text) const noexcept;

 private:
  bool may_begin(token id) const noexcept {
    return id >= 0 && static_cast<std::size_t>(id) < begins_.size() && begins_[static_cast<std::size_t>(id)];
  }
  std::span<const std::vector<token>> that_begin(token id) const noexcept;

  std::vector<std::vector<token>> sequences_;  // sorted, so that those with the same first token are together
  std::vector<bool> begins_;                   // by token
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
