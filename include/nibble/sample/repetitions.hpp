/// repetitions: which tokens would go on with what a text has said before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// For each token that follows an earlier place at which the last tokens of a text stand: how many tokens those are, at most.
///
///     a b c d ... x b c      d would go on with "b c": 2
///
/// @cost  O(text), whatever it says; 20 to 36 bytes for each token of the longest text
class repetitions {
 public:
  static constexpr std::size_t most_tokens = std::size_t{1} << 18;

  /// Takes memory for texts of so many tokens, once; at most for most_tokens.
  void reserve(std::size_t tokens);
  /// Looks for repetitions of at least `least` tokens; longer ones than `most` count as `most`.
  void find(std::span<const token> text, std::size_t least, std::size_t most);

  bool empty() const noexcept { return count_ == 0; }
  /// True if the token would go on with a repetition; its length goes to `length`.
  bool contains(token id, std::size_t& length) const noexcept;
  /// Calls f(token, length) for each.
  template <class F>
  void for_each(F f) const {
    for (const entry& e : table_)
      if (e.id != no_token) f(e.id, std::size_t{e.length});
  }

 private:
  struct entry {
    token id = no_token;
    std::uint32_t length = 0;
  };
  void measure(std::span<const token> text);
  std::size_t place_of(token id) const noexcept;

  std::vector<std::uint32_t> lengths_;  // at k: what the text and the text without its last k tokens both end with
  std::vector<entry> table_;            // by token, with gaps
  std::size_t count_ = 0;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
