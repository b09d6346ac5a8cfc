/// Stages that take some of a text out: what they match stands alone, and so does what lies between two matches.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nibble/text/code_point.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Code points from the first to the last.
struct code_range {
  char32_t first, last;
};

/// Ranges in ascending order.
template <const auto& Ranges>
bool is_in(code_point c) noexcept {
  const auto behind = std::upper_bound(Ranges.begin(), Ranges.end(), c.code,
                                       [](char32_t code, const code_range& range) { return code < range.first; });
  return c && behind != Ranges.begin() && c.code <= (behind - 1)->last;
}

inline bool is_number(code_point c) noexcept { return c.is_number(); }
inline bool is_letter(code_point c) noexcept { return c.is_letter(); }
inline bool is_punctuation(code_point c) noexcept { return c.is(char_class::punctuation); }
inline bool is_line_feed(code_point c) noexcept { return c.ascii == '\n'; }
inline bool is_newline(code_point c) noexcept { return c.is_newline(); }
inline bool is_ascii_sign(code_point c) noexcept { return c.ascii != 0 && c.is_punctuation_or_symbol(); }

/// [Is]{1,Most}, or [Is]+ where Most is 0.
template <auto Is, std::size_t Most = 0>
std::size_t runs(std::string_view text, std::size_t at) noexcept {
  code_point c = code_point_at(text, at);
  const bool inside = Is(c);
  for (std::size_t n = 0; c && Is(c) == inside && !(inside && Most > 0 && n == Most); ++n) {
    at += c.size;
    c = code_point_at(text, at);
  }
  return at;
}

/// `Match` gives the end of a match that begins at a place, or the place itself.
template <auto Match>
std::size_t isolated(std::string_view text, std::size_t at) noexcept {
  if (const std::size_t end = Match(text, at); end > at) return end;
  do at += code_point_at(text, at).size;
  while (at < text.size() && Match(text, at) == at);
  return at;
}

/// Before?[Is]+
template <auto Before, auto Is>
std::size_t run_behind(std::string_view text, std::size_t at) noexcept {
  const code_point first = code_point_at(text, at);
  if (Before(first))
    if (const std::size_t end = run_end(text, at + first.size, Is); end > at + first.size) return end;
  return run_end(text, at, Is);
}

inline bool is_any_space(code_point c) noexcept { return c.is_whitespace(); }
inline bool is_one_space(code_point c) noexcept { return c.ascii == ' '; }

/// [\p{P}$+<=>^~|]
inline bool is_punctuation_run(code_point c) noexcept {
  constexpr std::string_view also = "$+<=>^~|";
  return is_punctuation(c) || (c.ascii != 0 && also.find(c.ascii) != also.npos);
}
/// The same with `
inline bool is_falcon_punctuation(code_point c) noexcept { return c.ascii == '`' || is_punctuation_run(c); }
/// [\p{P}!-/:-@\[-`{-~]
inline bool is_chameleon_punctuation(code_point c) noexcept { return is_punctuation(c) || is_ascii_sign(c); }
/// [^(\s|.,!?…。，、।۔،)]
inline bool is_bloom_letter(code_point c) noexcept {
  constexpr std::u32string_view others = U"(|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)";
  return c && !c.is_whitespace() && others.find(c.code) == others.npos;
}

/// [0-9][0-9][0-9]
inline std::size_t three_digits(std::string_view text, std::size_t at) noexcept {
  const auto digit = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  return digit(at) && digit(at + 1) && digit(at + 2) ? at + 3 : at;
}

/// \s+$
inline std::size_t space_at_end(std::string_view text, std::size_t at) noexcept {
  std::size_t end = at;
  for (std::size_t i = at; i < text.size();) {
    const code_point c = code_point_at(text, i);
    i += c.size;
    if (!c.is_whitespace()) end = i;
  }
  return end > at ? end : text.size();
}

/// <sentinel:[0-9]+>
inline std::size_t sentinel(std::string_view text, std::size_t at) noexcept {
  constexpr std::string_view begin = "<sentinel:";
  if (!text.substr(at).starts_with(begin)) return at;
  std::size_t end = at + begin.size();
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  return end > at + begin.size() && end < text.size() && text[end] == '>' ? end + 1 : at;
}

/// IMGIMG[A-I]{1,4}Z
inline std::size_t image_token(std::string_view text, std::size_t at) noexcept {
  constexpr std::string_view begin = "IMGIMG";
  if (!text.substr(at).starts_with(begin)) return at;
  std::size_t end = at + begin.size();
  for (int n = 0; n < 4 && end < text.size() && text[end] >= 'A' && text[end] <= 'I'; ++n) ++end;
  return end > at + begin.size() && end < text.size() && text[end] == 'Z' ? end + 1 : at;
}

/// [\t\n]|    |  (four spaces, or two)
inline std::size_t indentation(std::string_view text, std::size_t at) noexcept {
  if (text[at] == '\t' || text[at] == '\n') return at + 1;
  for (const std::string_view spaces : {"    ", "  "})
    if (text.substr(at).starts_with(spaces)) return at + spaces.size();
  return at;
}

/// \s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s in
/// words of whitespace without a newline at the end; others stay whole.
inline std::size_t whitespace_powers(std::string_view text, std::size_t at) noexcept {
  if (text.back() == '\n' || text.back() == '\r') return text.size();
  std::array<std::size_t, 513> ends{};  // behind so many characters
  std::size_t n = 0;
  for (std::size_t end = at; n < 512; ends[++n] = end) {
    const code_point c = code_point_at(text, end);
    if (!c.is_whitespace()) break;
    end += c.size;
  }
  if (n == 0 || (n < 512 && ends[n] < text.size())) return text.size();  // no whitespace, or that in front of a word
  std::size_t power = 512;
  while (power > n) power /= 2;
  return ends[power];
}

/// [!-~ signs][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ : the first parts of DeepSeek V3's expression.
inline std::size_t deepseek_letters(std::string_view text, std::size_t at) noexcept {
  const auto belongs = [](code_point c) { return c.is_mark_or_letter(); };
  const code_point first = code_point_at(text, at);
  const code_point second = code_point_at(text, at + first.size);
  if (is_ascii_sign(first) && second.is_ascii_letter())
    return run_end(text, at + 1, [](code_point c) { return c.is_ascii_letter(); });
  if (belongs(first)) return run_end(text, at, belongs);
  const bool prefix = !first.is_newline() && !first.is_punctuation_or_symbol();
  return prefix && belongs(second) ? run_end(text, at + first.size, belongs) : at;
}

/// ?[\p{P}\p{S}]+
inline std::size_t deepseek_signs(std::string_view text, std::size_t at) noexcept {
  return run_behind<is_one_space, [](code_point c) { return c.is_punctuation_or_symbol(); }>(text, at);
}

/// Letters, then signs with the newlines behind them, then \s*[\r\n]+|\s+(?!\S)|\s+ ; other characters match nothing.
inline std::size_t deepseek_word(std::string_view text, std::size_t at) noexcept {
  if (const std::size_t end = deepseek_letters(text, at); end > at) return end;
  if (const std::size_t end = deepseek_signs(text, at); end > at) return run_end(text, end, is_newline);
  return newlines_or_whitespace_end(text, at);
}

/// The same with [\r\n] alone, wherever it stands.
inline std::size_t spark_word(std::string_view text, std::size_t at) noexcept {
  if (const std::size_t end = deepseek_letters(text, at); end > at) return end;
  if (const std::size_t end = deepseek_signs(text, at); end > at) return end;
  return is_newline(code_point_at(text, at)) ? at + 1 : whitespace_end(text, at);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
