#include "nibble/file/mapped_file.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "support/files.hpp"

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

using namespace nibble_test;
using nibble::errc;
using nibble::mapped_file;

namespace {
std::string refusal(const std::filesystem::path& path) {
  const auto file = mapped_file::try_open(path);
  REQUIRE(!file);
  CHECK(file.failure().code() == errc::io);
  const std::string what = file.failure().what();
  CHECK(what.starts_with(path.string() + ": "));
  return what.substr(path.string().size() + 2);
}
std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 % 251);
  return out;
}
}  // namespace

TEST_CASE("a mapped file shows the bytes of the file, also after it has moved") {
  const temporary_folder folder;
  const auto written = pattern(100'001);
  auto file = mapped_file::try_open(folder.put("a", written));
  REQUIRE(file);
  const auto* where = file->bytes().data();
  mapped_file moved = *std::move(file);
  mapped_file assigned;
  assigned = std::move(moved);
  CHECK(assigned.bytes().data() == where);
  CHECK(std::vector(assigned.bytes().begin(), assigned.bytes().end()) == written);
}

TEST_CASE("an empty file has no bytes") {
  const temporary_folder folder;
  const auto file = mapped_file::try_open(folder.put("empty", {}));
  REQUIRE(file);
  CHECK(file->bytes().empty());
  file->release(0, 0);
  file->release(0, 1);
}

TEST_CASE("what is no readable regular file is refused by name") {
  const temporary_folder folder;
  CHECK(refusal(folder / "missing") == "cannot open: no such file");
  std::filesystem::create_directory(folder / "folder");
#if defined(_WIN32)
  CHECK(refusal(folder / "a?b") == "cannot open: no name that a file can have");
#else
  CHECK(refusal(folder.put("file", pattern(3)) / "below") == "cannot open: a part of the path is not a folder");
  CHECK(refusal(folder / std::string(300, 'n')) == "cannot open: name too long");
  CHECK(refusal(folder / "folder") == "not a regular file");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(refusal(folder / "pipe") == "not a regular file");
  CHECK(refusal("/dev/zero") == "not a regular file");
#endif
}

TEST_CASE("released pages leave memory and come back when they are touched") {
  const temporary_folder folder;
  const std::size_t size = 8 << 20;
  const auto written = pattern(size);
  const auto path = folder.put("a", written);
  const auto file = mapped_file::try_open(path);
  REQUIRE(file);
  const auto sum = [&] {
    std::uint64_t s = 0;
    for (const auto b : file->bytes()) s += std::to_integer<unsigned>(b);
    return s;
  };
  const auto before = sum();
  file->release(0, size);
  file->release(4097, 12345);
  file->release(size - 1, 1);
  CHECK(sum() == before);
#if defined(__linux__)
  const auto resident = [&] { return nibble_test::resident_bytes(path); };
  CHECK(resident() == long(size));
  file->release(0, 1);
  CHECK(resident() < long(size));
  CHECK(resident() >= long(size) - (2 << 20));  // what is far away stays
  file->release(0, size);
  CHECK(resident() == 0);
  CHECK(sum() == before);

  std::uint64_t pieces = 0;
  for (std::size_t from = 0, piece = 700000; from < size; from += piece) {  // neither pages nor what comes in with them
    const auto bytes = file->bytes().subspan(from, std::min(piece, size - from));
    for (const auto b : bytes) pieces += std::to_integer<unsigned>(b);
    file->release(from, bytes.size());
  }
  CHECK(pieces == before);
  CHECK(resident() == 0);
#endif
}

TEST_CASE("a range outside of the file releases nothing") {
  const temporary_folder folder;
  const auto file = mapped_file::try_open(folder.put("a", pattern(8192)));
  REQUIRE(file);
  file->release(0, 8193);
  file->release(8193, 0);
  file->release(4096, ~std::size_t{0});
  file->release(~std::size_t{0}, 4096);
  CHECK(file->bytes()[8191] == static_cast<std::byte>(8191 * 31 % 251));
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("open throws the error that try_open returns") { CHECK_THROWS_AS(mapped_file::open("/no/such/file"), nibble::error); }
#endif
