/// The definitions behind mark_speller.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/grammar/mark_speller.hpp"
#include "nibble/grammar/token_code.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

std::u32string characters_of(std::string_view text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    const utf8_character c = decode_utf8(text, at);
    out += c.code;
    at += c.size;
  }
  return out;
}

char_set char_set_of(std::u32string_view characters) {
  char_set out;
  for (const char32_t c : characters) out.add(c, c);
  return out;
}

mark_speller::spelled mark_speller::spell(std::string_view mark) const {
  std::vector<special_tokens::match> found;
  words_.vocabulary().controls().find_all(mark, found);
  spelled out;
  std::size_t at = 0;
  for (const special_tokens::match& m : found) {
    out.text += characters_of(mark.substr(at, m.begin - at));
    at = m.begin + m.size;
    if (words_.is_end(m.id)) {
      while (!out.text.empty() && (out.text.back() == U' ' || out.text.back() == U'\n')) out.text.pop_back();
      out.ends = true;
      return out;
    }
    out.text += has_token_code(m.id) ? std::u32string(1, token_code(m.id)) : characters_of(mark.substr(m.begin, m.size));
  }
  out.text += characters_of(mark.substr(at));
  return out;
}

void mark_speller::add_marks(std::string_view mark, std::uint32_t rule, std::vector<search_mark>& out) const {
  if (mark.empty()) return;
  const spelled own = spell(mark);
  std::u32string letters = characters_of(mark);
  if (!own.ends && own.text != letters) out.push_back({own.text, rule});
  out.push_back({std::move(letters), rule});
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
