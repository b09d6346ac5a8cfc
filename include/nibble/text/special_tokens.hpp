/// special_tokens: the control and user-defined tokens, which are found in a text as they are written, before any merging.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A set of texts, each with its token, in one piece of memory.
///
/// Looking for a match costs at most the longest special token at each place of a text, and one load where none begins with
/// that byte.
class special_tokens {
 public:
  /// None may be longer: it bounds the work that a hostile vocabulary can ask for at each byte of a text.
  static constexpr std::size_t longest = 1024;

  struct match {
    token id;
    std::size_t begin, size;
  };

  /// @errors  precondition: text is not empty, at most `longest` bytes; add() only before finish()
  void add(std::string_view text, token id);

  /// Sorts what was added.
  /// @return  a token whose text another one has too, or nothing
  std::optional<token> finish();

  bool empty() const noexcept { return entries_.empty(); }

  /// The token that is written exactly so.
  std::optional<token> find(std::string_view text) const noexcept;

  /// The first special token at or behind `at`: the leftmost, and the longest one there.
  std::optional<match> next(std::string_view text, std::size_t at) const noexcept;

 private:
  struct entry {
    std::uint32_t begin, size;
    token id;
  };
  std::string_view text_of(const entry& e) const noexcept { return std::string_view(arena_).substr(e.begin, e.size); }

  /// Narrows the sorted entries to those that go on like the text, byte by byte; the shortest of them always stands first.
  std::optional<match> longest_at(std::string_view text, std::size_t at) const noexcept;

  std::string arena_;
  std::vector<entry> entries_;
  std::array<bool, 256> begins_{};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
