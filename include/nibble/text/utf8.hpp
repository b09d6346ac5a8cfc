/// UTF-8: decode, validate, and utf8_stream, which lets only whole characters out of bytes that come in pieces.
///
/// What is no UTF-8 is replaced as the Unicode standard recommends: one U+FFFD for each longest beginning of a character, so
/// the same bytes give the same text however they were cut into pieces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What stands for bytes that are no UTF-8.
inline constexpr char32_t replacement_character = 0xFFFD;

/// One character of a text.
struct utf8_character {
  /// Whether it is a character.
  enum class state : std::uint8_t { whole, invalid, cut };  ///< cut: the text ends before the character does

  char32_t code;      ///< U+FFFD unless whole
  std::uint8_t size;  ///< bytes that it takes: never 0
  state kind;
};

/// The character at `at`. Overlong forms, surrogates and what lies above U+10FFFF are invalid.
/// @errors  precondition: at < text.size()
/// @source  The Unicode Standard, table 3-7 (well-formed UTF-8 byte sequences)
constexpr utf8_character decode_utf8(std::string_view text, std::size_t at) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(at < text.size());
  using enum utf8_character::state;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::uint32_t lead = byte(at);
  if (lead < 0x80) return {static_cast<char32_t>(lead), 1, whole};
  if (lead < 0xC2 || lead > 0xF4) return {replacement_character, 1, invalid};
  const std::uint8_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  std::uint32_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  std::uint32_t code = lead & (0x7Fu >> size);
  for (std::uint8_t n = 1; n < size; ++n) {
    if (at + n == text.size()) return {replacement_character, n, cut};
    const std::uint32_t next = byte(at + n);
    if (next < low || next > high) return {replacement_character, n, invalid};
    code = code << 6 | (next & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {static_cast<char32_t>(code), size, whole};
}

/// How many bytes from the beginning are whole characters: text.size() if all of it is UTF-8.
std::size_t valid_utf8_prefix(std::string_view text) noexcept;

/// Whether all of a text is whole and valid.
inline bool is_utf8(std::string_view text) noexcept { return valid_utf8_prefix(text) == text.size(); }

/// @errors  precondition: `code` is a Unicode scalar value
void append_utf8(char32_t code, std::string& out);

/// Joins bytes that come in pieces, as those of tokens do, into valid UTF-8. Holds back at most three bytes.
///
/// @example  nibble::utf8_stream stream;
///           std::string text;
///           stream.feed("caf\xC3", text);   // "caf"
///           stream.feed("\xA9!", text);     // "café!"
///           stream.finish(text);            // a character still open becomes U+FFFD
class utf8_stream {
 public:
  /// Appends to `out` what is whole by now. Takes any bytes.
  void feed(std::string_view bytes, std::string& out);

  /// Ends the text: a character that is still open becomes one U+FFFD. The stream is as new afterwards.
  void finish(std::string& out);

  /// The bytes that wait for the rest of their character.
  std::string_view held() const noexcept { return {held_.data(), held_size_}; }

 private:
  static constexpr std::string_view replacement = "\xEF\xBF\xBD";

  std::array<char, 4> held_{};
  std::uint8_t held_size_ = 0;
};

namespace detail {

/// Takes the first character off a text that is not empty: U+FFFD for each byte of what is none.
inline std::string_view take_character(std::string_view& text) NIBBLE_NOEXCEPT {
  const utf8_character c = decode_utf8(text, 0);
  const bool whole = c.kind == utf8_character::state::whole;
  const std::string_view out = whole ? text.substr(0, c.size) : std::string_view("\xEF\xBF\xBD");
  text.remove_prefix(whole ? c.size : 1);
  return out;
}

/// How many bytes of a text that is UTF-8 are whole characters within the first `most`, which are more than three.
inline std::size_t characters_within(std::string_view text, std::size_t most) noexcept {
  if (most >= text.size()) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return most;
}

}  // namespace detail

/// `bytes` as valid UTF-8, with U+FFFD where they are none.
std::string to_valid_utf8(std::string_view bytes);

}  // namespace NIBBLE_ABI
}  // namespace nibble
