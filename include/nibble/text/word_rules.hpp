/// word_rule: what differs between the expressions that cut all of a text into words, in the manner of GPT-2, Llama 3 and
/// GPT-4o.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nibble/text/code_point.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Where an English contraction of any case goes: nowhere, (?i:'s|'t|...) in front of the other words, or behind a word of
/// letters.
enum class contractions : std::uint8_t { none, alone, behind };

/// What a word of letters is made of, each perhaps behind one character that is no newline, letter or number.
enum class word_letters : std::uint8_t {
  letters,    ///< \p{L}+
  marked,     ///< [\p{L}\p{M}]+
  spaced,     ///< (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+
  cased,      ///< [Upper]*[Lower]+|[Upper]+[Lower]* where letters without case and marks are both
  cased_han,  ///< the same without the script Han, whose characters make words of their own
};

/// An expression of this form, whose parts are tried in this order:
///   contraction | \p{Han}+ | [^\r\n\p{L}\p{N}]?letters | \p{N}{1,digits} | ?[^\s\p{L}\p{N}]+[tail]* | \s*[\r\n]+ |
///   \s+(?!\S)|\s+
struct word_rule {
  contractions contraction = contractions::alone;
  word_letters letters = word_letters::letters;
  int digits = 1;                  // 0: any number of them
  std::string_view tail = "\r\n";  // what stays with the signs in front of it
  bool tail_once = false;          // only one of these
};

/// [Upper]*[Lower]+ : the end, or `at` if there is no such word.
template <class Belongs>
std::size_t lower_word_end(std::string_view text, std::size_t at, Belongs belongs) noexcept {
  std::size_t end = at, behind_either = at;
  for (code_point c = code_point_at(text, end); belongs(c); c = code_point_at(text, end)) {
    const letter_case kind = c.letter_case();
    if (kind == letter_case::lower) break;
    end += c.size;
    if (kind == letter_case::none) behind_either = end;
  }
  const std::size_t lower =
      run_end(text, end, [&](code_point c) { return belongs(c) && c.letter_case() != letter_case::upper; });
  return lower > end ? lower : behind_either;  // without one, the last that is both is the lower part
}

/// P?[Upper]*[Lower]+|P?[Upper]+[Lower]* of characters that belong; P is [^\r\n\p{L}\p{N}]. `at` if there is no such word.
template <class Belongs>
std::size_t cased_word_end(std::string_view text, std::size_t at, Belongs belongs) noexcept {
  const code_point first = code_point_at(text, at);
  const bool prefix = !first.is_letter() && !first.is_number() && !first.is_newline();
  const std::size_t begin = prefix ? at + first.size : at;
  if (const std::size_t end = lower_word_end(text, begin, belongs); end > begin) return end;
  if (first.is(char_class::mark) && belongs(first)) return lower_word_end(text, at, belongs);
  const std::size_t end = run_end(text, begin, belongs);
  return end > begin ? end : at;
}

/// The end of a word of letters, or `at` if there is none.
template <word_letters Letters>
std::size_t letters_end(std::string_view text, std::size_t at, code_point first) noexcept {
  if constexpr (Letters == word_letters::cased) {
    return cased_word_end(text, at, [](code_point c) { return c.is_mark_or_letter(); });
  } else if constexpr (Letters == word_letters::cased_han) {
    return cased_word_end(text, at, [](code_point c) { return c.is_mark_or_letter() && !is_han(c.code); });
  } else {
    constexpr auto begins = [](code_point c) {
      return Letters == word_letters::marked ? c.is_mark_or_letter() : c.is_letter();
    };
    std::size_t begin = at;
    if (!begins(first) || (Letters == word_letters::marked && !first.is_letter())) {
      if (first.is_number() || first.is_newline()) return at;
      if (begins(code_point_at(text, at + first.size)))
        begin = at + first.size;
      else if (!begins(first))
        return at;
    }
    if constexpr (Letters != word_letters::spaced) return run_end(text, begin, begins);
    std::size_t end = run_end(text, begin, [](code_point c) { return c.is_mark_or_letter(); });
    while (end < text.size() && text[end] == ' ' && code_point_at(text, end + 1).is_letter())
      end = run_end(text, end + 1, [](code_point c) { return c.is_mark_or_letter(); });
    return end;
  }
}

/// The end of the word at `at` by a rule.
template <const word_rule& Rule>
std::size_t word_end(std::string_view text, std::size_t at) noexcept {
  if constexpr (Rule.contraction == contractions::alone)
    if (const std::size_t size = contraction(text, at, true)) return at + size;
  const code_point first = code_point_at(text, at);
  if constexpr (Rule.letters == word_letters::cased_han)
    if (is_han(first.code)) return run_end(text, at, [](code_point c) { return is_han(c.code); });
  if (const std::size_t end = letters_end<Rule.letters>(text, at, first); end > at)
    return Rule.contraction == contractions::behind ? end + contraction(text, end, true) : end;
  if (first.is_number()) {
    for (int n = 0; (Rule.digits == 0 || n < Rule.digits) && code_point_at(text, at).is_number(); ++n)
      at += code_point_at(text, at).size;
    return at;
  }
  const auto is_sign = [](code_point c) {
    return c.is_sign() && !(Rule.letters == word_letters::marked && c.is(char_class::mark));
  };
  if (is_sign(first) || (first.ascii == ' ' && is_sign(code_point_at(text, at + 1)))) {
    std::size_t end = run_end(text, at + first.size, is_sign);
    while (end < text.size() && Rule.tail.find(text[end]) != Rule.tail.npos) {
      ++end;
      if constexpr (Rule.tail_once) break;
    }
    return end;
  }
  return newlines_or_whitespace_end(text, at);
}

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
inline std::size_t gpt2_word_end(std::string_view text, std::size_t at) noexcept {
  if (const std::size_t size = contraction(text, at, false)) return at + size;
  code_point c = code_point_at(text, at);
  std::size_t begin = at;
  if (c.ascii == ' ') {
    const code_point next = code_point_at(text, at + 1);
    if (next && next.kind != char_class::whitespace) {
      c = next;
      begin = at + 1;
    }
  }
  if (c.is_whitespace()) return whitespace_end(text, at);
  if (c.is_sign()) return run_end(text, begin, [](code_point n) { return n.is_sign(); });
  return run_end(text, begin, [kind = c.kind](code_point n) { return n.kind == kind; });
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
