/// code_point: a character as the pre-tokenizers see it, and the runs of characters that words are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nibble/text/unicode.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A character of a text. Size 0: the text ends here.
struct code_point {
  char_class kind = char_class::other;
  std::uint8_t size = 0;
  char ascii = 0;  // itself, or 0
  char32_t code = 0;

  explicit operator bool() const noexcept { return size > 0; }
  bool is(char_class wanted) const noexcept { return size > 0 && kind == wanted; }
  bool is_letter() const noexcept { return is(char_class::letter); }
  bool is_number() const noexcept { return is(char_class::number); }
  bool is_whitespace() const noexcept { return is(char_class::whitespace); }
  /// Neither whitespace nor letter nor number.
  bool is_sign() const noexcept { return size > 0 && !is_whitespace() && !is_letter() && !is_number(); }
  bool is_mark_or_letter() const noexcept { return is_letter() || is(char_class::mark); }
  bool is_punctuation_or_symbol() const noexcept { return is(char_class::punctuation) || is(char_class::symbol); }
  bool is_ascii_letter() const noexcept { return (ascii >= 'a' && ascii <= 'z') || (ascii >= 'A' && ascii <= 'Z'); }
  bool is_newline() const noexcept { return ascii == '\n' || ascii == '\r'; }
  nibble::letter_case letter_case() const noexcept { return case_of(code); }
};

inline code_point code_point_at(std::string_view text, std::size_t at) noexcept {
  if (at >= text.size()) return {};
  const char c = text[at];
  if (static_cast<unsigned char>(c) < 128)
    return {ascii_classes[static_cast<unsigned char>(c)], 1, c, static_cast<char32_t>(c)};
  const auto decoded = decode_utf8(text, at);
  if (decoded.kind != utf8_character::state::whole) return {char_class::other, decoded.size, 0, 0};
  return {class_of(decoded.code), decoded.size, 0, decoded.code};
}

/// The end of the run, from `at` on, of characters that `belongs` accepts.
template <class Belongs>
std::size_t run_end(std::string_view text, std::size_t at, Belongs belongs) noexcept {
  for (code_point c = code_point_at(text, at); c && belongs(c); c = code_point_at(text, at)) at += c.size;
  return at;
}

/// Bytes of an English contraction at the apostrophe at `at`: 's 't 're 've 'm 'll 'd; 0 if there is none. In any case, the
/// long s (U+017F) is an s: no other character of Unicode folds to one of these letters.
inline std::size_t contraction(std::string_view text, std::size_t at, bool any_case) noexcept {
  const auto letter = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  if (letter(at) != '\'') return 0;
  if (any_case && text.substr(at + 1, 2) == "\xC5\xBF") return 3;
  const char first = letter(at + 1), second = letter(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const bool pair = (second == 'e' && (first == 'r' || first == 'v')) || (first == 'l' && second == 'l');
  return pair ? 3 : 0;
}

/// \s+(?!\S)|\s+ : whitespace up to the end of the text is one word; before anything else its last character is left over,
/// unless it is alone.
inline std::size_t whitespace_end(std::string_view text, std::size_t at) noexcept {
  std::size_t last = at, end = at;
  for (code_point c = code_point_at(text, at); c.is_whitespace(); c = code_point_at(text, end)) {
    last = end;
    end += c.size;
  }
  return end < text.size() && last > at ? last : end;
}

/// \s*[\r\n]+|\s+(?!\S)|\s+
inline std::size_t newlines_or_whitespace_end(std::string_view text, std::size_t at) noexcept {
  std::size_t end = at, behind_newline = at;
  for (code_point c = code_point_at(text, at); c.is_whitespace(); c = code_point_at(text, end)) {
    end += c.size;
    if (c.is_newline()) behind_newline = end;
  }
  return behind_newline > at ? behind_newline : whitespace_end(text, at);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
