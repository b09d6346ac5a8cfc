/// read_integer, read_real: numbers from texts, as Python reads them.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

#include "nibble/config.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/margin.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// @source  int(): decimal digits with single underscores between them, a sign, spaces around
inline bool read_integer(std::string_view text, int base, std::int64_t& out) {
  while (const std::size_t size = margin(text, false)) text.remove_prefix(size);
  while (const std::size_t size = margin(text, true)) text.remove_suffix(size);
  std::string digits;
  if (text.starts_with('+'))
    text.remove_prefix(1);
  else if (text.starts_with('-'))
    text.remove_prefix(1), digits = "-";
  const char letter = text.size() > 1 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int marked = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  if (marked && (base == marked || base == 0)) text.remove_prefix(2), base = marked;
  if (base == 0) base = 10;
  if (text.empty() || text[0] == '_' || text.back() == '_' || text[0] == '-' || text.find("__") != text.npos) return false;
  for (const char c : text)
    if (c != '_') digits += c;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), out, base);
  return failed == std::errc() && end == digits.data() + digits.size();
}
/// @source  float()
inline bool read_real(std::string_view text, double& out) {
  while (const std::size_t size = margin(text, false)) text.remove_prefix(size);
  while (const std::size_t size = margin(text, true)) text.remove_suffix(size);
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  std::string lower;
  for (const char c : text.substr(0, 400)) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  constexpr double inf = std::numeric_limits<double>::infinity();
  if (lower == "inf" || lower == "infinity") return out = minus ? -inf : inf, true;
  if (lower == "nan") return out = std::numeric_limits<double>::quiet_NaN(), true;
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (text[i] != '_')
      digits += text[i];
    else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1))
      return false;
  }
  if (digits.starts_with('.')) digits.insert(0, "0");
  const std::size_t point = digits.find('.');
  if (point != digits.npos && (point + 1 == digits.size() || digits[point + 1] < '0' || digits[point + 1] > '9'))
    digits.insert(point + 1, "0");
  const std::size_t zeros = (std::min)(digits.find_first_not_of('0'), digits.size());
  const bool whole = zeros < digits.size() && digits[zeros] >= '0' && digits[zeros] <= '9';
  digits.erase(0, whole || zeros == 0 ? zeros : zeros - 1);
  if (digits.empty() || json_number_end(digits, 0) != digits.size() || digits[0] == '-') return false;
  out = minus ? -real_of(digits) : real_of(digits);
  return true;
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
