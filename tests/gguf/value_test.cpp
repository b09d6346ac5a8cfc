#include "nibble/gguf/value.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/craft.hpp"

using namespace nibble_test;
using nibble::errc;
using nibble::value;
using nibble::value_type;

namespace {
template <class T>
std::string refusal(const value& v) {
  const auto outcome = v.try_as<T>();
  REQUIRE(!outcome);
  CHECK(outcome.failure().code() == errc::bad_value);
  return outcome.failure().what();
}
}  // namespace

TEST_CASE("a value remembers the type it was made from") {
  CHECK(value(std::uint8_t{1}).type() == value_type::u8);
  CHECK(value(std::int8_t{1}).type() == value_type::i8);
  CHECK(value(std::uint16_t{1}).type() == value_type::u16);
  CHECK(value(std::int16_t{1}).type() == value_type::i16);
  CHECK(value(std::uint32_t{1}).type() == value_type::u32);
  CHECK(value(1).type() == value_type::i32);
  CHECK(value(1ull).type() == value_type::u64);
  CHECK(value(std::int64_t{1}).type() == value_type::i64);
  CHECK(value(1.0f).type() == value_type::f32);
  CHECK(value(1.0).type() == value_type::f64);
  CHECK(value(true).type() == value_type::boolean);
  CHECK(value("text").type() == value_type::string);
  CHECK(value(std::string("text")).type() == value_type::string);
  CHECK(value(std::vector<float>{1, 2}).type_name() == "array of 2 f32");
  CHECK(value(std::vector<std::string>{"a"}).type_name() == "array of 1 string");
  CHECK(value(std::vector<const char*>{"a", "b"}).type_name() == "array of 2 string");
  CHECK(value(std::vector<bool>{}).type_name() == "array of 0 bool");
  CHECK(value(std::uint32_t{1}).type_name() == "u32");
}

TEST_CASE("an integer converts to every integer type that holds it") {
  CHECK(*value(std::uint8_t{200}).try_as<std::int64_t>() == 200);
  CHECK(*value(std::int64_t{-5}).try_as<std::int8_t>() == -5);
  CHECK(*value(std::uint64_t{70000}).try_as<std::uint32_t>() == 70000);
  CHECK(*value(std::uint64_t{1} << 63).try_as<std::uint64_t>() == std::uint64_t{1} << 63);
  CHECK(*value(std::int16_t{-3}).try_as<int>() == -3);
}

TEST_CASE("an integer that does not fit is refused with its value") {
  CHECK(refusal<std::uint32_t>(value(-1)) == "expected u32, found -1 (i32)");
  CHECK(refusal<std::uint8_t>(value(std::uint32_t{256})) == "expected u8, found 256 (u32)");
  CHECK(refusal<std::int64_t>(value(std::uint64_t{1} << 63)) == "expected i64, found 9223372036854775808 (u64)");
  CHECK(refusal<int>(value(std::int64_t{1} << 31)) == "expected i32, found 2147483648 (i64)");
}

TEST_CASE("floats convert to each other, and nothing becomes what it is not") {
  CHECK(*value(0.5f).try_as<double>() == 0.5);
  CHECK(*value(0.1).try_as<float>() == 0.1f);
  CHECK(std::isinf(*value(1e300).try_as<float>()));
  CHECK(std::isnan(*value(std::numeric_limits<float>::quiet_NaN()).try_as<float>()));
  CHECK(refusal<float>(value(1)) == "expected f32, found i32");
  CHECK(refusal<int>(value(1.0f)) == "expected i32, found f32");
  CHECK(refusal<bool>(value(1)) == "expected bool, found i32");
  CHECK(refusal<int>(value(true)) == "expected i32, found bool");
  CHECK(refusal<std::string_view>(value(1)) == "expected string, found i32");
  CHECK(refusal<int>(value("1")) == "expected i32, found string");
  CHECK(refusal<int>(value(std::vector{1, 2})) == "expected i32, found array of 2 i32");
  CHECK(refusal<std::string_view>(value(std::vector<std::string>{"a"})) == "expected string, found array of 1 string");
}

TEST_CASE("strings are views of the value") {
  const value v("a\0b");
  CHECK(*v.try_as<std::string_view>() == "a");
  const value whole(std::string_view("a\0b", 3));
  CHECK(*whole.try_as<std::string_view>() == std::string_view("a\0b", 3));
  CHECK(reinterpret_cast<const std::byte*>(whole.try_as<std::string_view>()->data()) == whole.bytes().data() + 8);
  CHECK(value("").try_as<std::string_view>()->empty());
}

TEST_CASE("arrays of every kind come back as vectors") {
  CHECK(*value(std::vector<int>{-1, 2}).try_as_array<int>() == std::vector<int>{-1, 2});
  CHECK(*value(std::vector<std::uint16_t>{1, 2}).try_as_array<std::uint64_t>() == std::vector<std::uint64_t>{1, 2});
  CHECK(*value(std::vector<double>{0.5}).try_as_array<float>() == std::vector<float>{0.5f});
  CHECK(*value(std::vector<bool>{true, false}).try_as_array<bool>() == std::vector<bool>{true, false});
  const value strings(std::vector<std::string>{"one", "", "three"});
  CHECK(*strings.try_as_array<std::string_view>() == std::vector<std::string_view>{"one", "", "three"});
  CHECK(value(std::vector<int>{}).try_as_array<int>()->empty());
}

TEST_CASE("an array that is none, or of another type, is refused") {
  const auto refused = [](const auto& outcome) {
    REQUIRE(!outcome);
    CHECK(outcome.failure().code() == errc::bad_value);
    return std::string(outcome.failure().what());
  };
  CHECK(refused(value(1).try_as_array<int>()) == "expected an array, found i32");
  CHECK(refused(value(std::vector{1, 2, -3}).try_as_array<std::uint32_t>()) == "element 2: expected u32, found -3 (i32)");
  CHECK(refused(value(std::vector{1.0f}).try_as_array<int>()) == "element 0: expected i32, found f32");
  const auto nested = raw(array(9, 1, array(4, 0, "")));
  CHECK(refused(value::borrow(value_type::array, nested).try_as_array<int>()) == "expected i32, found array");
}

TEST_CASE("a borrowed value copies nothing, an owned one is copied whole") {
  const auto bytes = raw(array(8, 2, text("one") + text("two")));
  const value borrowed = value::borrow(value_type::array, bytes);
  const value copy = borrowed;
  CHECK(copy.bytes().data() == bytes.data());
  CHECK(copy.size() == 2);
  CHECK(copy.element_type() == value_type::string);
  value made(std::vector<std::string>{"one", "two"});
  const value second = made;
  CHECK(second.bytes().data() != made.bytes().data());
  made = value(3);
  CHECK(*second.try_as_array<std::string_view>() == std::vector<std::string_view>{"one", "two"});
  CHECK(std::vector(second.bytes().begin(), second.bytes().end()) == bytes);
}
