/// output_file: a file that appears whole or not at all. byte_sink: whatever takes bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/os.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Takes bytes one after the other.
class byte_sink {
 public:
  virtual result<void> try_write(std::span<const std::byte> bytes) = 0;

 protected:
  ~byte_sink() = default;
};

/// A sink that appends to a vector.
class vector_sink final : public byte_sink {
 public:
  explicit vector_sink(std::vector<std::byte>& out) noexcept : out_(&out) {}
  result<void> try_write(std::span<const std::byte> bytes) override {
    out_->insert(out_->end(), bytes.begin(), bytes.end());
    return {};
  }

 private:
  std::vector<std::byte>* out_;
};

/// Writes to a temporary file beside `path`, which try_commit() puts in its place: until then, and if anything fails, the old
/// file stays as it was. Without a commit the temporary file is removed.
///
/// @errors   io: the folder is missing, `path` is no regular file, no space, a limit of the system
/// @example  auto file = nibble::output_file::try_create("model.gguf");
///           NIBBLE_TRY(file->try_write(bytes));
///           NIBBLE_TRY(file->try_commit());
class output_file final : public byte_sink {
 public:
  output_file(output_file&& other) noexcept
      : path_(std::move(other.path_)),
        temporary_(std::move(other.temporary_)),
        file_(std::exchange(other.file_, none())),
        buffer_(std::move(other.buffer_)) {}
  output_file& operator=(output_file&&) = delete;
  ~output_file() { discard(); }

  static result<output_file> try_create(const std::filesystem::path& path);
  /// @cost  copies into a buffer of 256 KiB, which goes to the system when full
  result<void> try_write(std::span<const std::byte> bytes) override;
  /// Writes what is buffered, waits until the disk has it, and renames. The object is done with afterwards.
  result<void> try_commit();

 private:
#if defined(_WIN32)
  using handle = HANDLE;
  static handle none() noexcept { return INVALID_HANDLE_VALUE; }
#else
  using handle = int;
  static handle none() noexcept { return -1; }
#endif
  static constexpr std::size_t buffer_bytes = 256 * 1024;

  output_file(std::filesystem::path path, std::filesystem::path temporary, handle file) noexcept
      : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}
  result<void> put(std::span<const std::byte> bytes);  // past the buffer; a failure discards the file
  void discard() noexcept;

  std::filesystem::path path_, temporary_;
  handle file_;
  std::vector<std::byte> buffer_;
};

namespace detail {
/// A name beside path for the n-th try.
inline std::filesystem::path temporary_name(const std::filesystem::path& path, int n) {
  std::filesystem::path out = path;
  return out += ".part" + std::to_string(n);
}
inline constexpr int temporary_names = 100;
}  // namespace detail

inline result<void> output_file::try_write(std::span<const std::byte> bytes) {
  buffer_.reserve(buffer_bytes);
  if (bytes.size() > buffer_bytes - buffer_.size()) {
    NIBBLE_TRY(put(buffer_));
    buffer_.clear();
    if (bytes.size() >= buffer_bytes) return put(bytes);
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  return {};
}

#if defined(_WIN32)

inline void output_file::discard() noexcept {
  if (file_ == none()) return;
  ::CloseHandle(std::exchange(file_, none()));
  ::DeleteFileW(temporary_.c_str());
}

inline result<output_file> output_file::try_create(const std::filesystem::path& path) {
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

inline result<void> output_file::put(std::span<const std::byte> bytes) {
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

inline result<void> output_file::try_commit() {
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

inline void output_file::discard() noexcept {
  if (file_ == none()) return;
  ::close(std::exchange(file_, none()));
  ::unlink(temporary_.c_str());
}

inline result<output_file> output_file::try_create(const std::filesystem::path& path) {
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

inline result<void> output_file::put(std::span<const std::byte> bytes) {
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

inline result<void> output_file::try_commit() {
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
