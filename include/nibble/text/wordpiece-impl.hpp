/// The definitions behind wordpiece.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "nibble/text/fold_tables.hpp"
#include "nibble/text/lowercase.hpp"
#include "nibble/text/normalize_tables.hpp"
#include "nibble/text/unicode.hpp"
#include "nibble/text/utf8.hpp"
#include "nibble/text/vocab-impl.hpp"
#include "nibble/text/wordpiece.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

enum class fold_kind : std::uint8_t { kept, mark, hidden };
inline constexpr auto fold_blocks = run_blocks<0x20000>(fold_runs, 2);
constexpr fold_kind fold_kind_of(char32_t code) noexcept {
  return static_cast<fold_kind>(find_run(fold_runs, fold_blocks, 2, code));
}

/// Calls f for each code point of a canonical decomposition, in order.
template <class F>
void decompose(char32_t code, F&& f) {
  if (code >= 0xAC00 && code < 0xAC00 + 11172) {  // Hangul syllables
    const char32_t index = code - 0xAC00, final = index % 28;
    f(0x1100 + index / 588), f(0x1161 + index % 588 / 28);
    if (final > 0) f(0x11A7 + final);
    return;
  }
  std::array<char32_t, 8> behind{};  // parts that follow, the last one first; no decomposition is deeper
  std::size_t count = 0;
  while (true) {
    const auto found = std::lower_bound(decompositions.begin(), decompositions.end(), std::uint64_t{code} << 42);
    if (found == decompositions.end() || *found >> 42 != code) break;
    const auto second = static_cast<char32_t>(*found & 0x1FFFFF);
    if (second != 0 && count < behind.size()) behind[count++] = second;
    code = static_cast<char32_t>(*found >> 21 & 0x1FFFFF);
  }
  f(code);
  while (count > 0) f(behind[--count]);
}

/// What is a word by itself.
constexpr bool stands_alone(char32_t code) noexcept {
  if (code < 128) {
    return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) ||
           (code >= 123 && code <= 126);
  }
  return class_of(code) == char_class::punctuation;
}
/// Chinese: CJK unified ideographs and their extensions, and compatibility ideographs.
constexpr bool is_ideograph(char32_t code) noexcept {
  constexpr std::array<std::pair<char32_t, char32_t>, 8> blocks{{{0x3400, 0x4DBF},
                                                                 {0x4E00, 0x9FFF},
                                                                 {0xF900, 0xFAFF},
                                                                 {0x20000, 0x2A6DF},
                                                                 {0x2A700, 0x2B73F},
                                                                 {0x2B740, 0x2B81F},
                                                                 {0x2B820, 0x2CEAF},
                                                                 {0x2F800, 0x2FA1F}}};
  return code >= 0x3400 &&
         std::any_of(blocks.begin(), blocks.end(), [&](auto b) { return code >= b.first && code <= b.second; });
}
inline bool has_capital(std::string_view piece) noexcept {
  return std::any_of(piece.begin(), piece.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}
}  // namespace detail

result<wordpiece> wordpiece::try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options&) {
  wordpiece out;
  if (!vocabulary.special().unknown) {
    return detail::tokenizer_error(errc::invalid_tokenizer, "unknown_token_id", "missing: words of no pieces have no token");
  }
  out.unknown_ = *vocabulary.special().unknown;
  bool cased = false;
  for (std::size_t i = 0; i < vocabulary.size() && !cased; ++i) {
    const auto id = static_cast<token>(i);
    const std::string_view piece = vocabulary.piece(id);
    const bool is_text = vocabulary.type(id) == token_type::normal && !(piece.starts_with('[') && piece.ends_with(']'));
    cased = is_text && detail::has_capital(piece);
  }
  const auto lower = meta.try_get<bool>("tokenizer.ggml.normalizer.lowercase", !cased);
  if (!lower) return lower.failure();
  out.lowercases_ = *lower;
  const auto strip = meta.try_get<bool>("tokenizer.ggml.normalizer.strip_accents", *lower);
  if (!strip) return strip.failure();
  out.strips_accents_ = *strip;
  return out;
}

/// One call of encode: code points go in, a word at a time waits.
class wordpiece::words {
 public:
  words(const wordpiece& self, const vocab& vocabulary, std::vector<token>& out)
      : self_(self), vocabulary_(vocabulary), out_(out), longest_(vocabulary.longest_piece()) {}

  void add(char32_t code) {
    if (code == 0 || code == replacement_character || detail::fold_kind_of(code) == detail::fold_kind::hidden) return;
    if (class_of(code) == char_class::whitespace) return finish();
    const bool ideograph = detail::is_ideograph(code);
    if (ideograph) finish();
    if (self_.strips_accents_) {
      detail::decompose(code, [&](char32_t part) {
        if (detail::fold_kind_of(part) != detail::fold_kind::mark) add_letter(part);
      });
    } else {
      add_letter(code);
    }
    if (ideograph) finish();
  }

  /// Ends the word that waits.
  void finish() {
    if (characters_ == 0) return;
    if (characters_ > longest_word || !cut()) out_.push_back(self_.unknown_);
    word_ = " ";
    characters_ = 0;
  }

 private:
  void add_letter(char32_t code) {
    if (self_.lowercases_) code = detail::lower_of(code);
    const bool alone = detail::stands_alone(code);
    if (alone) finish();
    if (++characters_ <= longest_word) append_utf8(code, word_);
    if (alone) finish();
  }

  /// Appends the pieces of the word. False, with nothing appended, if it is not made of any.
  bool cut() {
    const std::size_t before = out_.size();
    for (std::size_t begin = 0; begin < word_.size();) {
      const std::size_t most = std::min(word_.size(), begin + longest_);
      std::size_t end = begin;
      token longest = -1;
      std::uint64_t sum = 0;
      for (std::size_t at = begin; at < most; ++at) {
        sum = detail::hash_add(sum, word_[at]);
        if (begin == 0 && at == 0) continue;  // the space alone is no piece of a word
        const token id = vocabulary_.find(std::string_view(word_).substr(begin, at + 1 - begin), detail::hash_end(sum));
        if (id >= 0) longest = id, end = at + 1;
      }
      if (longest < 0) return out_.resize(before), false;
      out_.push_back(longest);
      begin = end;
    }
    return true;
  }

  const wordpiece& self_;
  const vocab& vocabulary_;
  std::vector<token>& out_;
  std::size_t longest_;
  std::string word_ = " ";
  std::size_t characters_ = 0;
};

void wordpiece::encode(const vocab& vocabulary, std::string_view text, bool /*fresh*/, merger& /*room*/,
                       std::vector<token>& out) const {
  words pass(*this, vocabulary, out);
  for (std::size_t at = 0; at < text.size();) {
    const utf8_character c = decode_utf8(text, at);
    pass.add(c.code);
    at += c.size;
  }
  pass.finish();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
