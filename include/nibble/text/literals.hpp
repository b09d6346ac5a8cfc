/// literals: the tokens that are matched as they are written, before any merging: control and user-defined ones.
#pragma once

#include <algorithm>
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
/// Looking for a match costs at most the longest literal at each place of a text, and one load where no literal begins with
/// that byte.
class literals {
 public:
  /// No literal may be longer: it bounds the work that a hostile vocabulary can ask for at each byte of a text.
  static constexpr std::size_t longest = 1024;

  struct match {
    token id;
    std::size_t begin, size;
  };

  /// @errors  precondition: text is not empty, at most `longest` bytes; add() only before finish()
  void add(std::string_view text, token id) {
    entries_.push_back({static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(text.size()), id});
    arena_ += text;
  }

  /// Sorts what was added.
  /// @return  a token whose text another one has too, or nothing
  std::optional<token> finish() {
    std::sort(entries_.begin(), entries_.end(), [this](const entry& a, const entry& b) {
      return text_of(a) < text_of(b) || (text_of(a) == text_of(b) && a.id < b.id);
    });
    for (const entry& e : entries_) begins_[static_cast<unsigned char>(arena_[e.begin])] = true;
    for (std::size_t i = 1; i < entries_.size(); ++i)
      if (text_of(entries_[i]) == text_of(entries_[i - 1])) return entries_[i].id;
    return std::nullopt;
  }

  bool empty() const noexcept { return entries_.empty(); }

  /// The token that is written exactly so.
  std::optional<token> find(std::string_view text) const noexcept {
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), text,
                                     [this](const entry& e, std::string_view wanted) { return text_of(e) < wanted; });
    if (at == entries_.end() || text_of(*at) != text) return std::nullopt;
    return at->id;
  }

  /// The first literal at or behind `at`: the leftmost, and the longest one there.
  std::optional<match> next(std::string_view text, std::size_t at) const noexcept {
    if (entries_.empty()) return std::nullopt;
    for (; at < text.size(); ++at) {
      if (!begins_[static_cast<unsigned char>(text[at])]) continue;
      if (const auto found = longest_at(text, at)) return found;
    }
    return std::nullopt;
  }

 private:
  struct entry {
    std::uint32_t begin, size;
    token id;
  };
  std::string_view text_of(const entry& e) const noexcept { return std::string_view(arena_).substr(e.begin, e.size); }

  /// Narrows the sorted entries to those that go on like the text, byte by byte; the shortest of them always stands first.
  std::optional<match> longest_at(std::string_view text, std::size_t at) const noexcept {
    std::optional<match> best;
    auto low = entries_.begin(), high = entries_.end();
    for (std::size_t n = 0; at + n < text.size(); ++n) {
      const auto wanted = static_cast<unsigned char>(text[at + n]);
      const auto byte = [&](const entry& e) { return static_cast<unsigned char>(arena_[e.begin + n]); };
      low = std::partition_point(low, high, [&](const entry& e) { return byte(e) < wanted; });
      high = std::partition_point(low, high, [&](const entry& e) { return byte(e) == wanted; });
      if (low == high) break;
      if (low->size != n + 1) continue;
      best = match{low->id, at, n + 1};
      if (++low == high) break;
    }
    return best;
  }

  std::string arena_;
  std::vector<entry> entries_;
  std::array<bool, 256> begins_{};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
