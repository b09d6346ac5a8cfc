/// The definitions behind stop_strings.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>

#include "nibble/generate/stop_strings.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

stop_filter::stop_filter(std::span<const std::string> stops) {
  std::size_t longest = 0;
  for (const std::string& stop : stops) {
    if (stop.empty()) continue;
    patterns_.emplace_back(stop);
    longest = std::max(longest, stop.size());
  }
  if (!patterns_.empty()) text_.reserve(longest + 1024);
}

std::string_view stop_filter::feed(std::string_view piece) {
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

std::string_view stop_filter::flush() {
  if (stopped_ || patterns_.empty()) return {};
  const std::size_t first = released_;
  released_ = text_.size();
  for (pattern& p : patterns_) p.matched = 0;
  return std::string_view(text_).substr(first);
}

void stop_filter::reset() noexcept {
  text_.clear();
  stop_.clear();
  released_ = 0;
  stopped_ = false;
  for (pattern& p : patterns_) p.matched = 0;
}

stop_filter::pattern::pattern(std::string_view stop) : text(stop), border(stop.size(), 0) {
  for (std::size_t i = 1, k = 0; i < text.size(); ++i) {
    while (k > 0 && text[i] != text[k]) k = border[k - 1];
    border[i] = k += text[i] == text[k];
  }
}

bool stop_filter::pattern::advance(char c) noexcept {
  while (matched > 0 && text[matched] != c) matched = border[matched - 1];
  matched += text[matched] == c;
  return matched == text.size();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
