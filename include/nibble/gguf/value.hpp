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
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
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
  /// A number, a truth, or a text.
  template <class T>
  requires std::same_as<T, bool> || stored_number<T>
  explicit value(T scalar) : type_(detail::stored_as<T>()) { append(scalar); }
  explicit value(std::string_view text);
  explicit value(const char* text) : value(std::string_view(text)) {}
  explicit value(const std::string& text) : value(std::string_view(text)) {}
  /// An array of numbers, bools, strings or string_views.
  template <class T>
  explicit value(const std::vector<T>& elements) : type_(value_type::array) {
    append(static_cast<std::uint32_t>(detail::stored_as<T>()));
    append(std::uint64_t{elements.size()});
    for (const auto& element : elements) append(static_cast<const T&>(element));  // of bools, it may be neither
  }

  /// A value whose encoding lies elsewhere and outlives this object and its copies.
  /// @errors  none; precondition: `encoded` is one whole, valid value of this type
  static value borrow(value_type type, std::span<const std::byte> encoded) noexcept { return value(type, encoded); }

  /// Its type as a file numbers it, and whether that is an array.
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
  /// A copy that refers to no memory but its own.
  value owned() const {
    value copy(type_, {});
    copy.own_.assign(bytes().begin(), bytes().end());
    return copy;
  }
  /// "u32", "array of 2048 string".
  std::string type_name() const;

  /// This value as a T.
  /// @errors  bad_value: another kind of type, or a number that T cannot hold
  template <value_element T>
  result<T> try_as() const {
    T out{};
    NIBBLE_TRY(try_read(detail::stored_as<T>(), &out));
    return out;
  }

  /// The elements of this array as T; strings point into the value.
  /// @errors  bad_value: no array, or an element that is no T
  /// @cost    O(size), one allocation
  template <value_element T>
  result<std::vector<T>> try_as_array() const {
    NIBBLE_TRY(try_expect_array(detail::stored_as<T>()));
    const auto count = static_cast<std::size_t>(size());
    if constexpr (std::same_as<T, bool>) {  // whose vector has no array inside
      std::vector<std::uint8_t> flags(count);
      NIBBLE_TRY(try_read_array(value_type::boolean, flags.data()));
      return std::vector<bool>(flags.begin(), flags.end());
    } else {
      std::vector<T> out(count);
      NIBBLE_TRY(try_read_array(detail::stored_as<T>(), out.data()));
      return out;
    }
  }

#if NIBBLE_EXCEPTIONS
  /// Throws what try_as returns.
  template <value_element T>
  T as() const {
    return try_as<T>().value();
  }
  template <value_element T>
  std::vector<T> as_array() const {
    return try_as_array<T>().value();
  }
#endif

 private:
  value(value_type type, std::span<const std::byte> encoded) noexcept : type_(type), borrowed_(encoded) {}

  void append_raw(const void* data, std::size_t size);
  void append(std::same_as<bool> auto flag) { append(static_cast<std::uint8_t>(flag ? 1 : 0)); }
  template <stored_number T>
  void append(T number) {
    const auto raw = store_little(number);
    append_raw(raw.data(), raw.size());
  }
  void append(std::string_view text);

  /// Writes this value to `out`, which points to what `wanted` is stored as.
  result<void> try_read(value_type wanted, void* out) const;
  result<void> try_expect_array(value_type wanted) const;
  result<void> try_read_array(value_type wanted, void* out) const;

  value_type type_;
  std::span<const std::byte> borrowed_;
  std::vector<std::byte> own_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
