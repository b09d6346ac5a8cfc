#include "nibble/file/output_file.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "file/temporary_folder.hpp"
#include "support/files.hpp"

#if !defined(_WIN32)
#include <sys/resource.h>
#endif

using namespace nibble_test;
using nibble::errc;
using nibble::output_file;

namespace {
std::vector<std::byte> filled(std::size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}
}  // namespace

TEST_CASE("a committed file holds what was written, in pieces small and large") {
  const temporary_folder folder;
  std::vector<std::byte> expected;
  auto file = output_file::try_create(folder / "out");
  REQUIRE(file);
  const std::vector<std::size_t> pieces{0, 1, 1000, 262143, 1, 262144, 262145, 3, 700000, 5};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto piece = filled(pieces[i], int(i + 1));
    REQUIRE(file->try_write(piece));
    expected.insert(expected.end(), piece.begin(), piece.end());
  }
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
  REQUIRE(file->try_commit());
  CHECK(read_all(folder / "out") == expected);
  CHECK(folder.files() == 1);
}

TEST_CASE("a file that is not committed leaves the old one and nothing else") {
  const temporary_folder folder;
  folder.put("out", filled(10, 7));
  {
    auto file = output_file::try_create(folder / "out");
    REQUIRE(file);
    REQUIRE(file->try_write(filled(1'000'000, 1)));
    CHECK(folder.files() == 2);
  }
  CHECK(folder.files() == 1);
  CHECK(read_all(folder / "out") == filled(10, 7));
}

TEST_CASE("a committed file replaces the old one") {
  const temporary_folder folder;
  folder.put("out", filled(10, 7));
  auto file = output_file::try_create(folder / "out");
  REQUIRE(file);
  REQUIRE(file->try_write(filled(3, 8)));
  REQUIRE(file->try_commit());
  CHECK(read_all(folder / "out") == filled(3, 8));
}

TEST_CASE("two writers of one name do not mix their bytes") {
  const temporary_folder folder;
  auto a = output_file::try_create(folder / "out");
  auto b = output_file::try_create(folder / "out");
  REQUIRE(a);
  REQUIRE(b);
  REQUIRE(a->try_write(filled(500'000, 1)));
  REQUIRE(b->try_write(filled(400'000, 2)));
  REQUIRE(a->try_commit());
  REQUIRE(b->try_commit());
  CHECK(read_all(folder / "out") == filled(400'000, 2));
  CHECK(folder.files() == 1);
}

TEST_CASE("places that cannot be written are refused by name") {
  const temporary_folder folder;
  const auto refusal = [](const std::filesystem::path& path) {
    const auto file = output_file::try_create(path);
    REQUIRE(!file);
    CHECK(file.failure().code() == errc::io);
    return std::string(file.failure().what());
  };
  CHECK(refusal(folder / "missing/out").find("no such file") != std::string::npos);
  std::filesystem::create_directory(folder / "folder");
  CHECK(refusal(folder / "folder").ends_with(": not a regular file"));
#if !defined(_WIN32)
  CHECK(refusal("/dev/null") == "/dev/null: not a regular file");
  CHECK(refusal("/dev/full") == "/dev/full: not a regular file");
#endif
  CHECK(folder.files() == 1);
}

#if !defined(_WIN32)
TEST_CASE("when the system takes no more bytes, the old file is intact and the new one gone") {
  const temporary_folder folder;
  folder.put("out", filled(10, 7));
  // A file-size limit stands for the full disk: the write that crosses it is cut short, the next one fails.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 300'000;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string what;
  bool committed = false;
  {
    auto file = output_file::try_create(folder / "out");
    if (file) {
      REQUIRE(file->try_write(filled(200'000, 1)));
      const auto written = file->try_write(filled(900'000, 2));
      if (!written) what = written.failure().what();
      committed = bool(file->try_commit());
    }
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  CHECK(what == (folder / "out").string() + ": cannot write: file too large");
  CHECK_FALSE(committed);
  CHECK(read_all(folder / "out") == filled(10, 7));
  CHECK(folder.files() == 1);
}
#endif

TEST_CASE("a vector takes bytes like a file") {
  std::vector<std::byte> out;
  nibble::vector_sink sink(out);
  REQUIRE(sink.try_write(filled(2, 1)));
  REQUIRE(sink.try_write(filled(1, 2)));
  CHECK(out == std::vector<std::byte>{std::byte{1}, std::byte{1}, std::byte{2}});
}
