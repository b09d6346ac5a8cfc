/// The definitions behind sequence_breakers.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "nibble/sample/sequence_breakers.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

sequence_breakers::sequence_breakers(std::vector<std::vector<token>> sequences) : sequences_(std::move(sequences)) {
  constexpr token beyond = token{1} << 23;  // of any vocabulary
  for (std::vector<token>& s : sequences_)
    if (s.size() > most_tokens) s.resize(most_tokens);
  std::erase_if(sequences_, [](const std::vector<token>& s) {
    return s.empty() || std::any_of(s.begin(), s.end(), [](token id) { return id < 0 || id >= beyond; });
  });
  std::sort(sequences_.begin(), sequences_.end());
  sequences_.erase(std::unique(sequences_.begin(), sequences_.end()), sequences_.end());
  if (sequences_.empty()) return;
  begins_.resize(static_cast<std::size_t>(sequences_.back().front()) + 1);  // fits: below 2^23
  for (const std::vector<token>& s : sequences_) begins_[static_cast<std::size_t>(s.front())] = true;
}

bool sequence_breakers::contains(token id) const noexcept {
  return may_begin(id) && that_begin(id).front().size() == 1;  // the shortest one is the first
}

std::size_t sequence_breakers::tokens_behind(std::span<const token> text) const noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::span<const token> end = text.last(i + 1);
    if (!may_begin(end.front())) continue;
    std::size_t longest = 0;
    for (const std::vector<token>& s : that_begin(end.front()))
      if (s.size() <= end.size() && std::equal(s.begin(), s.end(), end.begin())) longest = std::max(longest, s.size());
    if (longest > 0) return end.size() - longest;
  }
  return text.size();
}

std::span<const std::vector<token>> sequence_breakers::that_begin(token id) const noexcept {
  const auto before = [](const std::vector<token>& s, token first) { return s.front() < first; };
  const auto after = [](token first, const std::vector<token>& s) { return first < s.front(); };
  const auto first = std::lower_bound(sequences_.begin(), sequences_.end(), id, before);
  const auto last = std::upper_bound(first, sequences_.end(), id, after);
  return std::span(sequences_).subspan(std::size_t(first - sequences_.begin()), std::size_t(last - first));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
