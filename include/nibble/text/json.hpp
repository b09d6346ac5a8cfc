/// json: a value of JSON, read from text within limits and written again.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a value is.
enum class json_kind : std::uint8_t { null, boolean, number, string, array, object };

/// A value of JSON. Numbers are kept as they are written, members of objects in their order.
///
/// @example  auto weather = nibble::json::parse(R"({"city": "Ulm", "days": [1, 2]})");
///           std::string_view city = weather.find("city")->string();   // "Ulm"
///           auto days = weather.find("days")->items().size();         // 2
///           weather.set("unit", "C");
///           std::string text = weather.text();   // {"city":"Ulm","days":[1,2],"unit":"C"}
class json {
 public:
  /// What an object consists of.
  struct member;
  /// Arrays and objects inside of each other, in any text that is read.
  static constexpr std::size_t deepest = 1'000;

  /// The value of a text, which is UTF-8 as RFC 8259 defines JSON, and nothing more: no comments, no byte order mark.
  ///
  /// Where an object has a key twice, the last value counts, in the place of the first. Escaped surrogates have to come in
  /// pairs. Any length of a number is read.
  /// @errors  malformed, limit_exceeded (json_bytes, json_values, json_depth); the sentence names line and column
  /// @cost    O(text.size()), and O(n log n) comparisons for the n members of an object
  /// @source  RFC 8259
  static result<json> try_parse(std::string_view text, const limits& limits = {});
  /// A number as JSON writes it.
  /// @errors  malformed
  static result<json> try_number(std::string text);
#if NIBBLE_EXCEPTIONS
  static json parse(std::string_view text, const limits& limits = {}) { return try_parse(text, limits).value(); }
  static json number(std::string text) { return try_number(std::move(text)).value(); }
#endif

  json() noexcept;
  json(const json& other);
  json(json&& other) noexcept;
  json& operator=(const json& other);
  json& operator=(json&& other) noexcept;
  ~json();

  /// null, true or false.
  json(std::nullptr_t) noexcept;
  json(std::same_as<bool> auto truth) noexcept;
  /// Null where the number is infinite or none.
  json(double number);
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>) json(Integer number);
  json(char) = delete;
  json(std::string text) noexcept;
  json(std::string_view text);
  json(const char* text);
  static json array(std::vector<json> items);
  static json array();
  /// Keys have to differ.
  static json object(std::vector<member> members);
  static json object();

  /// What it is.
  json_kind kind() const noexcept { return static_cast<json_kind>(value_.index()); }
  bool is(json_kind kind) const noexcept { return this->kind() == kind; }

  /// False for what is no boolean, empty for what is no text: ask kind() where that matters.
  bool boolean() const noexcept;
  std::string_view string() const& noexcept;
  std::string_view string() const&& = delete;
  /// A number as it is written, or nothing.
  std::string_view digits() const& noexcept;
  std::string_view digits() const&& = delete;
  /// A number that is whole and fits, however it is written: 30, 30.0 and 3e1 are the same.
  /// @cost  O(digits)
  std::optional<std::int64_t> integer() const noexcept;
  /// The nearest double of a number: an infinity beyond the largest.
  std::optional<double> real() const noexcept;

  /// Of an array, else none.
  std::span<const json> items() const& noexcept;
  std::span<const json> items() const&& = delete;
  /// Of an object, else none.
  std::span<const member> members() const& noexcept;
  std::span<const member> members() const&& = delete;
  /// The value of a key, or null for what has none and for what is no object.
  /// @cost  O(members)
  const json* find(std::string_view key) const& noexcept;
  const json* find(std::string_view key) const&& = delete;

  /// Appends to an array. What is no array becomes an empty one first.
  void push_back(json item);
  /// Gives a key its value, in the place that it has, or behind all others. What is no object becomes an empty one first.
  /// @cost  O(members)
  void set(std::string_view key, json value);

  /// The value as text without spaces. What is no UTF-8 in its strings is written as U+FFFD.
  std::string text() const;

 private:
  struct written_number {
    std::string text;
  };
  using array_of = std::vector<json>;
  using object_of = std::vector<member>;

  std::variant<std::nullptr_t, bool, written_number, std::string, array_of, object_of> value_;  // in the order of json_kind
};

/// A name in an object, and its value.
struct json::member {
  std::string key;
  json value;
};

// Here, where a member is known:
inline json::json() noexcept = default;
inline json::json(const json& other) = default;
inline json::json(json&& other) noexcept = default;
inline json& json::operator=(const json& other) = default;
inline json& json::operator=(json&& other) noexcept = default;
inline json::~json() = default;
inline json::json(std::nullptr_t) noexcept {}
json::json(std::same_as<bool> auto truth) noexcept : value_(truth) {}
template <std::integral Integer>
requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>) json::json(Integer number)
    : value_(written_number{std::to_string(number)}) {}
inline json::json(std::string text) noexcept : value_(std::move(text)) {}
inline json::json(std::string_view text) : value_(std::string(text)) {}
inline json::json(const char* text) : value_(std::string(text)) {}

namespace detail {
/// Appends a string as JSON writes it, with its quotes. With `ascii`, what is above U+007E is escaped, as Python does.
void append_json_string(std::string_view text, std::string& out, bool ascii = false);
/// Where the number that begins at `from` ends, or `from` where none does.
/// @source  RFC 8259, section 6
std::size_t json_number_end(std::string_view text, std::size_t from) noexcept;
/// The double of a number that JSON or Python may write, without underscores: an infinity beyond the largest, 0 below the
/// least.
double real_of(std::string_view number) noexcept;
/// What a value is, for a sentence that ends with it: "an array", "the text 'a'".
std::string described(const json& value);
/// "line 3, column 7", both from 1, columns in characters.
std::string place_in(std::string_view text, std::size_t at);
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
