/// Stages that cut long numbers into groups of three digits from the right: 1|234|567.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/text/code_point.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline bool is_any_number(code_point c) noexcept { return c.is_number(); }
inline bool is_decimal_digit(code_point c) noexcept { return c && is_decimal(c.code); }
/// \w but for letter numbers: letters, marks, decimal digits, connecting punctuation.
inline bool is_word_character(code_point c) noexcept {
  constexpr std::u32string_view connectors = U"_\u203F\u2040\u2054\uFE33\uFE34\uFE4D\uFE4E\uFE4F\uFF3F";
  return c && (c.is_mark_or_letter() || is_decimal(c.code) || (c.code != 0 && connectors.find(c.code) != connectors.npos));
}

/// Digits that stand together.
struct digit_run {
  std::size_t end;    ///< its end
  std::size_t count;  ///< in characters
  std::size_t first;  ///< the end of its first group, which has one digit, two or three
};

template <auto IsDigit>
digit_run digits_at(std::string_view text, std::size_t at) noexcept {
  digit_run run{at, 0, at};
  std::size_t ends[4] = {at, at, at, at};  // behind up to three characters
  for (code_point c = code_point_at(text, at); IsDigit(c); c = code_point_at(text, run.end)) {
    run.end += c.size;
    ++run.count;
    if (run.count < 4) ends[run.count] = run.end;
  }
  run.first = ends[run.count == 0 ? 0 : (run.count - 1) % 3 + 1];
  return run;
}

/// The character that ends at a place.
inline code_point code_point_before(std::string_view text, std::size_t at) noexcept {
  std::size_t begin = at;
  while (begin > 0 && at - begin < 4) {
    --begin;
    if ((static_cast<unsigned char>(text[begin]) & 0xC0) != 0x80) break;
  }
  const code_point c = begin < at ? code_point_at(text, begin) : code_point{};
  return begin + c.size == at ? c : code_point{};
}

/// Within a run of digits whose first group has been cut off: the end of the next group; else `at`.
template <auto IsDigit>
std::size_t next_group(std::string_view text, std::size_t at) noexcept {
  if (!IsDigit(code_point_before(text, at))) return at;
  for (int n = 0; n < 3 && IsDigit(code_point_at(text, at)); ++n) at += code_point_at(text, at).size;
  return at;
}

/// \d{1,3}(?=(?:\d{3})*\b) : the groups of numbers that no letter follows stand alone.
inline std::size_t groups_before_boundary(std::string_view text, std::size_t at) noexcept {
  if (const std::size_t end = next_group<is_decimal_digit>(text, at); end > at) return end;
  for (const std::size_t begin = at; at < text.size();) {
    const code_point c = code_point_at(text, at);
    if (!is_decimal_digit(c)) {
      at += c.size;
      continue;
    }
    const digit_run run = digits_at<is_decimal_digit>(text, at);
    if (!is_word_character(code_point_at(text, run.end))) return at > begin ? at : run.first;
    at = run.end;
  }
  return at;
}

/// \P{N}*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})) : the first group of a number stays with the text in front of it.
inline std::size_t groups_with_text(std::string_view text, std::size_t at) noexcept {
  if (const std::size_t end = next_group<is_any_number>(text, at); end > at) return end;
  at = run_end(text, at, [](code_point c) { return !c.is_number(); });
  return digits_at<is_any_number>(text, at).first;
}

/// A cut at each (?=(\d{3})+(?!\d)).
inline std::size_t cut_before_groups(std::string_view text, std::size_t at) noexcept {
  const std::size_t begin = at;
  if (begin > 0) {  // in front of a group: it and what follows up to the next one
    for (int n = 0; n < 3; ++n) at += code_point_at(text, at).size;
    if (is_decimal_digit(code_point_at(text, at))) return at;
  }
  while (at < text.size()) {
    at = run_end(text, at, [](code_point c) { return !is_decimal_digit(c); });
    const digit_run run = digits_at<is_decimal_digit>(text, at);
    if (run.count >= 3) {
      const std::size_t cut = run.count % 3 == 0 ? at : run.first;
      if (cut > begin) return cut;
      // The text begins with whole groups: the first one ends at the next.
      if (run.count > 3) return run.first;
    }
    at = run.end;
  }
  return text.size();
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
