/// arguments: numbers that a command line gives.
#pragma once

#include <charconv>
#include <cmath>
#include <nibble/error.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <type_traits>

/// A text that is a number of this type, and nothing else.
template <class T>
std::optional<T> number_in(const std::string& text) {
  T number{};
  if constexpr (std::is_floating_point_v<T>) {
    std::istringstream in(text);
    if (in >> number && in.eof() && std::isfinite(number)) return number;
  } else {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed == std::errc() && end == text.data() + text.size()) return number;
  }
  return std::nullopt;
}

/// The number that an argument is, within [least, most]; an error that names it otherwise.
template <class T>
T argument(const std::string& name, const std::string& text, T least, T most) {
  if (const auto number = number_in<T>(text); number && *number >= least && *number <= most) return *number;
  std::ostringstream sentence;
  sentence << name << ": expected " << (std::is_integral_v<T> ? "a whole number" : "a number") << " from " << least << " to "
           << most << ", found '" << text << "'";
  throw nibble::error(nibble::errc::invalid_argument, sentence.str());
}
