/// Reading the parameters of samplers from text: for sampler files and the registry, not for users.
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <system_error>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline error unexpected_value(std::string_view expected, std::string_view found) {
  return error(errc::invalid_argument,
               std::string("expected ").append(expected).append(", found \"").append(found).append("\""));
}

/// Spaces and tabs at both ends do not count.
constexpr std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The whole text as one number, whatever the locale.
template <class Number>
result<void> parse_number(std::string_view text, Number& out) {
  const char* end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data(), end, out);
  if (failure == std::errc() && stopped == end) return {};
  return unexpected_value(std::floating_point<Number> ? "a number" : "a whole number", text);
}

/// A step with a single parameter.
template <class Step, class Number>
result<Step> parse_into(std::string_view text) {
  Number number{};
  NIBBLE_TRY(parse_number(text, number));
  return Step{number};
}

/// Calls f(key, value) for each part of "key:value,key:value", until one fails.
template <class F>
result<void> for_each_pair(std::string_view text, F f) {
  for (;;) {
    const std::size_t comma = text.find(',');
    const std::string_view part = trimmed(text.substr(0, comma));
    const std::size_t colon = part.find(':');
    if (colon == std::string_view::npos) return unexpected_value("name:value", part);
    NIBBLE_TRY(f(trimmed(part.substr(0, colon)), trimmed(part.substr(colon + 1))));
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
