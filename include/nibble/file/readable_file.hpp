/// readable_file: a file that is open for reading, at any offset, into memory of the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// How the bytes of a file come into the process.
enum class file_access {
  mapped,  ///< as pages of the file: no copy, and no memory of the process's; see mapped_file for who may change it meanwhile
  read     ///< by reads into memory of its own: whatever happens to the file, the worst is an error
};

/// A regular file. Move-only; closed at its end.
/// @errors  try_open: io, for whatever is not a readable regular file (folders, pipes and devices are refused)
class readable_file {
 public:
  readable_file() noexcept = default;
  readable_file(readable_file&& other) noexcept;
  readable_file& operator=(readable_file&& other) noexcept;
  ~readable_file();

  /// Opens a file.
  /// @errors  io: it cannot be opened, or is no file of bytes
  static result<readable_file> try_open(const std::filesystem::path& path);
#if NIBBLE_EXCEPTIONS
  static readable_file open(const std::filesystem::path& path) { return try_open(path).value(); }
#endif

  /// Bytes that it had when it was opened.
  std::uint64_t size() const noexcept { return size_; }

  /// Fills `out` with the bytes from `offset` on. Any number of threads may read at once.
  /// @errors  truncated: the file has become shorter; io
  result<void> try_read(std::uint64_t offset, std::span<std::byte> out) const;
#if NIBBLE_EXCEPTIONS
  void read(std::uint64_t offset, std::span<std::byte> out) const { try_read(offset, out).value(); }
#endif

 private:
  friend class mapped_file;

#if defined(_WIN32)
  using handle = void*;
  static constexpr handle none = nullptr;
#else
  using handle = int;
  static constexpr handle none = -1;
#endif
  void close() noexcept;

  handle handle_ = none;
  std::uint64_t size_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
