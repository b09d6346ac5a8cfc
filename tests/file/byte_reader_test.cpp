#include "nibble/file/byte_reader.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using nibble::byte_reader;
using nibble::errc;

namespace {
std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}
constexpr std::uint64_t huge = ~std::uint64_t{0};
}  // namespace

TEST_CASE("numbers are little endian, whatever their alignment") {
  const auto raw = bytes({9, 0x01, 0x02, 0x03, 0x04, 0xff, 0xff, 0, 0, 0x80, 0x3f});
  byte_reader in(raw);
  std::uint8_t a = 0;
  std::uint32_t b = 0;
  std::int16_t c = 0;
  float d = 0;
  REQUIRE(in.read(a, "a"));
  REQUIRE(in.read(b, "b"));
  REQUIRE(in.read(c, "c"));
  REQUIRE(in.read(d, "d"));
  CHECK(a == 9);
  CHECK(b == 0x04030201);
  CHECK(c == -1);
  CHECK(d == 1.0f);
  CHECK(in.remaining() == 0);
  CHECK(nibble::store_little(std::uint32_t{0x04030201})[0] == std::byte{1});
  CHECK(nibble::load_little<double>(nibble::store_little(-0.1).data()) == -0.1);
}

TEST_CASE("need compares with what is left, so that no count wraps") {
  const auto raw = bytes({1, 2, 3, 4});
  byte_reader in(raw);
  REQUIRE(in.skip(3, "a"));
  CHECK(in.need(0, "x"));
  CHECK(in.need(1, "x"));
  CHECK_FALSE(in.need(2, "x"));
  CHECK_FALSE(in.need(huge, "x"));
  CHECK_FALSE(in.need(huge - 2, "x"));
}

TEST_CASE("a failed read says where and what, and moves nothing") {
  const auto raw = bytes({1, 2, 3, 4, 5});
  byte_reader in(raw);
  REQUIRE(in.skip(2, "a"));
  std::uint32_t n = 77;
  const auto failed = in.read(n, "version");
  REQUIRE(!failed);
  CHECK(failed.failure().code() == errc::truncated);
  CHECK(std::string(failed.failure().what()) == "offset 2: expected 4 bytes of version, found 3");
  CHECK(n == 77);
  CHECK(in.position() == 2);
  CHECK_FALSE(in.skip(4, "b"));
  CHECK_FALSE(in.skip(huge, "b"));
  CHECK(in.position() == 2);
}

TEST_CASE("spans of bytes are handed out where they lie") {
  const auto raw = bytes({1, 2, 3, 4, 5});
  byte_reader in(raw);
  std::span<const std::byte> part;
  REQUIRE(in.read(part, 3, "part"));
  CHECK(part.data() == raw.data());
  CHECK(part.size() == 3);
  CHECK_FALSE(in.read(part, 3, "part"));
  CHECK_FALSE(in.read(part, huge, "part"));
  CHECK(part.size() == 3);
  CHECK(in.position() == 3);
}

TEST_CASE("a string is read with its length") {
  auto raw = bytes({3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c', 'd'});
  byte_reader in(raw);
  std::string_view text;
  REQUIRE(in.read(text, 3, "name"));
  CHECK(text == "abc");
  CHECK(in.position() == 11);
}

TEST_CASE("a string longer than allowed, than the file, or than its length field is refused") {
  const auto outcome = [](std::vector<std::byte> raw, std::uint64_t most) {
    byte_reader in(raw);
    std::string_view text = "before";
    const auto read = in.read(text, most, "name");
    CHECK(!read);
    CHECK(text == "before");
    CHECK(in.position() == 0);
    return std::string(read.failure().what());
  };
  CHECK(outcome(bytes({3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c'}), 2) == "offset 0: expected at most 2 bytes of name, found 3");
  CHECK(outcome(bytes({3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b'}), 9) == "offset 8: expected 3 bytes of name, found 2");
  CHECK(outcome(bytes({3, 0, 0, 0, 0, 0, 0}), 9) == "offset 0: expected 8 bytes of name, found 7");
  CHECK(outcome(bytes({255, 255, 255, 255, 255, 255, 255, 255, 'a'}), huge) ==
        "offset 8: expected 18446744073709551615 bytes of name, found 1");
}
