#include "nibble/file/byte_source.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "file/temporary_folder.hpp"

using namespace nibble_test;
using nibble::byte_source;
using nibble::errc;
using nibble::result;

namespace {
std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 % 251);
  return out;
}
/// A reader of these bytes that gives no more than so many at once.
byte_source::reader reader_of(const std::vector<std::byte>& bytes, std::size_t at_once) {
  return [&bytes, at_once](std::uint64_t offset, std::span<std::byte> out) {
    const std::size_t there = bytes.size() - std::min<std::size_t>(bytes.size(), static_cast<std::size_t>(offset));
    const std::size_t given = std::min({there, at_once, out.size()});
    std::copy_n(bytes.data() + (bytes.size() - there), given, out.data());
    return given;
  };
}
std::string refusal(const byte_source& source, std::uint64_t offset, std::size_t bytes, errc code) {
  std::vector<std::byte> out(bytes);
  const auto done = source.try_read(offset, out);
  REQUIRE(!done);
  CHECK(done.failure().code() == code);
  return done.failure().what();
}
}  // namespace

TEST_CASE("a reader that gives a few bytes at a time fills what it is asked for") {
  const auto bytes = pattern(1000);
  for (const std::size_t at_once : {1u, 7u, 1000u}) {
    const byte_source source(bytes.size(), reader_of(bytes, at_once), "asset");
    CHECK(source.size() == 1000);
    CHECK(source.name() == "asset");
    for (const auto& [offset, count] : {std::pair<std::size_t, std::size_t>{0, 1000}, {990, 10}, {3, 500}}) {
      std::vector<std::byte> out(count);
      CHECK(source.try_read(offset, out));
      CHECK(std::equal(out.begin(), out.end(), bytes.begin() + std::ptrdiff_t(offset)));
    }
    CHECK(source.try_read(1000, {}));
  }
}

TEST_CASE("a reader that ends before its size, or gives more than it is asked for, is an error that says where") {
  const auto bytes = pattern(1000);
  CHECK(refusal({2000, reader_of(bytes, 64)}, 900, 200, errc::truncated) ==
        "offset 1000: expected 100 bytes more, found the end, before the size of 2000");
  const byte_source generous(1000, [](std::uint64_t, std::span<std::byte> out) { return out.size() + 1; });
  CHECK(refusal(generous, 5, 10, errc::invalid_argument) ==
        "offset 5: the reader says that it gave 11 bytes, with room for 10");
}

TEST_CASE("nothing is asked for beyond the size, nor without a reader") {
  std::size_t asked = 0;
  const byte_source source(1000, [&](std::uint64_t, std::span<std::byte> out) { return ++asked, out.size(); });
  CHECK(refusal(source, 999, 2, errc::truncated) == "offset 999: expected 2 bytes, beyond the size of 1000");
  CHECK(refusal(source, ~std::uint64_t{0}, 2, errc::truncated).find("beyond the size") != std::string::npos);
  CHECK(asked == 0);
  CHECK(refusal({1000, nullptr}, 0, 1, errc::invalid_argument) == "offset 0: a byte_source without a reader");
  CHECK(refusal({}, 0, 1, errc::truncated).find("beyond the size of 0") != std::string::npos);
}

TEST_CASE("a reader's error is told as it is, and what it throws passes through") {
  const byte_source failing(1000, [](std::uint64_t, std::span<std::byte>) -> result<std::size_t> {
    return nibble::error(errc::io, "the store is locked");
  });
  CHECK(refusal(failing, 0, 1, errc::io) == "the store is locked");
#if NIBBLE_EXCEPTIONS
  const byte_source throwing(1000, [](std::uint64_t, std::span<std::byte>) -> std::size_t { throw std::runtime_error("no"); });
  std::vector<std::byte> out(1);
  CHECK_THROWS_AS(static_cast<void>(throwing.try_read(0, out)), std::runtime_error);
  CHECK_THROWS_AS(failing.read(0, out), nibble::error);
#endif
}

#if !defined(_WIN32)  // where nobody shortens a file that is open
TEST_CASE("a file of the system's is a source, which stays open as long as a copy of it lives") {
  const temporary_folder folder;
  const auto bytes = pattern(1000);
  const auto path = folder.put("a", bytes);
  byte_source copy;
  {
    const byte_source source(nibble::readable_file::open(path), "a");
    copy = source;
  }
  std::vector<std::byte> out(10);
  CHECK(copy.try_read(500, out));
  CHECK(std::equal(out.begin(), out.end(), bytes.begin() + 500));
  std::filesystem::resize_file(path, 505);
  CHECK(refusal(copy, 500, 10, errc::truncated).find("the file has become shorter") != std::string::npos);
}
#endif
