/// stop_filter: keeps stop strings, and whatever may be the beginning of one, out of streamed text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Text goes in piece by piece and comes out as soon as it is certain not to belong to a stop string.
///
/// The stop string that ends first wins; of those that end together, the longest. It is dropped, and what follows it too.
/// @example  nibble::stop_filter filter(stops);       // {"\nUser:"}
///           out << filter.feed("Hello.\nUs");        // "Hello."
///           out << filter.feed("e this:\nUser: x");  // "\nUse this:"
///           filter.stopped();                        // true
/// @cost     O(bytes * stop strings) over all pieces together, however the text repeats; allocates nothing once pieces and
///           stop strings fit into what was allocated at first
/// @source   Knuth, Morris and Pratt 1977, one automaton a stop string
class stop_filter {
 public:
  stop_filter() = default;
  /// Copies the stop strings; empty ones do not count.
  explicit stop_filter(std::span<const std::string> stops) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.empty()) continue;
      patterns_.emplace_back(stop);
      longest = std::max(longest, stop.size());
    }
    if (!patterns_.empty()) text_.reserve(longest + 1024);
  }

  /// The text that became certain with this piece. @returns a view that is valid until the next call, or as long as `piece`
  std::string_view feed(std::string_view piece) {
    if (stopped_) return {};
    if (patterns_.empty()) return piece;
    text_.erase(0, released_).append(piece);  // what was held back, then the piece
    released_ = 0;
    for (std::size_t i = text_.size() - piece.size(); i < text_.size(); ++i) {
      std::size_t matched = 0;
      for (pattern& p : patterns_)
        if (p.advance(text_[i])) matched = std::max(matched, p.text.size());
      if (matched == 0) continue;
      stopped_ = true;
      stop_.assign(text_, i + 1 - matched, matched);
      text_.resize(i + 1 - matched);
      released_ = text_.size();
      return text_;
    }
    std::size_t held = 0;
    for (const pattern& p : patterns_) held = std::max(held, p.matched);
    released_ = text_.size() - held;
    return std::string_view(text_).substr(0, released_);
  }

  /// The end of the text: what was held back after all.
  std::string_view flush() {
    if (stopped_ || patterns_.empty()) return {};
    const std::size_t first = released_;
    released_ = text_.size();
    for (pattern& p : patterns_) p.matched = 0;
    return std::string_view(text_).substr(first);
  }

  /// True once a stop string came: from then on nothing comes out.
  bool stopped() const noexcept { return stopped_; }
  /// Which one it was.
  std::string_view stop() const noexcept { return stop_; }

  /// Ready for another text.
  void reset() noexcept {
    text_.clear();
    stop_.clear();
    released_ = 0;
    stopped_ = false;
    for (pattern& p : patterns_) p.matched = 0;
  }

 private:
  /// How much of one stop string the text ends with.
  struct pattern {
    explicit pattern(std::string_view stop) : text(stop), border(stop.size(), 0) {
      for (std::size_t i = 1, k = 0; i < text.size(); ++i) {
        while (k > 0 && text[i] != text[k]) k = border[k - 1];
        border[i] = k += text[i] == text[k];
      }
    }
    bool advance(char c) noexcept {
      while (matched > 0 && text[matched] != c) matched = border[matched - 1];
      matched += text[matched] == c;
      return matched == text.size();
    }

    std::string text;
    std::vector<std::size_t> border;  // of each beginning: the longest shorter beginning that it ends with
    std::size_t matched = 0;
  };

  std::vector<pattern> patterns_;
  std::string text_, stop_;
  std::size_t released_ = 0;  // how much of text_ was handed out
  bool stopped_ = false;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
