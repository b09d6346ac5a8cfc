/// The definitions behind repetitions.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/sample/repetitions.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

void repetitions::reserve(std::size_t tokens) {
  tokens = std::min(tokens, most_tokens);
  lengths_.reserve(tokens + 1);
  table_.reserve(2 * std::bit_ceil(tokens));  // fits: of at most 2^18
}

void repetitions::find(std::span<const token> text, std::size_t least, std::size_t most) {
  measure(text);
  const std::size_t n = text.size();
  std::size_t found = 0;
  for (std::size_t k = 1; k <= n; ++k) found += std::min<std::size_t>(lengths_[k], most) >= least;
  count_ = 0;
  table_.clear();
  if (found == 0) return;
  table_.resize(2 * std::bit_ceil(found));  // fits: of no more than are in the text
  for (std::size_t k = 1; k <= n; ++k) {
    const auto length = static_cast<std::uint32_t>(std::min<std::size_t>(lengths_[k], most));
    const token follows = text[n - k];
    if (length < least || follows == no_token) continue;
    entry& e = table_[place_of(follows)];
    count_ += e.id == no_token;
    e = {follows, std::max(e.length, length)};
  }
}

bool repetitions::contains(token id, std::size_t& length) const noexcept {
  if (count_ == 0 || id == no_token) return false;
  const entry& e = table_[place_of(id)];
  length = e.length;
  return e.id == id;
}

/// The Z-algorithm, from the end of the text.
void repetitions::measure(std::span<const token> text) {
  const std::size_t n = text.size();
  lengths_.assign(n + 1, 0);
  const auto back = [&](std::size_t i) { return text[n - 1 - i]; };
  std::size_t left = 0, right = 0;  // text back [left, right) is known to be what back [0, right - left) is
  for (std::size_t k = 1; k < n; ++k) {
    std::size_t length = k < right ? std::min<std::size_t>(lengths_[k - left], right - k) : 0;
    if (k + length >= right)
      while (k + length < n && back(length) == back(k + length)) ++length;
    lengths_[k] = static_cast<std::uint32_t>(length);
    if (k + length > right) left = k, right = k + length;
  }
}

/// Where a token stands, or may be put.
std::size_t repetitions::place_of(token id) const noexcept {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = static_cast<std::uint32_t>(id) * 0x9e3779b1u >> (32 - std::bit_width(mask));
  while (table_[at].id != no_token && table_[at].id != id) at = (at + 1) & mask;
  return at;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
