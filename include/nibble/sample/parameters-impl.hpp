/// The definitions behind parameters.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

error unexpected_value(std::string_view expected, std::string_view found) {
  return error(errc::invalid_argument,
               std::string("expected ").append(expected).append(", found \"").append(found).append("\""));
}

template <class Number>
result<void> parse_whole(std::string_view text, Number& out) {
  const char* end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data(), end, out);
  if (failure == std::errc() && stopped == end) return {};
  return unexpected_value(std::floating_point<Number> ? "a number" : "a whole number", text);
}

result<void> parse_number(std::string_view text, float& out) { return parse_whole(text, out); }
result<void> parse_number(std::string_view text, std::size_t& out) { return parse_whole(text, out); }
result<void> parse_number(std::string_view text, std::int32_t& out) { return parse_whole(text, out); }

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
