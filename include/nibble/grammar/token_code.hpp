/// Control tokens as characters of a grammar: each has a code above those of Unicode, which no text can spell.
#pragma once

#include <cstddef>
#include <string>

#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The codes of tokens have four bytes as UTF-8 would write them, of which the first is F5 to F7: no byte of any text.
inline constexpr char32_t first_token_code = 0x140000, last_token_code = 0x1FFFFF;

inline bool has_token_code(token id) noexcept {
  return id >= 0 && static_cast<char32_t>(id) <= last_token_code - first_token_code;
}
inline char32_t token_code(token id) noexcept { return first_token_code + static_cast<char32_t>(id); }
inline void append_token_code(token id, std::string& out) {
  const char32_t code = token_code(id);
  out += static_cast<char>(0xF0 | code >> 18);
  for (int shift = 12; shift >= 0; shift -= 6) out += static_cast<char>(0x80 | (code >> shift & 0x3F));
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
