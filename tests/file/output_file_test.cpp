#include "nibble/file/output_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "file/temporary_folder.hpp"
#include "support/files.hpp"
#include "support/full_disk.hpp"

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
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
  std::string what, after;
  bool committed = false;
  {
    const full_disk full(300'000);
    auto file = output_file::try_create(folder / "out");
    if (file) {
      REQUIRE(file->try_write(filled(200'000, 1)));
      const auto written = file->try_write(filled(900'000, 2));
      if (!written) what = written.failure().what();
      CHECK_FALSE(file->try_write(filled(10, 3)));
      const auto commit = file->try_commit();
      committed = bool(commit);
      if (!commit) after = commit.failure().what();
    }
  }
  CHECK(what == (folder / "out").string() + ": cannot write: file too large");
  CHECK(after == (folder / "out").string() + ": nothing is open that could be written to");
  CHECK_FALSE(committed);
  CHECK(read_all(folder / "out") == filled(10, 7));
  CHECK(folder.files() == 1);
}
#endif

#if !defined(_WIN32)
TEST_CASE("a file up to the limit of the system is written") {
  const temporary_folder folder;
  bool exact = false, one_more = true;
  for (bool* good : {&exact, &one_more}) {
    const full_disk full(300'000);
    auto file = output_file::try_create(folder / "out");
    *good = file && file->try_write(filled(good == &exact ? 300'000 : 300'001, 1)) && file->try_commit();
  }
  CHECK(exact);
  CHECK_FALSE(one_more);
  CHECK(read_all(folder / "out").size() == 300'000);
}

TEST_CASE("behind a symbolic link the file is replaced, and the link stays; a link to nothing is refused") {
  const temporary_folder folder;
  REQUIRE(std::filesystem::create_directory(folder / "elsewhere"));
  const auto real = folder.put("elsewhere/real", filled(10, 7));
  std::filesystem::create_symlink("elsewhere/real", folder / "link");
  {
    auto file = output_file::try_create(folder / "link");
    REQUIRE(file);
    REQUIRE(file->try_write(filled(3, 8)));
    REQUIRE(file->try_commit());
  }
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_all(real) == filled(3, 8));
  std::filesystem::remove(real);
  const auto none = output_file::try_create(folder / "link");
  REQUIRE(!none);
  CHECK(std::string(none.failure().what()).find("link") != std::string::npos);
  CHECK(std::filesystem::is_symlink(folder / "link"));
}

TEST_CASE("a file that is replaced keeps its permissions and owner; a new one has the usual ones") {
  const temporary_folder folder;
  const auto write = [&](const char* name) {
    auto file = output_file::try_create(folder / name);
    REQUIRE(file);
    REQUIRE(file->try_write(filled(3, 8)));
    REQUIRE(file->try_commit());
    struct stat status;
    REQUIRE(::stat((folder / name).c_str(), &status) == 0);
    return status;
  };
  for (const mode_t mode : {0600u, 0640u, 0664u, 0755u, 0400u, 0444u, 0777u}) {
    const auto path = folder.put("out", filled(10, 7));
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), 65534, 65533) == 0);
    const auto status = write("out");
    CHECK((status.st_mode & 07777) == mode);
    if (::geteuid() == 0) CHECK((status.st_uid == 65534 && status.st_gid == 65533));
    REQUIRE(std::filesystem::remove(path));
  }
  const mode_t mask = ::umask(027);
  const auto fresh = write("new").st_mode & 07777;
  ::umask(mask);
  CHECK(fresh == 0640);
}

TEST_CASE("a file that replaces a secret is no less secret while it is written") {
  const temporary_folder folder;
  REQUIRE(::chmod(folder.put("out", filled(10, 7)).c_str(), 0600) == 0);
  const auto file = output_file::try_create(folder / "out");
  REQUIRE(file);
  struct stat status;
  REQUIRE(::stat((folder / "out.part0").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a host without standard streams does not write to its file by them") {
  const temporary_folder folder;
  const int kept = ::dup(STDIN_FILENO);
  ::close(STDIN_FILENO);
  {
    auto file = output_file::try_create(folder / "out");
    CHECK(::fcntl(STDIN_FILENO, F_GETFD) == -1);
    CHECK((file && file->try_write(filled(3, 8)) && file->try_commit()));
  }
  if (kept >= 0) ::dup2(kept, STDIN_FILENO), ::close(kept);
  CHECK(read_all(folder / "out") == filled(3, 8));
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

TEST_CASE("bytes of a file are overwritten where they stand, and a file that ends before them grows") {
  const temporary_folder folder;
  const auto path = folder.put("a", std::vector<std::byte>(100, std::byte{1}));
  CHECK(nibble::try_overwrite(path, 10, std::vector<std::byte>(5, std::byte{2})));
  auto expected = std::vector<std::byte>(100, std::byte{1});
  std::fill_n(expected.begin() + 10, 5, std::byte{2});
  CHECK(read_all(path) == expected);
  CHECK(nibble::try_overwrite(path, 99, std::vector<std::byte>(3, std::byte{3})));
  expected.resize(102), std::fill_n(expected.begin() + 99, 3, std::byte{3});
  CHECK(read_all(path) == expected);
  CHECK(nibble::try_overwrite(path, 50, {}));
  CHECK(read_all(path) == expected);
  CHECK(folder.files() == 1);
}

TEST_CASE("what stood in a file is written again where a write fails in the middle") {
  std::vector<std::byte> file(10, std::byte{1});
  std::size_t room = 4;  // of one write
  const auto write = [&](std::span<const std::byte> bytes) -> nibble::result<void> {
    const std::size_t now = std::min(bytes.size(), std::exchange(room, file.size()));
    std::copy_n(bytes.begin(), now, file.begin());
    if (now < bytes.size()) return nibble::error(nibble::errc::io, "no space");
    return {};
  };
  const std::vector<std::byte> old = file, made(10, std::byte{2});
  const auto failed = nibble::detail::write_or_restore(write, made, old);
  REQUIRE_FALSE(failed);
  CHECK(std::string(failed.failure().what()) == "no space");
  CHECK(file == old);
  CHECK(nibble::detail::write_or_restore(write, made, old));
  CHECK(file == made);
}

TEST_CASE("what is no file, or may not grow, is not overwritten") {
  const temporary_folder folder;
  const std::vector<std::byte> bytes(10, std::byte{2});
  const auto refused = [&](const std::filesystem::path& path, std::uint64_t offset) {
    const auto done = nibble::try_overwrite(path, offset, bytes);
    REQUIRE(!done);
    CHECK(done.failure().code() == nibble::errc::io);
    return std::string(done.failure().what());
  };
  CHECK(refused(folder / "none", 0).ends_with("cannot open: no such file"));
  CHECK(!std::filesystem::exists(folder / "none"));
  CHECK(refused(folder / "", 0).find("cannot open") != std::string::npos);
#if !defined(_WIN32)
  CHECK(refused("/dev/null", 0) == "/dev/null: not a regular file");
  const auto path = folder.put("a", std::vector<std::byte>(100));
  const std::string sentence = [&] {
    const full_disk full(105);
    return refused(path, 100);
  }();
  CHECK(sentence.ends_with("cannot write: file too large"));
  CHECK(read_all(path) == std::vector<std::byte>(100));
#endif
}
