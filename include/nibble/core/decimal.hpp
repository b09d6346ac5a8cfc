/// Decimal numbers in text, as the nearest float or double whatever the locale: std::from_chars, which the standard libraries
/// of some systems do not have for these types.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <system_error>
#include <version>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A number 0.d1 d2 d3... * 10^point in decimal digits, which is multiplied and divided by powers of two: exactly, as far as
/// numbers half way between two doubles reach. Digits behind these only tell whether there is more.
class exact_decimal {
 public:
  void append(unsigned digit) noexcept {
    if (digits_ == 0 && digit == 0) return;
    if (digits_ == most)
      more_ |= digit != 0;
    else
      digit_[digits_++] = static_cast<unsigned char>(digit);
  }
  bool is_zero() const noexcept { return digits_ == 0; }
  bool is_below_half() const noexcept { return point < 0 || (point == 0 && digit_[0] < 5); }

  /// Divides by 2^k, for k up to 60.
  void divide(unsigned k) noexcept {
    const exact_decimal from = *this;
    digits_ = 0;
    std::uint64_t rest = 0;
    for (std::size_t i = 0; i < from.digits_ || rest != 0; ++i) {
      rest = rest * 10 + (i < from.digits_ ? from.digit_[i] : 0u);
      const auto digit = static_cast<unsigned>(rest >> k);
      rest -= std::uint64_t{digit} << k;
      if (digits_ == 0 && digit == 0) --point;
      append(digit);
    }
  }
  /// Multiplies by 2^k, for k up to 60.
  void multiply(unsigned k) noexcept {
    constexpr std::size_t room = most + 20;
    unsigned char product[room];
    std::size_t first = room;
    std::uint64_t carry = 0;
    for (std::size_t i = digits_; i > 0 || carry != 0; carry /= 10) {
      if (i > 0) carry += std::uint64_t{digit_[--i]} << k;
      product[--first] = static_cast<unsigned char>(carry % 10);
    }
    point += static_cast<std::ptrdiff_t>(room - first) - static_cast<std::ptrdiff_t>(digits_);
    digits_ = 0;
    while (first < room) append(product[first++]);
  }
  /// The nearest whole number, the even one of two; for numbers below 2^60.
  std::uint64_t rounded() const noexcept {
    std::uint64_t whole = 0;
    for (std::ptrdiff_t i = 0; i < point; ++i) whole = whole * 10 + digit_at(i);
    const unsigned next = digit_at(point);
    const bool behind = more_ || (point < static_cast<std::ptrdiff_t>(digits_) && any_behind(point + 1));
    return whole + (next > 5 || (next == 5 && (behind || whole % 2 == 1)));
  }

  std::ptrdiff_t point = 0;

 private:
  static constexpr std::size_t most = 800;

  unsigned digit_at(std::ptrdiff_t i) const noexcept {
    return i >= 0 && i < static_cast<std::ptrdiff_t>(digits_) ? digit_[i] : 0u;
  }
  bool any_behind(std::ptrdiff_t i) const noexcept {
    return std::any_of(digit_ + std::max<std::ptrdiff_t>(i, 0), digit_ + digits_, [](unsigned char d) { return d != 0; });
  }

  unsigned char digit_[most];
  std::size_t digits_ = 0;
  bool more_ = false;
};

/// The float nearest to a number that is not 0; infinity or 0 where it is too large or too small.
template <std::floating_point T>
T nearest_float(exact_decimal d) noexcept {
  using limits = std::numeric_limits<T>;
  if (d.point > limits::max_exponent10 + 1) return limits::infinity();
  if (d.point < limits::min_exponent10 - limits::digits10 - 2) return 0;
  int exponent = 0;  // the number is d * 2^exponent; d shall be in [1/2, 1)
  while (d.point > 0) {
    const auto k = d.point == 1 ? 1u : static_cast<unsigned>(std::min<std::ptrdiff_t>(60, 3 * (d.point - 1)));
    d.divide(k);
    exponent += static_cast<int>(k);
  }
  while (d.is_below_half()) {
    const auto k = d.point == 0 ? 1u : static_cast<unsigned>(std::min<std::ptrdiff_t>(60, -3 * d.point));
    d.multiply(k);
    exponent -= static_cast<int>(k);
  }
  const int bits = limits::digits - std::max(0, limits::min_exponent - exponent);  // fewer below the smallest normal number
  if (bits < 0) return 0;
  d.multiply(static_cast<unsigned>(bits));
  return std::ldexp(static_cast<T>(d.rounded()), exponent - bits);
}

/// What std::from_chars(first, last, out) does, without it.
template <std::floating_point T>
std::from_chars_result read_decimal(const char* first, const char* last, T& out) noexcept {
  const char* at = first;
  const bool minus = at != last && *at == '-';
  if (minus) ++at;
  const auto signed_as_written = [&](T size) { return minus ? -size : size; };
  const auto takes = [&](std::string_view word) {
    const auto alike = [](char letter, char found) { return (found | 0x20) == letter; };
    if (static_cast<std::size_t>(last - at) < word.size() || !std::equal(word.begin(), word.end(), at, alike)) return false;
    at += word.size();
    return true;
  };
  if (takes("infinity") || takes("inf"))
    return out = signed_as_written(std::numeric_limits<T>::infinity()), std::from_chars_result{at, {}};
  if (takes("nan")) return out = signed_as_written(std::numeric_limits<T>::quiet_NaN()), std::from_chars_result{at, {}};

  const auto is_digit = [&] { return at != last && *at >= '0' && *at <= '9'; };
  exact_decimal number;
  bool any = false;
  for (; is_digit(); ++at, any = true) {
    number.append(static_cast<unsigned>(*at - '0'));
    if (!number.is_zero()) ++number.point;
  }
  if (at != last && *at == '.' && (any || (last - at > 1 && at[1] >= '0' && at[1] <= '9'))) {
    for (++at; is_digit(); ++at, any = true) {
      if (number.is_zero() && *at == '0') --number.point;
      number.append(static_cast<unsigned>(*at - '0'));
    }
  }
  if (!any) return {first, std::errc::invalid_argument};
  if (at != last && (*at | 0x20) == 'e') {
    const char* written = at + 1;
    if (last - written > 1 && *written == '+' && written[1] != '-') ++written;  // which std::from_chars does not take
    std::ptrdiff_t exponent = 0;
    const auto [end, failed] = std::from_chars(written, last, exponent);
    constexpr std::ptrdiff_t beyond = std::numeric_limits<std::ptrdiff_t>::max() / 4;
    if (failed == std::errc::result_out_of_range) exponent = *written == '-' ? -beyond : beyond;
    if (failed != std::errc::invalid_argument) at = end, number.point += std::clamp(exponent, -beyond, beyond);
  }
  const T value = number.is_zero() ? T{0} : nearest_float<T>(number);
  if ((value == 0 && !number.is_zero()) || std::isinf(value)) return {at, std::errc::result_out_of_range};
  return out = signed_as_written(value), std::from_chars_result{at, {}};
}

/// std::from_chars in base ten, or the same by other means.
template <class Number>
std::from_chars_result number_from_chars(const char* first, const char* last, Number& out) noexcept {
#if !defined(__cpp_lib_to_chars)
  if constexpr (std::floating_point<Number>)
    return read_decimal(first, last, out);
  else
#endif
    return std::from_chars(first, last, out);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
