/// scanner: reads the text of a grammar or an expression, and says where something is wrong in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nibble/error.hpp"
#include "nibble/text/hex.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

class scanner {
 public:
  explicit scanner(std::string_view text) noexcept : text_(text) {}

  bool done() const noexcept { return at_ == text_.size(); }
  std::size_t at() const noexcept { return at_; }
  void go_to(std::size_t at) noexcept { at_ = at; }
  std::string_view rest() const noexcept { return text_.substr(at_); }
  std::string_view since(std::size_t from) const noexcept { return text_.substr(from, at_ - from); }
  /// The next byte, or 0 at the end.
  char peek(std::size_t ahead = 0) const noexcept { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void skip(std::size_t bytes = 1) noexcept { at_ += bytes; }

  bool take(char c) noexcept {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view wanted) noexcept {
    if (!rest().starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  /// A whole character, which is there.
  char32_t take_character() noexcept {
    const utf8_character c = decode_utf8(text_, at_);
    at_ += c.size;
    return c.code;
  }
  /// A decimal number, which stops at the largest; empty if there is no digit.
  std::optional<std::uint32_t> take_number() noexcept {
    if (peek() < '0' || peek() > '9') return std::nullopt;
    std::uint64_t n = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      if (n < 0xFFFFFFFE) n = n * 10 + static_cast<std::uint64_t>(peek() - '0');
    return static_cast<std::uint32_t>(n < 0xFFFFFFFE ? n : 0xFFFFFFFE);
  }
  /// So many hexadecimal digits, or nothing is taken.
  std::optional<char32_t> take_hex(std::size_t digits) noexcept {
    char32_t n = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const int digit = hex_value(peek(i));
      if (digit < 0) return std::nullopt;
      n = n << 4 | static_cast<char32_t>(digit);
    }
    at_ += digits;
    return n;
  }

  /// What is wrong at a byte: "line 3, column 7: ...".
  error malformed(std::size_t at, std::string_view what, errc code = errc::malformed) const {
    std::size_t line = 1, column = 1;
    for (std::size_t i = 0; i < at && i < text_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text_[i]);
      column = byte == '\n' ? 1 : column + (byte < 0x80 || byte >= 0xC0);
      line += byte == '\n';
    }
    return error(code, "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + std::string(what));
  }
  error malformed(std::string_view what) const { return malformed(at_, what); }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
