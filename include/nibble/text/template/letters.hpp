/// in_case: texts in upper and lower case, and what kinds of characters they are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/config.hpp"
#include "nibble/text/case_tables.hpp"
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
  for (const lowercase_run& run : lowercase_runs) {
    const std::int64_t source = static_cast<std::int64_t>(code) - run.delta;
    if (source >= run.first && source <= run.last && (source - run.first) % run.step == 0) return static_cast<char32_t>(source);
  }
  return code;
}
inline const special_case* find_special(char32_t code) noexcept {
  const auto* known =
      std::partition_point(special_cases.begin(), special_cases.end(), [&](const special_case& s) { return s.code < code; });
  return known != special_cases.end() && known->code == code ? known : nullptr;
}

/// What a letter becomes: `title` is the first one of a word.
enum class letter_form : std::uint8_t { lower, upper, title, folded };

inline char32_t in_form(char32_t code, letter_form form) noexcept {
  const auto between = [code](char32_t first, char32_t last) { return code >= first && code <= last; };
  if (form == letter_form::title && between(0x10D0, 0x10FF)) return code;   // Georgian has no such letters
  if (form == letter_form::folded && between(0x13A0, 0x13F5)) return code;  // Cherokee is folded to upper case
  if (form == letter_form::folded && (between(0x13F8, 0x13FD) || between(0xAB70, 0xABBF))) return upper_of(code);
  return form == letter_form::lower || form == letter_form::folded ? lower_of(code) : upper_of(code);
}
inline void append_letter(char32_t code, letter_form form, std::string& out) {
  const special_case* special = code < 0x80 ? nullptr : find_special(code);
  if (!special || (form == letter_form::lower && code != 0x130)) return append_utf8(in_form(code, form), out);
  for (const char16_t c : form == letter_form::upper   ? special->upper
                          : form == letter_form::title ? special->title
                                                       : special->folded)
    if (c) append_utf8(c, out);
}

enum class casing : std::uint8_t { lower, upper, swapped, title, capital, folded };

/// Whether a capital sigma ends a word, and so has a lower case of its own.
/// @param end  where it ends in the text
inline bool is_final_sigma(char32_t code, bool behind_letter, std::string_view text, std::size_t end) noexcept {
  if (code != 0x3A3 || !behind_letter) return false;
  return end == text.size() || code_point_at(text, end).letter_case() == letter_case::none;
}

/// @cost    O(n), and searches in tables of 330 for a character beyond ASCII
/// @source  Python's str.lower, upper, swapcase, title, capitalize and casefold
inline traced_text in_case(const traced_text& text, casing how) {
  traced_text out;
  bool inside = false, behind_letter = false;  // of a word, or of the text, for a capital
  text.each_run(0, text.size(), [&](std::string_view run, origin from) {
    const std::size_t begin = static_cast<std::size_t>(run.data() - text.view().data());
    std::string written;
    for (std::size_t at = 0; at < run.size();) {
      const code_point c = code_point_at(run, at);
      const letter_case is = c.letter_case();
      const bool first = (how == casing::title || how == casing::capital) && !inside;
      const bool up = how == casing::upper || (how == casing::swapped && is == letter_case::lower);
      const letter_form form = how == casing::folded ? letter_form::folded
                               : first               ? letter_form::title
                               : up                  ? letter_form::upper
                                                     : letter_form::lower;
      at += c.size;
      if (c.size > 1 && c.code == 0)
        written += run.substr(at - c.size, c.size);
      else if (form == letter_form::lower && is_final_sigma(c.code, behind_letter, text.view(), begin + at))
        append_utf8(0x3C2, written);
      else
        append_letter(c.code, form, written);
      behind_letter = is != letter_case::none;
      inside = how == casing::capital || behind_letter;
    }
    out.append(written, from);
  });
  return out;
}

enum class text_kind : std::uint8_t {
  letters,
  digits,
  decimals,
  numbers,
  letters_and_digits,
  spaces,
  lower,
  upper,
  title,
  name
};

template <class Runs>
bool is_among(const Runs& runs, char32_t code) noexcept {
  const auto* run = std::partition_point(runs.begin(), runs.end(), [&](const code_run& r) { return r.last < code; });
  return run != runs.end() && code >= run->first;
}

/// Whether a character may stand in a text of a kind.
/// @param first   of the text
/// @param inside  behind a letter that has a case
inline bool fits(const code_point& c, text_kind kind, bool first, bool inside) noexcept {
  const letter_case is = c.letter_case();
  const bool number = c.is_number() || is_among(ideographic_numbers, c.code);
  switch (kind) {
    case text_kind::letters:
      return c.is_letter();
    case text_kind::decimals:
      return is_decimal(c.code);
    case text_kind::digits:
      return is_decimal(c.code) || is_among(digit_runs, c.code);
    case text_kind::numbers:
      return number;
    case text_kind::letters_and_digits:
      return c.is_letter() || number;
    case text_kind::spaces:
      return c.is_whitespace() || (c.code >= 0x1C && c.code <= 0x1F);
    case text_kind::lower:
      return is != letter_case::upper;
    case text_kind::upper:
      return is != letter_case::lower;
    case text_kind::title:
      return is == letter_case::none || (is == letter_case::upper) != inside;
    default:
      return c.is_letter() || c.ascii == '_' || (!first && (c.is_number() || c.is(char_class::mark)));
  }
}

/// @source  Python's str.isalpha, isdigit, isdecimal, isnumeric, isalnum, isspace, islower, isupper, istitle and isidentifier
inline bool is_of(std::string_view text, text_kind kind) noexcept {
  bool cased = false, inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const code_point c = code_point_at(text, at);
    if (!fits(c, kind, at == 0, inside)) return false;
    inside = c.letter_case() != letter_case::none;
    cased = cased || inside;
    at += c.size;
  }
  const bool wants_case = kind == text_kind::lower || kind == text_kind::upper || kind == text_kind::title;
  return wants_case ? cased : !text.empty();
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
