/// The definitions behind special_tokens.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>

#include "nibble/text/special_tokens.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

void special_tokens::add(std::string_view text, token id) {
  entries_.push_back({static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(text.size()), id});
  arena_ += text;
}

std::optional<token> special_tokens::finish() {
  std::sort(entries_.begin(), entries_.end(), [this](const entry& a, const entry& b) {
    return text_of(a) < text_of(b) || (text_of(a) == text_of(b) && a.id < b.id);
  });
  for (const entry& e : entries_) begins_[static_cast<unsigned char>(arena_[e.begin])] = true;
  for (std::size_t i = 1; i < entries_.size(); ++i)
    if (text_of(entries_[i]) == text_of(entries_[i - 1])) return entries_[i].id;
  return std::nullopt;
}

std::optional<token> special_tokens::find(std::string_view text) const noexcept {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), text,
                                   [this](const entry& e, std::string_view wanted) { return text_of(e) < wanted; });
  if (at == entries_.end() || text_of(*at) != text) return std::nullopt;
  return at->id;
}

std::optional<special_tokens::match> special_tokens::next(std::string_view text, std::size_t at) const noexcept {
  if (entries_.empty()) return std::nullopt;
  for (; at < text.size(); ++at) {
    if (!begins_[static_cast<unsigned char>(text[at])]) continue;
    if (const auto found = longest_at(text, at)) return found;
  }
  return std::nullopt;
}

std::optional<special_tokens::match> special_tokens::longest_at(std::string_view text, std::size_t at) const noexcept {
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

}  // namespace NIBBLE_ABI
}  // namespace nibble
