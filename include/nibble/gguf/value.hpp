/// value: one typed metadata value, kept in the encoding of the file: borrowed from it, or owned when made in memory.
///
/// Reading copies nothing: a vocabulary of 262,144 tokens is one pointer until somebody asks for it.
/// @source  the GGUF specification, section "Metadata value types"
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/byte_reader.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The numbers are those of the file format.
enum class value_type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

namespace detail {
struct value_type_info {
  std::string_view name;
  std::uint32_t least_bytes;  // of one value; all of it, if fixed
  bool fixed;
};
inline constexpr auto value_types = std::to_array<value_type_info>({
    {"u8", 1, true},
    {"i8", 1, true},
    {"u16", 2, true},
    {"i16", 2, true},
    {"u32", 4, true},
    {"i32", 4, true},
    {"f32", 4, true},
    {"bool", 1, true},
    {"string", 8, false},
    {"array", 12, false},
    {"u64", 8, true},
    {"i64", 8, true},
    {"f64", 8, true},
});
constexpr const value_type_info& info_of(value_type type) noexcept { return value_types[static_cast<std::size_t>(type)]; }

/// The type that a C++ number or string is stored as.
template <class T>
consteval value_type stored_as() {
  if constexpr (std::same_as<T, bool>) {
    return value_type::boolean;
  } else if constexpr (std::integral<T>) {
    constexpr std::array unsigned_types = {value_type::u8, value_type::u16, value_type::u32, value_type::u64};
    constexpr std::array signed_types = {value_type::i8, value_type::i16, value_type::i32, value_type::i64};
    constexpr auto width = static_cast<std::size_t>(std::bit_width(sizeof(T)) - 1);
    return std::is_signed_v<T> ? signed_types[width] : unsigned_types[width];
  } else if constexpr (std::floating_point<T>) {
    return sizeof(T) == 4 ? value_type::f32 : value_type::f64;
  } else {
    return value_type::string;
  }
}
}  // namespace detail

/// "u32", "string", ...
constexpr std::string_view name_of(value_type type) noexcept { return detail::info_of(type).name; }

/// What a value can be asked for: bool, any integer, float, double, or a string_view into the value.
template <class T>
concept value_element = std::same_as<T, bool> || stored_number<T> || std::same_as<T, std::string_view>;

/// One metadata value. Integers convert to any integer type that holds them; f32 and f64 to float and double; nothing else.
///
/// @example  nibble::value layers(std::uint32_t{26});
///           auto n = layers.try_as<int>();   // result<int>: 26
class value {
 public:
  template <class T>
  requires std::same_as<T, bool> || stored_number<T>
  explicit value(T scalar) : type_(detail::stored_as<T>()) { append(scalar); }
  explicit value(std::string_view text) : type_(value_type::string) { append(text); }
  explicit value(const char* text) : value(std::string_view(text)) {}
  explicit value(const std::string& text) : value(std::string_view(text)) {}
  /// An array of numbers, bools, strings or string_views.
  template <class T>
  explicit value(const std::vector<T>& elements) : type_(value_type::array) {
    append(static_cast<std::uint32_t>(detail::stored_as<T>()));
    append(std::uint64_t{elements.size()});
    for (const auto& element : elements) append(element);
  }

  /// A value whose encoding lies elsewhere and outlives this object and its copies.
  /// @errors  none; precondition: `encoded` is one whole, valid value of this type
  static value borrow(value_type type, std::span<const std::byte> encoded) noexcept { return value(type, encoded); }

  value_type type() const noexcept { return type_; }
  bool is_array() const noexcept { return type_ == value_type::array; }
  /// The type of an array's elements; the value's own type if it is no array.
  value_type element_type() const noexcept {
    return is_array() ? static_cast<value_type>(load_little<std::uint32_t>(bytes().data())) : type_;
  }
  /// Elements of an array; 1 if it is no array.
  std::uint64_t size() const noexcept { return is_array() ? load_little<std::uint64_t>(bytes().data() + 4) : 1; }
  /// The value as a GGUF file holds it, after its type.
  std::span<const std::byte> bytes() const noexcept { return own_.empty() ? borrowed_ : std::span<const std::byte>(own_); }
  /// "u32", "array of 2048 string".
  std::string type_name() const {
    if (!is_array()) return std::string(name_of(type_));
    return "array of " + std::to_string(size()) + " " + std::string(name_of(element_type()));
  }

  /// This value as a T.
  /// @errors  bad_value: another kind of type, or a number that T cannot hold
  template <value_element T>
  result<T> try_as() const {
    if (is_array()) return error(errc::bad_value, unexpected<T>(type_name()));
    return convert<T>(type_, bytes().data());
  }

  /// The elements of this array as T; strings point into the value.
  /// @errors  bad_value: no array, or an element that is no T
  /// @cost    O(size), one allocation
  template <value_element T>
  result<std::vector<T>> try_as_array() const;

 private:
  value(value_type type, std::span<const std::byte> encoded) noexcept : type_(type), borrowed_(encoded) {}

  void append_raw(const void* data, std::size_t size) {
    const std::size_t at = own_.size();
    own_.resize(at + size);
    if (size > 0) std::memcpy(own_.data() + at, data, size);
  }
  void append(std::same_as<bool> auto flag) { own_.push_back(flag ? std::byte{1} : std::byte{0}); }
  template <stored_number T>
  void append(T number) {
    const auto raw = store_little(number);
    append_raw(raw.data(), raw.size());
  }
  void append(std::string_view text) {
    append(std::uint64_t{text.size()});
    append_raw(text.data(), text.size());
  }

  template <class T>
  static std::string unexpected(std::string_view found) {
    return "expected " + std::string(name_of(detail::stored_as<T>())) + ", found " + std::string(found);
  }
  template <std::integral T, std::integral From>
  static result<T> narrow(value_type type, const std::byte* at) {
    const From number = load_little<From>(at);
    if (std::in_range<T>(number)) return static_cast<T>(number);
    return error(errc::bad_value, unexpected<T>(std::to_string(number) + " (" + std::string(name_of(type)) + ")"));
  }
  template <class T>
  static result<T> convert(value_type type, const std::byte* at);

  value_type type_;
  std::span<const std::byte> borrowed_;
  std::vector<std::byte> own_;
};

template <class T>
result<T> value::convert(value_type type, const std::byte* at) {
  if constexpr (std::same_as<T, bool>) {
    if (type == value_type::boolean) return *at != std::byte{0};
  } else if constexpr (std::integral<T>) {
    switch (type) {
      case value_type::u8:
        return narrow<T, std::uint8_t>(type, at);
      case value_type::i8:
        return narrow<T, std::int8_t>(type, at);
      case value_type::u16:
        return narrow<T, std::uint16_t>(type, at);
      case value_type::i16:
        return narrow<T, std::int16_t>(type, at);
      case value_type::u32:
        return narrow<T, std::uint32_t>(type, at);
      case value_type::i32:
        return narrow<T, std::int32_t>(type, at);
      case value_type::u64:
        return narrow<T, std::uint64_t>(type, at);
      case value_type::i64:
        return narrow<T, std::int64_t>(type, at);
      default:
        break;
    }
  } else if constexpr (std::floating_point<T>) {
    if (type == value_type::f32) return static_cast<T>(load_little<float>(at));
    if (type == value_type::f64) return static_cast<T>(load_little<double>(at));
  } else {
    if (type == value_type::string)
      return std::string_view(reinterpret_cast<const char*>(at + 8), static_cast<std::size_t>(load_little<std::uint64_t>(at)));
  }
  return error(errc::bad_value, unexpected<T>(name_of(type)));
}

template <value_element T>
result<std::vector<T>> value::try_as_array() const {
  if (!is_array()) return error(errc::bad_value, "expected an array, found " + type_name());
  const value_type element = element_type();
  const auto count = static_cast<std::size_t>(size());
  const std::byte* at = bytes().data() + 12;
  std::vector<T> out;
  if (element == value_type::array) return error(errc::bad_value, unexpected<T>("array"));
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto one = convert<T>(element, at);
    if (!one) return std::move(one).failure().in("element " + std::to_string(i));
    at += detail::info_of(element).least_bytes;
    if (element == value_type::string) at += static_cast<std::size_t>(load_little<std::uint64_t>(at - 8));
    out.push_back(*one);
  }
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
