/// The definitions behind json_scanner.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include "nibble/text/answer/json_scanner.hpp"
#include "nibble/text/hex.hpp"
#include "nibble/text/json_characters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

json_scanner::verdict json_scanner::feed(char c) noexcept {
  state_ = next(c);
  return state_ == state::end ? verdict::done : state_ == state::wrong ? verdict::wrong : verdict::more;
}

json_scanner::state json_scanner::next(char c) noexcept {
  switch (state_) {
    case state::begin:
      return c == '{' ? open(true) : c == '[' ? open(false) : c == '"' ? begin_value(c) : state::wrong;
    case state::first_value:
      if (c == ']') return close(false);
      return is_json_space(c) ? state_ : begin_value(c);
    case state::value:
      return is_json_space(c) ? state_ : begin_value(c);
    case state::first_key:
    case state::key:
      if (c == '}' && state_ == state::first_key) return close(true);
      if (is_json_space(c)) return state_;
      is_key_ = true;
      return c == '"' ? state::text : state::wrong;
    case state::colon:
      return is_json_space(c) ? state_ : c == ':' ? state::value : state::wrong;
    case state::after:
      if (c == ',') return in_object() ? state::key : state::value;
      return is_json_space(c) ? state_ : c == '}' ? close(true) : c == ']' ? close(false) : state::wrong;
    case state::text:
      if (c == '"') return close_text();
      if (static_cast<unsigned char>(c) < 0x20) return state::wrong;
      return c == '\\' ? state::escape : state::text;
    case state::escape:
      left_ = 4;
      if (c == 'u') return state::unicode;
      return std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos ? state::wrong : state::text;
    case state::unicode:
      if (hex_value(c) < 0) return state::wrong;
      return --left_ == 0 ? state::text : state::unicode;
    case state::literal:
      if (c != word_.front()) return state::wrong;
      word_.remove_prefix(1);
      return word_.empty() ? after_value() : state::literal;
    case state::end:
    case state::wrong:
      return state::wrong;
    default:
      return in_number(c);
  }
}

json_scanner::state json_scanner::begin_value(char c) noexcept {
  is_key_ = false;
  switch (c) {
    case '{':
      return open(true);
    case '[':
      return open(false);
    case '"':
      return state::text;
    case 't':
      word_ = "rue";
      return state::literal;
    case 'f':
      word_ = "alse";
      return state::literal;
    case 'n':
      word_ = "ull";
      return state::literal;
    case '-':
      return state::minus;
    case '0':
      return state::zero;
    default:
      return is_json_digit(c) ? state::digits : state::wrong;
  }
}

/// A number ends with the byte behind it, which belongs to what it stands in.
json_scanner::state json_scanner::in_number(char c) noexcept {
  const bool digit = is_json_digit(c), e = c == 'e' || c == 'E';
  switch (state_) {
    case state::minus:
      return c == '0' ? state::zero : digit ? state::digits : state::wrong;
    case state::zero:
    case state::digits:
      if (digit && state_ == state::digits) return state_;
      if (c == '.') return state::point;
      if (e) return state::power;
      break;
    case state::point:
      return digit ? state::fraction : state::wrong;
    case state::fraction:
      if (digit) return state_;
      if (e) return state::power;
      break;
    case state::power:
      return c == '+' || c == '-' ? state::power_sign : digit ? state::power_digits : state::wrong;
    case state::power_sign:
      return digit ? state::power_digits : state::wrong;
    default:
      if (digit) return state_;
      break;
  }
  state_ = state::after;
  return next(c);
}

json_scanner::state json_scanner::open(bool object) noexcept {
  if (depth_ == most_depth) return state::wrong;
  objects_[depth_++] = object;
  return object ? state::first_key : state::first_value;
}

json_scanner::state json_scanner::close(bool object) noexcept {
  if (depth_ == 0 || in_object() != object) return state::wrong;
  --depth_;
  return after_value();
}

json_scanner::state json_scanner::close_text() noexcept {
  const bool was_key = is_key_;
  is_key_ = false;
  return was_key ? state::colon : after_value();
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
