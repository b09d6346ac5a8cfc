/// margin: the whitespace at the ends of a text, as chat templates cut it.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Bytes of the whitespace character that a text begins (or ends) with, or 0.
/// @source  Python's str.isspace, which Jinja's trim follows
inline std::size_t margin(std::string_view text, bool end) noexcept {
  const auto has = [&](std::string_view space) { return end ? text.ends_with(space) : text.starts_with(space); };
  constexpr std::string_view ascii = " \t\n\v\f\r\x1C\x1D\x1E\x1F";
  if (text.empty()) return 0;
  if (ascii.find(end ? text.back() : text.front()) != ascii.npos) return 1;
  for (const std::string_view space :
       {"\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
        "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"})
    if (has(space)) return space.size();
  return 0;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
