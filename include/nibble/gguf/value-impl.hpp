/// The definitions behind value.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/gguf/value.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline std::string unexpected(value_type wanted, std::string_view found) {
  return "expected " + std::string(name_of(wanted)) + ", found " + std::string(found);
}

/// An integer of a file as another type of integer.
template <class To, class From>
result<void> narrow(value_type type, const std::byte* at, void* out) {
  const From number = load_little<From>(at);
  if (!std::in_range<To>(number))
    return error(errc::bad_value,
                 unexpected(stored_as<To>(), std::to_string(number) + " (" + std::string(name_of(type)) + ")"));
  const auto exact = static_cast<To>(number);
  std::memcpy(out, &exact, sizeof exact);
  return {};
}

template <class To>
result<void> read_integer(value_type type, const std::byte* at, void* out) {
  switch (type) {
    case value_type::u8:
      return narrow<To, std::uint8_t>(type, at, out);
    case value_type::i8:
      return narrow<To, std::int8_t>(type, at, out);
    case value_type::u16:
      return narrow<To, std::uint16_t>(type, at, out);
    case value_type::i16:
      return narrow<To, std::int16_t>(type, at, out);
    case value_type::u32:
      return narrow<To, std::uint32_t>(type, at, out);
    case value_type::i32:
      return narrow<To, std::int32_t>(type, at, out);
    case value_type::u64:
      return narrow<To, std::uint64_t>(type, at, out);
    case value_type::i64:
      return narrow<To, std::int64_t>(type, at, out);
    default:
      return error(errc::bad_value, unexpected(stored_as<To>(), name_of(type)));
  }
}

template <class To>
result<void> read_float(value_type type, const std::byte* at, void* out) {
  if (type != value_type::f32 && type != value_type::f64)
    return error(errc::bad_value, unexpected(stored_as<To>(), name_of(type)));
  const To number =
      type == value_type::f32 ? static_cast<To>(load_little<float>(at)) : static_cast<To>(load_little<double>(at));
  std::memcpy(out, &number, sizeof number);
  return {};
}

/// The value of a type at `at` as what `wanted` is stored as.
inline result<void> read_element(value_type wanted, value_type type, const std::byte* at, void* out) {
  switch (wanted) {
    case value_type::u8:
      return read_integer<std::uint8_t>(type, at, out);
    case value_type::i8:
      return read_integer<std::int8_t>(type, at, out);
    case value_type::u16:
      return read_integer<std::uint16_t>(type, at, out);
    case value_type::i16:
      return read_integer<std::int16_t>(type, at, out);
    case value_type::u32:
      return read_integer<std::uint32_t>(type, at, out);
    case value_type::i32:
      return read_integer<std::int32_t>(type, at, out);
    case value_type::u64:
      return read_integer<std::uint64_t>(type, at, out);
    case value_type::i64:
      return read_integer<std::int64_t>(type, at, out);
    case value_type::f32:
      return read_float<float>(type, at, out);
    case value_type::f64:
      return read_float<double>(type, at, out);
    default:
      break;
  }
  if (type != wanted) return error(errc::bad_value, unexpected(wanted, name_of(type)));
  if (wanted == value_type::boolean) {
    *static_cast<unsigned char*>(out) = *at != std::byte{0} ? 1 : 0;
  } else {
    const auto length = static_cast<std::size_t>(load_little<std::uint64_t>(at));
    *static_cast<std::string_view*>(out) = std::string_view(reinterpret_cast<const char*>(at + 8), length);
  }
  return {};
}

/// Bytes of one element where it is stored, or of a string in memory.
inline std::size_t memory_bytes(value_type type) noexcept {
  return type == value_type::string ? sizeof(std::string_view) : info_of(type).least_bytes;
}

}  // namespace detail

value::value(std::string_view text) : type_(value_type::string) { append(text); }

std::string value::type_name() const {
  if (!is_array()) return std::string(name_of(type_));
  return "array of " + std::to_string(size()) + " " + std::string(name_of(element_type()));
}

void value::append_raw(const void* data, std::size_t size) {
  const std::size_t at = own_.size();
  own_.resize(at + size);
  if (size > 0) std::memcpy(own_.data() + at, data, size);
}

void value::append(std::string_view text) {
  append(std::uint64_t{text.size()});
  append_raw(text.data(), text.size());
}

result<void> value::try_read(value_type wanted, void* out) const {
  if (is_array()) return error(errc::bad_value, detail::unexpected(wanted, type_name()));
  return detail::read_element(wanted, type_, bytes().data(), out);
}

result<void> value::try_expect_array(value_type wanted) const {
  if (!is_array()) return error(errc::bad_value, "expected an array, found " + type_name());
  if (element_type() == value_type::array) return error(errc::bad_value, detail::unexpected(wanted, "array"));
  return {};
}

result<void> value::try_read_array(value_type wanted, void* out) const {
  const value_type element = element_type();
  const std::byte* at = bytes().data() + 12;
  auto* to = static_cast<std::byte*>(out);
  for (std::uint64_t i = 0, count = size(); i < count; ++i, to += detail::memory_bytes(wanted)) {
    if (auto read = detail::read_element(wanted, element, at, to); !read)
      return std::move(read).failure().in("element " + std::to_string(i));
    at += detail::info_of(element).least_bytes;
    if (element == value_type::string) at += static_cast<std::size_t>(load_little<std::uint64_t>(at - 8));
  }
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
