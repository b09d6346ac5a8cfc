/// The definitions behind json_pointer.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "nibble/text/hex.hpp"
#include "nibble/text/json_pointer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

std::string take_pointer_step(std::string_view& pointer) {
  pointer.remove_prefix(1);
  const std::string_view step = pointer.substr(0, pointer.find('/'));
  pointer.remove_prefix(step.size());
  std::string bytes;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const int high = i + 2 < step.size() ? hex_value(step[i + 1]) : -1, low = high < 0 ? -1 : hex_value(step[i + 2]);
    const bool escaped = step[i] == '%' && low >= 0;
    bytes += escaped ? static_cast<char>(high * 16 + low) : step[i];
    i += escaped ? 2 : 0;
  }
  std::string key;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool escaped = bytes[i] == '~' && i + 1 < bytes.size();
    key += !escaped ? bytes[i] : bytes[++i] == '1' ? '/' : '~';
  }
  return key;
}

std::string pointer_step(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~' || c == '/')
      (out += '~') += c == '~' ? '0' : '1';
    else
      out += c;
  }
  return out;
}

const json* pointed_at(const json& at, std::string_view key) {
  if (!at.is(json_kind::array)) return at.find(key);
  std::size_t n = 0;
  for (const char c : key) {
    if (c < '0' || c > '9' || n > 100'000'000) return nullptr;
    n = n * 10 + static_cast<std::size_t>(c - '0');
  }
  return !key.empty() && n < at.items().size() ? &at.items()[n] : nullptr;
}

const json* referred_to(const json& root, std::string_view reference) {
  if (!reference.starts_with("#/")) return nullptr;
  const json* at = &root;
  for (std::string_view rest = reference.substr(1); at && !rest.empty();) at = pointed_at(*at, take_pointer_step(rest));
  return at;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
