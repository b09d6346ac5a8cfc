/// The definitions behind parameters.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>
#include <vector>

#include "nibble/core/decimal.hpp"
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
  const auto [stopped, failure] = number_from_chars(text.data(), end, out);
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

/// "a, b or c"
inline std::string names_of(std::initializer_list<named_number> fields) {
  std::string names;
  std::size_t left = fields.size();
  for (const named_number& f : fields) {
    names += f.name;
    if (--left > 0) names += left == 1 ? " or " : ", ";
  }
  return names;
}

result<void> parse_fields(std::string_view text, std::initializer_list<named_number> fields) {
  if (text.empty()) return {};
  return for_each_pair(text, [fields](std::string_view key, std::string_view value) -> result<void> {
    for (const named_number& f : fields) {
      if (f.name != key) continue;
      if (auto* one = std::get_if<float*>(&f.number)) return parse_number(value, **one);
      if (auto* one = std::get_if<std::size_t*>(&f.number)) return parse_number(value, **one);
      return parse_number(value, std::get<std::vector<std::int32_t>*>(f.number)->emplace_back());
    }
    return unexpected_value(names_of(fields), key);
  });
}

}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
