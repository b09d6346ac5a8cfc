/// margin: the whitespace at the ends of a text, as chat templates cut it.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Whether a character of several bytes is whitespace.
inline bool is_wide_space(std::string_view c) noexcept {
  if (c.size() == 2) return c == "\u0085" || c == "\u00A0";
  const auto last = static_cast<unsigned char>(c.back());
  if (c.starts_with("\xE2\x80")) return (last >= 0x80 && last <= 0x8A) || last == 0xA8 || last == 0xA9 || last == 0xAF;
  return c == "\u1680" || c == "\u205F" || c == "\u3000";
}

/// Bytes of the whitespace character that a text begins (or ends) with, or 0.
/// @source  Python's str.isspace, which Jinja's trim follows
inline std::size_t margin(std::string_view text, bool end) noexcept {
  if (text.empty()) return 0;
  const auto c = static_cast<unsigned char>(end ? text.back() : text.front());
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F) ? 1 : 0;
  for (std::size_t size = 2; size <= 3 && size <= text.size(); ++size)
    if (is_wide_space(end ? text.substr(text.size() - size) : text.substr(0, size))) return size;
  return 0;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
