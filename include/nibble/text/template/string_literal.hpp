/// append_literal: what a string of a template means, with the escapes of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Reads the digits of an escape.
/// @return  false where there are too few
inline bool take_digits(std::string_view text, std::size_t& at, int base, std::size_t least, std::size_t most,
                        std::uint32_t& code) {
  std::size_t count = 0;
  for (; count < most && at < text.size(); ++count, ++at) {
    const char c = text[at];
    const int lower = c | 0x20;
    const int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
    if (digit >= base) break;
    code = code * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  return count >= least;
}

/// Appends what a string with its quotes stands for.
/// @return  what is wrong with it, or nothing
/// @source  Python's string literals; \N is not known
inline std::string append_literal(std::string_view literal, std::string& out) {
  constexpr std::string_view letters = "\\'\"abfnrtv", meanings = "\\'\"\a\b\f\n\r\t\v";
  const std::string_view text = literal.substr(1, literal.size() - 2);
  std::uint32_t high = 0;  // the first half of a surrogate pair
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t escape = text.find('\\', at);
    if (high && escape != at) return "half of a surrogate pair in a string";
    out += text.substr(at, escape - at);
    if (escape == text.npos) break;
    at = escape + 2;
    const char c = text[escape + 1];
    std::uint32_t code = 0;
    const std::size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (width > 0) {
      if (!take_digits(text, at, 16, width, width, code)) return std::string("too few hexadecimal digits behind \\") + c;
    } else if (c >= '0' && c <= '7') {
      --at;
      static_cast<void>(take_digits(text, at, 8, 1, 3, code));
    } else {
      if (high) return "half of a surrogate pair in a string";
      if (c == 'N') return "names of characters (\\N) are not known here";
      if (const std::size_t known = letters.find(c); known != letters.npos)
        out += meanings[known];
      else if (c != '\n')
        out.append(text.substr(escape, 2));
      continue;
    }
    const bool second = code >= 0xDC00 && code < 0xE000;
    if (second != (high != 0) || code > 0x10FFFF) return "an escape in a string that is no character";
    if (second) code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00);
    high = code >= 0xD800 && code < 0xDC00 ? code : 0;
    if (!high) append_utf8(static_cast<char32_t>(code), out);
  }
  return high ? "half of a surrogate pair in a string" : std::string();
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
