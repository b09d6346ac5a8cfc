#include "nibble/file/readable_file.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "nibble/file/mapped_file.hpp"

using namespace nibble_test;
using nibble::errc;
using nibble::readable_file;

namespace {
std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(i * 31 % 251);
  return out;
}
}  // namespace

TEST_CASE("any part of a file is read, also after the object has moved") {
  const temporary_folder folder;
  const auto written = pattern(100'001);
  auto file = readable_file::open(folder.put("a", written));
  readable_file moved = std::move(file);
  file = std::move(moved);
  CHECK(file.size() == written.size());
  for (const auto& [offset, bytes] : {std::pair<std::size_t, std::size_t>{0, 100'001}, {5, 1}, {100'000, 1}, {100'001, 0}}) {
    std::vector<std::byte> out(bytes);
    CHECK(file.try_read(offset, out));
    CHECK(std::equal(out.begin(), out.end(), written.begin() + std::ptrdiff_t(offset)));
  }
}

#if !defined(_WIN32)  // where nobody shortens a file that is open
TEST_CASE("a file that has become shorter is an error that says where it ends") {
  const temporary_folder folder;
  const auto path = folder.put("a", pattern(1000));
  const auto file = readable_file::open(path);
  std::filesystem::resize_file(path, 600);
  std::vector<std::byte> out(500);
  CHECK(file.try_read(100, out));
  const auto failed = file.try_read(200, out);
  REQUIRE(!failed);
  CHECK(failed.failure().code() == errc::truncated);
  CHECK(std::string(failed.failure().what()) ==
        "offset 600: expected 100 bytes more, found the end: the file has become shorter");
}
#endif

TEST_CASE("a name in UTF-8 is one on every system, whatever the locale") {
  const temporary_folder folder;
  const std::string name = "gr\xC3\xB6\xC3\x9F\x65 \xE6\x97\xA5\xE6\x9C\xAC";
  const auto path = folder / "" / nibble::utf8_path(name);
  CHECK(path.filename().u8string() == std::u8string(name.begin(), name.end()));
  const auto missing = readable_file::try_open(path);
  REQUIRE(!missing);
  CHECK(std::string(missing.failure().what()).find(name + ": cannot open: no such file") != std::string::npos);
}

TEST_CASE("what is no file is not opened") {
  const temporary_folder folder;
  for (const auto& path : {(folder / "missing").parent_path(), folder / "missing"}) {
    const auto file = readable_file::try_open(path);
    REQUIRE(!file);
    CHECK(file.failure().code() == errc::io);
    CHECK(std::string(file.failure().what()).starts_with(path.string() + ": "));
  }
}
