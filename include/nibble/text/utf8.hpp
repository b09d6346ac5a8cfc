/// UTF-8: decode, validate, and utf8_stream, which lets only whole characters out of bytes that come in pieces.
///
/// What is no UTF-8 is replaced as the Unicode standard recommends: one U+FFFD for each longest beginning of a character, so
/// the same bytes give the same text however they were cut into pieces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

inline constexpr char32_t replacement_character = 0xFFFD;

/// One character of a text.
struct utf8_character {
  enum class state : std::uint8_t { whole, invalid, cut };  ///< cut: the text ends before the character does

  char32_t code;      ///< U+FFFD unless whole
  std::uint8_t size;  ///< bytes that it takes: never 0
  state kind;
};

/// The character at `at`. Overlong forms, surrogates and what lies above U+10FFFF are invalid.
/// @errors  none (noexcept); precondition: at < text.size()
/// @source  The Unicode Standard, table 3-7 (well-formed UTF-8 byte sequences)
constexpr utf8_character decode_utf8(std::string_view text, std::size_t at) noexcept {
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
inline std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (text.size() - at >= 8) std::memcpy(&eight, text.data() + at, 8);
    if (text.size() - at >= 8 && !(eight & 0x8080808080808080u)) {
      at += 8;
      continue;
    }
    const auto c = decode_utf8(text, at);
    if (c.kind != utf8_character::state::whole) return at;
    at += c.size;
  }
  return at;
}

inline bool is_utf8(std::string_view text) noexcept { return valid_utf8_prefix(text) == text.size(); }

/// @errors  precondition: `code` is a Unicode scalar value
inline void append_utf8(char32_t code, std::string& out) {
  const auto byte = [](std::uint32_t bits) { return static_cast<char>(static_cast<unsigned char>(bits)); };
  const auto c = static_cast<std::uint32_t>(code);
  if (c < 0x80) {
    out += byte(c);
  } else if (c < 0x800) {
    out += {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  } else {
    out += {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  }
}

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
  void feed(std::string_view bytes, std::string& out) {
    while (held_size_ > 0 && !bytes.empty()) {
      held_[held_size_] = bytes.front();
      const auto c = decode_utf8({held_.data(), held_size_ + 1u}, 0);
      if (c.kind == utf8_character::state::invalid) {  // the new byte does not continue it: it begins something else
        held_size_ = 0;
        out += replacement;
        break;
      }
      bytes.remove_prefix(1);
      if (c.kind == utf8_character::state::cut) {
        ++held_size_;
      } else {
        out.append(held_.data(), c.size);
        held_size_ = 0;
      }
    }
    while (!bytes.empty()) {
      const std::size_t valid = valid_utf8_prefix(bytes);
      out.append(bytes.substr(0, valid));
      bytes.remove_prefix(valid);
      if (bytes.empty()) return;
      const auto c = decode_utf8(bytes, 0);
      if (c.kind == utf8_character::state::cut) {
        held_size_ = c.size;
        std::memcpy(held_.data(), bytes.data(), c.size);
        return;
      }
      out += replacement;
      bytes.remove_prefix(c.size);
    }
  }

  /// Ends the text: a character that is still open becomes one U+FFFD. The stream is as new afterwards.
  void finish(std::string& out) {
    if (held_size_ > 0) out += replacement;
    held_size_ = 0;
  }

  /// The bytes that wait for the rest of their character.
  std::string_view held() const noexcept { return {held_.data(), held_size_}; }

 private:
  static constexpr std::string_view replacement = "\xEF\xBF\xBD";

  std::array<char, 4> held_{};
  std::uint8_t held_size_ = 0;
};

/// `bytes` as valid UTF-8, with U+FFFD where they are none.
inline std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  utf8_stream stream;
  stream.feed(bytes, out);
  stream.finish(out);
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
