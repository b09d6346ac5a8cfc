/// json_scanner: tells, byte by byte, whether a text is JSON, and where its values begin and end.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// One value of JSON, an object or an array or a text, read as it comes. Bytes above 0x7F are taken as they are.
/// @cost    O(1) a byte, no allocation
/// @source  RFC 8259
class json_scanner {
 public:
  static constexpr std::size_t most_depth = 256;
  enum class verdict : std::uint8_t { more, done, wrong };
  enum class state : std::uint8_t {
    begin,        // of the whole
    value,        // comes next
    first_value,  // or the end of an array
    key,          // comes next
    first_key,    // or the end of an object
    colon,
    after,  // a value: a comma, or the end of what it stands in
    text,
    escape,
    unicode,
    literal,
    minus,
    zero,
    digits,
    point,
    fraction,
    power,
    power_sign,
    power_digits,
    end,
    wrong,
  };

  /// `done` with the last byte of the value; `wrong` from then on, if more comes.
  verdict feed(char c) noexcept;

  state where() const noexcept { return state_; }
  /// How many objects and arrays are open.
  std::size_t depth() const noexcept { return depth_; }
  /// The text that is read is the name of a member.
  bool in_key() const noexcept { return is_key_; }

 private:
  state next(char c) noexcept;
  state begin_value(char c) noexcept;
  state in_number(char c) noexcept;
  state open(bool object) noexcept;
  state close(bool object) noexcept;
  state close_text() noexcept;
  state after_value() const noexcept { return depth_ == 0 ? state::end : state::after; }
  bool in_object() const noexcept { return depth_ > 0 && objects_[depth_ - 1]; }

  std::bitset<most_depth> objects_;
  std::size_t depth_ = 0;
  state state_ = state::begin;
  bool is_key_ = false;
  std::uint8_t left_ = 0;       // hexadecimal digits to come
  std::string_view word_ = {};  // what is left of a literal
};

/// All of a text is one object.
inline bool is_json_object(std::string_view text) noexcept {
  json_scanner scanner;
  auto verdict = json_scanner::verdict::more;
  for (const char c : text) {
    if (verdict != json_scanner::verdict::more) return false;
    verdict = scanner.feed(c);
  }
  return verdict == json_scanner::verdict::done && text.starts_with('{');
}

/// All of a text is one value of JSON, white space around it apart.
inline bool is_json(std::string_view text) noexcept {
  json_scanner scanner;
  static_cast<void>(scanner.feed('['));
  for (const char c : text) {
    if (scanner.feed(c) != json_scanner::verdict::more) return false;
    if (scanner.where() == json_scanner::state::value && scanner.depth() == 1) return false;  // behind a comma
  }
  return scanner.depth() == 1 && scanner.feed(']') == json_scanner::verdict::done &&
         text.find_first_not_of(" \t\r\n") != text.npos;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
