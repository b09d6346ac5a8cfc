/// The definitions behind output_file.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "nibble/file/os.hpp"
#include "nibble/file/output_file.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A name beside path for the n-th try.
inline std::filesystem::path temporary_name(const std::filesystem::path& path, int n) {
  std::filesystem::path out = path;
  return out += ".part" + std::to_string(n);
}
inline constexpr int temporary_names = 100;
inline constexpr std::size_t buffer_bytes = 256 * 1024;

}  // namespace detail

output_file::output_file(std::filesystem::path path, std::filesystem::path temporary, handle file) noexcept
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}

output_file::output_file(output_file&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      file_(std::exchange(other.file_, none())),
      buffer_(std::move(other.buffer_)) {}

output_file::~output_file() { discard(); }

result<void> output_file::try_write(std::span<const std::byte> bytes) {
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
  for (int n = 0;; ++n) {
    auto temporary = detail::temporary_name(path, n);
    const handle file = ::CreateFileW(temporary.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file != none()) return output_file(path, std::move(temporary), file);
    if (detail::os_code() != ERROR_FILE_EXISTS || n == detail::temporary_names)
      return detail::os_failure(temporary, "create", detail::os_code());
  }
}

result<void> output_file::put(std::span<const std::byte> bytes) {
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

#else

output_file::handle output_file::none() noexcept { return -1; }

void output_file::discard() noexcept {
  if (file_ == none()) return;
  ::close(std::exchange(file_, none()));
  ::unlink(temporary_.c_str());
}

result<output_file> output_file::try_create(const std::filesystem::path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return error(errc::io, detail::path_text(path) + ": not a regular file");
  for (int n = 0;; ++n) {
    auto temporary = detail::temporary_name(path, n);
    const handle file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file != none()) return output_file(path, std::move(temporary), file);
    const int code = detail::os_code();
    if (code != EEXIST || n == detail::temporary_names) return detail::os_failure(temporary, "create", code);
  }
}

result<void> output_file::put(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(file_, bytes.data(), (std::min)(bytes.size(), std::size_t{1} << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int code = written < 0 ? errno : ENOSPC;
      discard();
      return detail::os_failure(path_, "write", code);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

result<void> output_file::try_commit() {
  NIBBLE_TRY(put(buffer_));
  buffer_.clear();
  if (::fsync(file_) != 0) return detail::os_failure(path_, "write", detail::os_code());
  std::error_code refused;
  std::filesystem::rename(temporary_, path_, refused);
  if (refused) return detail::os_failure(path_, "replace", refused.value());
  ::close(std::exchange(file_, none()));
  // The new name itself reaches the disk with its folder; systems that cannot do this for a folder are left at that.
  const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  if (const int fd = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC); fd >= 0) {
    static_cast<void>(::fsync(fd));
    ::close(fd);
  }
  return {};
}

#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
