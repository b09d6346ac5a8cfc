/// in_case: texts in upper and lower case, and what kinds of characters they are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/text/code_point.hpp"
#include "nibble/text/fold_tables.hpp"
#include "nibble/text/lowercase.hpp"
#include "nibble/text/template/traced_text.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// The inverse of lower_of: the first character whose lower case this is.
inline char32_t upper_of(char32_t code) noexcept {
  if (code < 0x80) return code >= 'a' && code <= 'z' ? code - 32 : code;
  if (code == 0xB5) return 0x39C;  // micro sign
  if (code == 0x17F) return 'S';   // long s
  if (code == 0x131) return 'I';   // without a dot
  for (const lowercase_run& run : lowercase_runs) {
    const std::int64_t source = static_cast<std::int64_t>(code) - run.delta;
    if (source >= run.first && source <= run.last && (source - run.first) % run.step == 0) return static_cast<char32_t>(source);
  }
  return code;
}

enum class casing : std::uint8_t { lower, upper, swapped, title, capital };

/// @cost    O(n), and a search in a table of 186 for a character beyond ASCII
/// @source  Python's str.lower, upper, swapcase, title and capitalize; of special cases only the sharp s is known
inline traced_text in_case(const traced_text& text, casing how) {
  traced_text out;
  bool inside = false;  // of a word; of the text, for a capital
  text.each_run(0, text.size(), [&](std::string_view run, origin from) {
    std::string written;
    for (std::size_t at = 0; at < run.size();) {
      const code_point c = code_point_at(run, at);
      const bool cased = c.letter_case() != letter_case::none;
      const bool up = how == casing::upper || (how == casing::swapped && c.letter_case() == letter_case::lower) ||
                      ((how == casing::title || how == casing::capital) && !inside);
      if (up && c.code == 0xDF)
        written += how == casing::upper || how == casing::swapped ? "SS" : "Ss";
      else if (c.size > 1 && c.code == 0)
        written += run.substr(at, c.size);
      else
        append_utf8(up ? upper_of(c.code) : lower_of(c.code), written);
      inside = how == casing::capital || cased;
      at += c.size;
    }
    out.append(written, from);
  });
  return out;
}

enum class text_kind : std::uint8_t { letters, digits, decimals, letters_and_digits, spaces, lower, upper, title, name };

/// @source  Python's str.isalpha, isdigit, isdecimal, isalnum, isspace, islower, isupper, istitle and isidentifier
inline bool is_of(std::string_view text, text_kind kind) noexcept {
  bool cased = false, inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const code_point c = code_point_at(text, at);
    const bool number = c.is_number(), letter = c.is_letter();
    const letter_case letters = c.letter_case();
    bool fits = true;
    switch (kind) {
      case text_kind::letters:
        fits = letter;
        break;
      case text_kind::decimals:
        fits = is_decimal(c.code);
        break;
      case text_kind::digits:
        fits = is_decimal(c.code) || c.code == 0xB2 || c.code == 0xB3 || c.code == 0xB9 ||
               (c.code >= 0x2070 && c.code <= 0x2089 && number);
        break;
      case text_kind::letters_and_digits:
        fits = letter || number;
        break;
      case text_kind::spaces:
        fits = c.is_whitespace() || (c.code >= 0x1C && c.code <= 0x1F);
        break;
      case text_kind::lower:
        fits = letters != letter_case::upper;
        break;
      case text_kind::upper:
        fits = letters != letter_case::lower;
        break;
      case text_kind::title:
        fits = letters == letter_case::none || (letters == letter_case::upper) != inside;
        break;
      case text_kind::name:
        fits = letter || c.ascii == '_' || (at > 0 && (number || c.is(char_class::mark)));
        break;
    }
    if (!fits) return false;
    inside = letters != letter_case::none;
    cased = cased || inside;
    at += c.size;
  }
  const bool wants_case = kind == text_kind::lower || kind == text_kind::upper || kind == text_kind::title;
  return wants_case ? cased : !text.empty();
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
