/// The definitions behind output_file.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "nibble/file/os.hpp"
#include "nibble/file/output_file.hpp"

#if !defined(_WIN32)
#include <sys/resource.h>

#include <cstdio>  // rename, and nothing else of it
#endif

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A name beside path for the n-th try.
inline std::filesystem::path temporary_name(const std::filesystem::path& path, int n) {
  std::filesystem::path out = path;
  return out += ".part" + std::to_string(n);
}
/// What is told where an earlier failure, a commit or a move has left nothing to write to.
inline error no_file(const std::filesystem::path& path) {
  return error(errc::io, path_text(path) + ": nothing is open that could be written to");
}
inline constexpr int temporary_names = 100;
inline constexpr std::size_t buffer_bytes = 256 * 1024;

}  // namespace detail

output_file::output_file(std::filesystem::path path) noexcept : path_(std::move(path)), file_(none()) {}

output_file::output_file(output_file&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      file_(std::exchange(other.file_, none())),
      written_(other.written_),
      buffer_(std::move(other.buffer_)) {}

output_file::~output_file() { discard(); }

result<void> output_file::try_write(std::span<const std::byte> bytes) {
  if (file_ == none()) return detail::no_file(path_);
  buffer_.reserve(detail::buffer_bytes);
  if (bytes.size() > detail::buffer_bytes - buffer_.size()) {
    NIBBLE_TRY(put(buffer_));
    buffer_.clear();
    if (bytes.size() >= detail::buffer_bytes) return put(bytes);
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return {};
}

#if defined(_WIN32)

output_file::handle output_file::none() noexcept { return INVALID_HANDLE_VALUE; }

void output_file::discard() noexcept {
  if (file_ == none()) return;
  ::CloseHandle(std::exchange(file_, none()));
  ::DeleteFileW(temporary_.c_str());
}

result<output_file> output_file::try_create(const std::filesystem::path& path) {
  const DWORD attributes = ::GetFileAttributesW(path.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE)))
    return error(errc::io, detail::path_text(path) + ": not a regular file");
  output_file made(path);
  for (int n = 0;; ++n) {
    made.temporary_ = detail::temporary_name(path, n);
    made.file_ = ::CreateFileW(made.temporary_.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (made.file_ != none()) return made;
    const int code = detail::os_code();
    if (code != ERROR_FILE_EXISTS || n == detail::temporary_names) return detail::os_failure(made.temporary_, "create", code);
  }
}

result<void> output_file::put(std::span<const std::byte> bytes) {
  if (file_ == none()) return detail::no_file(path_);
  while (!bytes.empty()) {
    const auto chunk = static_cast<DWORD>((std::min)(bytes.size(), std::size_t{1} << 30));
    DWORD written = 0;
    if (!::WriteFile(file_, bytes.data(), chunk, &written, nullptr) || written == 0) {
      const int code = detail::os_code();
      discard();
      return detail::os_failure(path_, "write", code);
    }
    bytes = bytes.subspan(written);
  }
  return {};
}

result<void> output_file::try_commit() {
  NIBBLE_TRY(put(buffer_));
  buffer_.clear();
  if (!::FlushFileBuffers(file_)) return detail::os_failure(path_, "write", detail::os_code());
  ::CloseHandle(std::exchange(file_, none()));
  if (!::MoveFileExW(temporary_.c_str(), path_.c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
    const int code = detail::os_code();
    ::DeleteFileW(temporary_.c_str());
    return detail::os_failure(path_, "replace", code);
  }
  return {};
}

result<void> try_overwrite(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  const HANDLE file =
      ::CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return detail::os_failure(path, "open", detail::os_code());
  const auto place = [](std::uint64_t at) {
    OVERLAPPED out{};
    out.Offset = static_cast<DWORD>(at), out.OffsetHigh = static_cast<DWORD>(at >> 32);
    return out;
  };
  const auto chunk = [](std::size_t size) { return static_cast<DWORD>((std::min)(size, std::size_t{1} << 30)); };
  LARGE_INTEGER size{};
  bool read = ::GetFileType(file) == FILE_TYPE_DISK && ::GetFileSizeEx(file, &size);
  const auto old_size = static_cast<std::uint64_t>(size.QuadPart);
  std::vector<std::byte> old(
      static_cast<std::size_t>((std::min<std::uint64_t>)(bytes.size(), old_size - (std::min)(offset, old_size))));
  for (std::size_t at = 0; read && at < old.size();) {
    OVERLAPPED from = place(offset + at);
    DWORD count = 0;
    read = ::ReadFile(file, old.data() + at, chunk(old.size() - at), &count, &from) && count > 0;
    at += count;
  }
  auto done = !read ? result<void>(detail::os_failure(path, "read", detail::os_code()))
                    : detail::write_or_restore(
                          [&](std::span<const std::byte> rest) -> result<void> {
                            bool good = true;
                            for (std::uint64_t at = offset; good && !rest.empty();) {
                              OVERLAPPED to = place(at);
                              DWORD count = 0;
                              good = ::WriteFile(file, rest.data(), chunk(rest.size()), &count, &to) && count > 0;
                              rest = rest.subspan(count), at += count;
                            }
                            if (good && ::FlushFileBuffers(file)) return {};
                            return detail::os_failure(path, "write", detail::os_code());
                          },
                          bytes, old);
  LARGE_INTEGER end{};
  end.QuadPart = size.QuadPart;
  if (read && !done && ::SetFilePointerEx(file, end, nullptr, FILE_BEGIN)) ::SetEndOfFile(file);
  ::CloseHandle(file);
  return done;
}

#else

namespace detail {

/// A new file, open for writing, or -1. Not as one of the three streams that programs write to without asking, where a host has
/// closed them.
inline int create(const char* path, mode_t mode) noexcept {
  const int file = ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0 || file > STDERR_FILENO) return file;
  const int higher = ::fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), code = errno;
  ::close(file);
  if (higher < 0) ::unlink(path);
  errno = code;
  return higher;
}

/// Gives a new file owner, group and permissions of the one that it will replace, as far as the system allows.
inline void make_alike(int file, const struct stat& old) noexcept {
  struct stat now;
  if (::fstat(file, &now) != 0) return;
  bool owned = now.st_uid == old.st_uid && now.st_gid == old.st_gid;
  if (!owned) owned = ::fchown(file, old.st_uid, old.st_gid) == 0;
  // Who gets more than it had by another owner or group: nobody.
  static_cast<void>(::fchmod(file, old.st_mode & (owned ? 07777 : 0777)));
}

/// Whether the limit on the size of files allows so many more bytes: the system answers a write beyond it by a signal.
inline bool may_grow(std::uint64_t size, std::uint64_t more) noexcept {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
  return size <= limit.rlim_cur && more <= limit.rlim_cur - size;
}

/// Waits until the disk has what was written: whether it has. On macOS fsync leaves it in the disk's own memory.
inline bool reach_disk(int file) noexcept {
#if defined(F_FULLFSYNC)
  if (::fcntl(file, F_FULLFSYNC) == 0) return true;  // not every file system knows it
#endif
  int done = 0;
  do done = ::fsync(file);
  while (done != 0 && errno == EINTR);
  return done == 0;
}

}  // namespace detail

output_file::handle output_file::none() noexcept { return -1; }

void output_file::discard() noexcept {
  if (file_ == none()) return;
  ::close(std::exchange(file_, none()));
  ::unlink(temporary_.c_str());
}

result<output_file> output_file::try_create(const std::filesystem::path& path) {
  struct stat old;
  const bool replaces = ::stat(path.c_str(), &old) == 0;
  if (replaces && !S_ISREG(old.st_mode)) return error(errc::io, detail::path_text(path) + ": not a regular file");
  std::error_code failure;
  const bool linked = std::filesystem::is_symlink(path, failure);
  output_file made(linked ? std::filesystem::canonical(path, failure) : path);
  if (linked && failure) return detail::os_failure(path, "follow", failure.value());
  for (int n = 0;; ++n) {
    made.temporary_ = detail::temporary_name(made.path_, n);
    made.file_ = detail::create(made.temporary_.c_str(), replaces ? old.st_mode & 0777 : 0666);
    if (made.file_ != none()) break;
    const int code = detail::os_code();
    if (code != EEXIST || n == detail::temporary_names) return detail::os_failure(made.temporary_, "create", code);
  }
  if (replaces) detail::make_alike(made.file_, old);
  return made;
}

result<void> output_file::put(std::span<const std::byte> bytes) {
  if (file_ == none()) return detail::no_file(path_);
  if (!detail::may_grow(written_, bytes.size())) {
    discard();
    return detail::os_failure(path_, "write", EFBIG);
  }
  while (!bytes.empty()) {
    const auto written = ::write(file_, bytes.data(), (std::min)(bytes.size(), std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int code = written < 0 ? errno : ENOSPC;
      discard();
      return detail::os_failure(path_, "write", code);
    }
    written_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

result<void> output_file::try_commit() {
  NIBBLE_TRY(put(buffer_));
  buffer_.clear();
  const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  if (!detail::reach_disk(file_)) return detail::os_failure(path_, "write", detail::os_code());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return detail::os_failure(path_, "replace", detail::os_code());
  ::close(std::exchange(file_, none()));
  // The new name itself reaches the disk with its folder; systems that cannot do this for a folder are left at that.
  if (const int fd = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC); fd >= 0) {
    static_cast<void>(detail::reach_disk(fd));
    ::close(fd);
  }
  return {};
}

result<void> try_overwrite(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  struct closing {
    int fd;
    ~closing() {
      if (fd >= 0) ::close(fd);
    }
  };
  const closing file{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return detail::os_failure(path, "open", detail::os_code());
  struct stat status;
  if (::fstat(file.fd, &status) != 0) return detail::os_failure(path, "measure", detail::os_code());
  if (!S_ISREG(status.st_mode)) return error(errc::io, detail::path_text(path) + ": not a regular file");
  if (!detail::may_grow(offset, bytes.size())) return detail::os_failure(path, "write", EFBIG);
  constexpr std::size_t at_once = std::size_t{1} << 30;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::vector<std::byte> old(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), size - std::min(offset, size))));
  for (std::size_t at = 0; at < old.size();) {
    const auto read = ::pread(file.fd, old.data() + at, std::min(old.size() - at, at_once), static_cast<off_t>(offset + at));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) return detail::os_failure(path, "read", read < 0 ? errno : EIO);
    at += static_cast<std::size_t>(read);
  }
  const auto write = [&](std::span<const std::byte> rest) -> result<void> {
    for (std::uint64_t at = offset; !rest.empty();) {
      const auto written = ::pwrite(file.fd, rest.data(), std::min(rest.size(), at_once), static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return detail::os_failure(path, "write", written < 0 ? errno : ENOSPC);
      rest = rest.subspan(static_cast<std::size_t>(written)), at += static_cast<std::uint64_t>(written);
    }
    if (!detail::reach_disk(file.fd)) return detail::os_failure(path, "write", detail::os_code());
    return {};
  };
  auto done = detail::write_or_restore(write, bytes, old);
  if (!done) static_cast<void>(::ftruncate(file.fd, status.st_size) == 0);
  return done;
}

#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
