/// The definitions behind readable_file.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "nibble/file/os.hpp"
#include "nibble/file/readable_file.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

readable_file::readable_file(readable_file&& other) noexcept
    : handle_(std::exchange(other.handle_, none)), size_(std::exchange(other.size_, 0)) {}

readable_file& readable_file::operator=(readable_file&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(size_, other.size_);
  return *this;
}

readable_file::~readable_file() { close(); }

#if defined(_WIN32)

void readable_file::close() noexcept {
  if (handle_) ::CloseHandle(handle_);
}

result<readable_file> readable_file::try_open(const std::filesystem::path& path) {
  readable_file file;
  const HANDLE opened = ::CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                                      FILE_ATTRIBUTE_NORMAL, nullptr);
  if (opened == INVALID_HANDLE_VALUE) return detail::os_failure(path, "open", detail::os_code());
  file.handle_ = opened;
  if (::GetFileType(opened) != FILE_TYPE_DISK) return error(errc::io, detail::path_text(path) + ": not a regular file");
  LARGE_INTEGER size;
  if (!::GetFileSizeEx(opened, &size)) return detail::os_failure(path, "measure", detail::os_code());
  file.size_ = static_cast<std::uint64_t>(size.QuadPart);
  return file;
}

namespace detail {
/// Up to so many bytes; 0 at the end, less than 0 for a refusal.
inline std::int64_t read_some(void* handle, std::uint64_t offset, std::byte* out, std::size_t bytes) noexcept {
  OVERLAPPED at{};
  at.Offset = static_cast<DWORD>(offset);
  at.OffsetHigh = static_cast<DWORD>(offset >> 32);
  DWORD done = 0;
  if (::ReadFile(handle, out, static_cast<DWORD>(bytes), &done, &at)) return done;
  return ::GetLastError() == ERROR_HANDLE_EOF ? 0 : -1;
}
}  // namespace detail

#else

void readable_file::close() noexcept {
  if (handle_ >= 0) ::close(handle_);
}

result<readable_file> readable_file::try_open(const std::filesystem::path& path) {
  readable_file file;
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  file.handle_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.handle_ < 0) return detail::os_failure(path, "open", detail::os_code());
  struct stat status;
  if (::fstat(file.handle_, &status) != 0) return detail::os_failure(path, "measure", detail::os_code());
  if (!S_ISREG(status.st_mode)) return error(errc::io, detail::path_text(path) + ": not a regular file");
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

namespace detail {
/// Up to so many bytes; 0 at the end, less than 0 for a refusal.
inline std::int64_t read_some(int handle, std::uint64_t offset, std::byte* out, std::size_t bytes) noexcept {
  for (;;) {
    const auto done = ::pread(handle, out, bytes, static_cast<off_t>(offset));
    if (done >= 0 || errno != EINTR) return done;
  }
}
}  // namespace detail

#endif

result<void> readable_file::try_read(std::uint64_t offset, std::span<std::byte> out) const {
  constexpr std::size_t at_once = std::size_t{1} << 30;
  while (!out.empty()) {
    const std::int64_t done = detail::read_some(handle_, offset, out.data(), std::min(out.size(), at_once));
    if (done < 0)
      return error(errc::io, "cannot read at offset " + std::to_string(offset) + ": " + detail::os_text(detail::os_code()));
    if (done == 0) {
      return error(errc::truncated, "offset " + std::to_string(offset) + ": expected " + std::to_string(out.size()) +
                                        " bytes more, found the end: the file has become shorter");
    }
    offset += static_cast<std::uint64_t>(done);
    out = out.subspan(static_cast<std::size_t>(done));
  }
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
