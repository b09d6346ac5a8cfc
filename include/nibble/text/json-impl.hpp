/// The definitions behind json.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "nibble/core/decimal.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/json_reader.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

void append_json_string(std::string_view text, std::string& out, bool ascii) {
  static constexpr char hex[] = "0123456789abcdef";
  const auto escape = [&](std::uint32_t unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += hex[unit >> shift & 15];
  };
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const utf8_character c = decode_utf8(text, at);
    at += c.size;
    const auto code = static_cast<std::uint32_t>(c.code);
    constexpr std::string_view plain = "\"\\\n\r\t\b\f", letters = "\"\\nrtbf";
    if (const std::size_t known = code < 0x80 ? plain.find(static_cast<char>(code)) : plain.npos; known != plain.npos) {
      out += {'\\', letters[known]};
    } else if (code < 0x20 || (ascii && code > 0x7E && code < 0x10000)) {
      escape(code);
    } else if (ascii && code >= 0x10000) {
      escape(0xD7C0 + (code >> 10));
      escape(0xDC00 + (code & 0x3FF));
    } else {
      append_utf8(c.code, out);
    }
  }
  out += '"';
}

std::size_t json_number_end(std::string_view text, std::size_t from) noexcept {
  std::size_t at = from;
  const auto is = [&](std::string_view any) { return at < text.size() && any.find(text[at]) != any.npos; };
  const auto digits = [&] {
    const std::size_t first = at;
    while (is("0123456789")) ++at;
    return at > first;
  };
  if (is("-")) ++at;
  if (is("0"))
    ++at;
  else if (!digits())
    return from;
  if (is(".")) {
    ++at;
    if (!digits()) return from;
  }
  if (is("eE")) {
    ++at;
    if (is("+-")) ++at;
    if (!digits()) return from;
  }
  return at;
}

/// Whether a number that fits no double is too large, and not too small.
inline bool is_above_doubles(std::string_view number) noexcept {
  const std::size_t e = (std::min)(number.find_first_of("eE"), number.size());
  const std::size_t point = (std::min)(number.find('.'), e);
  const std::size_t first = number.find_first_of("123456789");
  long long exponent = 0;
  if (e < number.size()) {
    const std::string_view written = number.substr(e + 1 + (number.substr(e + 1).starts_with('+') ? 1 : 0));
    const auto [end, failed] = std::from_chars(written.data(), written.data() + written.size(), exponent);
    if (failed != std::errc()) return !written.starts_with('-');
  }
  return exponent + static_cast<long long>(point) - static_cast<long long>(first) > 0;
}

double real_of(std::string_view number) noexcept {
  double value = 0;
  const std::string_view bare = number.substr(number.starts_with('+') ? 1 : 0);
  const auto [end, failed] = number_from_chars(bare.data(), bare.data() + bare.size(), value);
  if (failed == std::errc::result_out_of_range) {
    value = is_above_doubles(bare) ? std::numeric_limits<double>::infinity() : 0.0;
    if (bare.starts_with('-')) value = -value;
  }
  return value;
}

std::string described(const json& value) {
  switch (value.kind()) {
    case json_kind::null:
      return "null";
    case json_kind::boolean:
      return value.boolean() ? "true" : "false";
    case json_kind::number:
      return "the number " + std::string(value.digits().substr(0, 40));
    case json_kind::string:
      return "the text " + quoted(value.string());
    case json_kind::array:
      return "an array";
    default:
      return "an object";
  }
}

std::string place_in(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line = before.rfind('\n') + 1;  // 0 in the first one
  const auto columns = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(line), before.end(),
                                     [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return "line " + std::to_string(lines + 1) + ", column " + std::to_string(columns + 1);
}

}  // namespace detail

result<json> json::try_parse(std::string_view text, const nibble::limits& limits) {
  return detail::json_reader(text, limits).read();
}

result<json> json::try_number(std::string text) {
  if (text.empty() || detail::json_number_end(text, 0) != text.size())
    return error(errc::malformed, "expected a number as JSON writes it, found " + detail::quoted(text));
  json out;
  out.value_ = written_number{std::move(text)};
  return out;
}

json::json(double number) {
  if (!std::isfinite(number)) return;
  char text[32];
  value_ = written_number{std::string(text, std::to_chars(text, text + sizeof text, number).ptr)};
}
json json::array(std::vector<json> items) {
  json out;
  out.value_ = std::move(items);
  return out;
}
json json::object(std::vector<member> members) {
  json out;
  out.value_ = std::move(members);
  return out;
}

json json::array() { return array({}); }
json json::object() { return object({}); }

bool json::boolean() const noexcept {
  const bool* truth = std::get_if<bool>(&value_);
  return truth && *truth;
}
std::string_view json::string() const& noexcept {
  const std::string* text = std::get_if<std::string>(&value_);
  return text ? std::string_view(*text) : std::string_view();
}
std::string_view json::digits() const& noexcept {
  const auto* number = std::get_if<written_number>(&value_);
  return number ? std::string_view(number->text) : std::string_view();
}
std::optional<std::int64_t> json::integer() const noexcept {
  std::string_view text = digits();
  const bool minus = text.starts_with('-');
  if (minus) text.remove_prefix(1);
  const std::size_t end = std::min(text.find_first_of("eE"), text.size());
  const std::string_view written = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t power = 0;
  const auto [last, failed] = std::from_chars(text.data(), text.data() + text.size(), power);
  if (failed == std::errc::result_out_of_range)
    power = text.starts_with('-') ? -(std::int64_t{1} << 62) : std::int64_t{1} << 62;
  const std::size_t point = std::min(written.find('.'), written.size()), behind = written.find_last_not_of("0.");
  if (behind == written.npos) return written.empty() ? std::nullopt : std::optional<std::int64_t>(0);
  const std::int64_t zeros = power + static_cast<std::int64_t>(point) - static_cast<std::int64_t>(behind) - (behind < point);
  if (zeros < 0 || zeros > 18) return std::nullopt;
  const std::uint64_t most = (std::uint64_t{1} << 63) - !minus;
  std::uint64_t value = 0;
  const auto append = [&](char c) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    return value <= (most - digit) / 10 && (value = value * 10 + digit, true);
  };
  for (const char c : written.substr(0, behind + 1))
    if (c != '.' && !append(c)) return std::nullopt;
  for (std::int64_t i = 0; i < zeros; ++i)
    if (!append('0')) return std::nullopt;
  return static_cast<std::int64_t>(minus ? 0 - value : value);
}
std::optional<double> json::real() const noexcept {
  return is(json_kind::number) ? std::optional(detail::real_of(digits())) : std::nullopt;
}

std::span<const json> json::items() const& noexcept {
  const auto* items = std::get_if<array_of>(&value_);
  return items ? std::span<const json>(*items) : std::span<const json>();
}
std::span<const json::member> json::members() const& noexcept {
  const auto* members = std::get_if<object_of>(&value_);
  return members ? std::span<const member>(*members) : std::span<const member>();
}
const json* json::find(std::string_view key) const& noexcept {
  for (const member& m : members())
    if (m.key == key) return &m.value;
  return nullptr;
}

void json::push_back(json item) {
  if (!is(json_kind::array)) value_ = array_of();
  std::get_if<array_of>(&value_)->push_back(std::move(item));
}
void json::set(std::string_view key, json value) {
  if (!is(json_kind::object)) value_ = object_of();
  auto& members = *std::get_if<object_of>(&value_);
  const auto known = std::find_if(members.begin(), members.end(), [&](const member& m) { return m.key == key; });
  if (known != members.end())
    known->value = std::move(value);
  else
    members.push_back({std::string(key), std::move(value)});
}

namespace detail {
/// A value, or the beginning of one that has others.
inline void append_json_value(const json& value, std::string& out) {
  switch (value.kind()) {
    case json_kind::null:
      out += "null";
      break;
    case json_kind::boolean:
      out += value.boolean() ? "true" : "false";
      break;
    case json_kind::number:
      out += value.digits();
      break;
    case json_kind::string:
      append_json_string(value.string(), out);
      break;
    case json_kind::array:
      out += '[';
      break;
    case json_kind::object:
      out += '{';
      break;
  }
}
}  // namespace detail

std::string json::text() const {
  struct open {
    const json* value;
    std::size_t next;
  };
  std::string out;
  std::vector<open> opened;
  const json* now = this;
  for (;;) {
    if (now) detail::append_json_value(*now, out);
    if (now && (now->is(json_kind::array) || now->is(json_kind::object))) opened.push_back({now, 0});
    if (opened.empty()) return out;
    auto& [value, next] = opened.back();
    const bool object = value->is(json_kind::object);
    if (next == value->items().size() + value->members().size()) {
      out += object ? '}' : ']';
      opened.pop_back();
      now = nullptr;
      continue;
    }
    if (next > 0) out += ',';
    if (object) {
      detail::append_json_string(value->members()[next].key, out);
      out += ':';
    }
    now = object ? &value->members()[next].value : &value->items()[next];
    ++next;
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
