/// The definitions behind pre_tokenizer.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nibble/text/pre_tokenizer.hpp"
#include "nibble/text/unicode.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A character as the scanners see it. Size 0: the text, or the segment, ends here.
struct code_point {
  char_class kind = char_class::other;
  std::uint8_t size = 0;
  char ascii = 0;  // itself, or 0
  char32_t code = 0;

  explicit operator bool() const noexcept { return size > 0; }
  bool is(char_class wanted) const noexcept { return size > 0 && kind == wanted; }
  /// Neither whitespace nor letter nor number.
  bool is_sign() const noexcept {
    return size > 0 && kind != char_class::whitespace && kind != char_class::letter && kind != char_class::number;
  }
  bool is_mark_or_letter() const noexcept { return is(char_class::letter) || is(char_class::mark); }
  nibble::letter_case letter_case() const noexcept { return case_of(code); }
  bool is_newline() const noexcept { return ascii == '\n' || ascii == '\r'; }
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

/// The end of the run, from `at` on, of code points that `belongs` accepts; `look(i)` is the code point at i.
template <class Look, class Belongs>
std::size_t run_end(std::size_t at, Look look, Belongs belongs) noexcept {
  for (code_point c = look(at); c && belongs(c); c = look(at)) at += c.size;
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

/// Whitespace up to the end of the segment is one word; before anything else its last character is left over, unless it is
/// alone.
template <class Look>
std::size_t whitespace_end(std::size_t at, Look look) noexcept {
  std::size_t last = at, end = at;
  for (code_point c = look(at); c.is(char_class::whitespace); c = look(end)) {
    last = end;
    end += c.size;
  }
  return look(end) && last > at ? last : end;
}

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ in a segment that ends where `look` says so.
template <class Look>
std::size_t gpt2_word_end(std::string_view text, std::size_t at, Look look) noexcept {
  if (const std::size_t size = contraction(text, at, false)) return at + size;
  code_point c = look(at);
  std::size_t begin = at;
  if (c.ascii == ' ') {
    const code_point next = look(at + 1);
    if (next && next.kind != char_class::whitespace) {
      c = next;
      begin = at + 1;
    }
  }
  if (c.is(char_class::whitespace)) return whitespace_end(at, look);
  if (c.is_sign()) return run_end(begin, look, [](code_point n) { return n.is_sign(); });
  return run_end(begin, look, [kind = c.kind](code_point n) { return n.kind == kind; });
}

inline std::size_t gpt2_split(std::string_view text, std::size_t at) noexcept {
  return gpt2_word_end(text, at, [text](std::size_t i) { return code_point_at(text, i); });
}

/// Every number character alone; between them the rule of GPT-2, each stretch by itself.
inline std::size_t smollm_split(std::string_view text, std::size_t at) noexcept {
  if (const code_point c = code_point_at(text, at); c.kind == char_class::number) return at + c.size;
  return gpt2_word_end(text, at, [text](std::size_t i) {
    const code_point c = code_point_at(text, i);
    return c.kind == char_class::number ? code_point{} : c;
  });
}

inline bool is_punctuation_run(code_point c) noexcept {
  constexpr std::string_view also = "$+<=>^~|";
  return c.is(char_class::punctuation) || (c.ascii != 0 && also.find(c.ascii) != also.npos);
}

/// Runs of punctuation ([\p{P}$+<=>^~|]+) and runs of numbers stand alone, ASCII digits in threes from wherever three stand
/// together; between them the rule of GPT-2, each stretch by itself.
inline std::size_t default_split(std::string_view text, std::size_t at) noexcept {
  const auto look = [text](std::size_t i) { return code_point_at(text, i); };
  const code_point first = look(at);
  if (is_punctuation_run(first)) return run_end(at, look, is_punctuation_run);
  if (first.kind == char_class::number) {
    const auto three_digits = [text](std::size_t i) {
      const auto digit = [](char c) { return c >= '0' && c <= '9'; };
      return text.size() - i >= 3 && digit(text[i]) && digit(text[i + 1]) && digit(text[i + 2]);
    };
    if (three_digits(at)) return at + 3;
    for (code_point c = first; c.is(char_class::number) && !three_digits(at); c = look(at)) at += c.size;
    return at;
  }
  const std::size_t end = gpt2_word_end(text, at, [look](std::size_t i) {
    const code_point c = look(i);
    return is_punctuation_run(c) ? code_point{} : c;
  });
  // A space in front of a number does not stay with it.
  return first.ascii == ' ' && end > at + 1 && look(at + 1).kind == char_class::number ? at + 1 : end;
}

/// \s*[\r\n]+|\s+(?!\S)|\s+
template <class Look>
std::size_t newlines_or_whitespace_end(std::size_t at, Look look) noexcept {
  std::size_t end = at, behind_newline = at;
  for (code_point c = look(at); c.is(char_class::whitespace); c = look(end)) {
    end += c.size;
    if (c.is_newline()) behind_newline = end;
  }
  return behind_newline > at ? behind_newline : whitespace_end(at, look);
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,Digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
template <int Digits>
std::size_t llama3_split(std::string_view text, std::size_t at) noexcept {
  const auto look = [text](std::size_t i) { return code_point_at(text, i); };
  const auto letters = [](code_point c) { return c.kind == char_class::letter; };
  if (const std::size_t size = contraction(text, at, true)) return at + size;
  const code_point first = look(at);
  if (first.kind == char_class::letter) return run_end(at, look, letters);
  if (first.kind == char_class::number) {
    for (int n = 0; n < Digits && look(at).is(char_class::number); ++n) at += look(at).size;
    return at;
  }
  const code_point second = look(at + first.size);
  if (!first.is_newline() && second.is(char_class::letter)) return run_end(at + first.size, look, letters);
  if (first.is_sign() || (first.ascii == ' ' && second.is_sign())) {
    const std::size_t end = run_end(at + first.size, look, [](code_point c) { return c.is_sign(); });
    return run_end(end, look, [](code_point c) { return c.is_newline(); });
  }
  return newlines_or_whitespace_end(at, look);
}

/// [Upper]*[Lower]+, where letters without case and marks are both: the end, or `at` if there is no such word.
template <class Look>
std::size_t lower_word_end(std::size_t at, Look look) noexcept {
  const auto either = [](code_point c) { return c.is_mark_or_letter() && c.letter_case() == letter_case::none; };
  std::size_t end = at, behind_either = at;
  for (code_point c = look(end); c.is_mark_or_letter() && c.letter_case() != letter_case::lower; c = look(end)) {
    end += c.size;
    if (either(c)) behind_either = end;
  }
  const std::size_t lower =
      run_end(end, look, [](code_point c) { return c.is_mark_or_letter() && c.letter_case() != letter_case::upper; });
  return lower > end ? lower : behind_either;  // without one, the last that is both is the lower part
}

/// P?[Upper]*[Lower]+|P?[Upper]+[Lower]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ where P is
/// [^\r\n\p{L}\p{N}], Upper [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and Lower [\p{Ll}\p{Lm}\p{Lo}\p{M}].
inline std::size_t tekken_split(std::string_view text, std::size_t at) noexcept {
  const auto look = [text](std::size_t i) { return code_point_at(text, i); };
  const code_point first = look(at);
  if (first.kind == char_class::number) return at + first.size;
  const bool prefix = first.kind != char_class::letter && !first.is_newline();
  const std::size_t begin = prefix ? at + first.size : at;
  if (const std::size_t end = lower_word_end(begin, look); end > begin) return end;
  if (first.kind == char_class::mark) return lower_word_end(at, look);
  if (const std::size_t end = run_end(begin, look, [](code_point c) { return c.is_mark_or_letter(); }); end > begin) return end;
  if (first.is_sign() || (first.ascii == ' ' && look(at + 1).is_sign())) {
    const std::size_t end = run_end(at + first.size, look, [](code_point c) { return c.is_sign(); });
    return run_end(end, look, [](code_point c) { return c.is_newline() || c.ascii == '/'; });
  }
  return newlines_or_whitespace_end(at, look);
}

/// A row for each pre-tokenizer: its name, its words, whether whole words, composed text and a first token are wanted.
inline constexpr auto pre_tokenizer_rows = std::to_array<pre_tokenizer>({
    {"gpt-2", &gpt2_split, false, false, false},
    {"smollm", &smollm_split, false, false, false},
    {"default", &default_split, false, false, false},
    {"llama-bpe", &llama3_split<3>, true, false, true},
    {"qwen2", &llama3_split<1>, false, true, false},
    {"tekken", &tekken_split, true, false, true},
});

}  // namespace detail

constinit const std::span<const pre_tokenizer> pre_tokenizers(detail::pre_tokenizer_rows);

const pre_tokenizer* find_pre_tokenizer(std::string_view name) noexcept {
  for (const pre_tokenizer& candidate : pre_tokenizers)
    if (candidate.name == name) return &candidate;
  return nullptr;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
