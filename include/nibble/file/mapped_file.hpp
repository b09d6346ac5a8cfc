/// mapped_file: a whole file as read-only bytes that the operating system loads on demand and may drop again.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The path that a text in UTF-8 names. A path that is made of plain text depends, on Windows, on the locale.
inline std::filesystem::path utf8_path(std::string_view name) { return std::u8string(name.begin(), name.end()); }

namespace detail {
/// A path for a sentence, as UTF-8.
std::string path_text(const std::filesystem::path& path);
}  // namespace detail

/// A regular file, mapped privately. Move-only; bytes() stay where they are when the object moves.
///
/// A file that another process shortens while it is mapped ends in a fault of the operating system (SIGBUS), as with every
/// mapping: replace model files by renaming, or read them (file_access::read).
/// @errors  try_open: io, for whatever is not a readable regular file (folders, pipes and devices are refused)
/// @cost    no copy; pages are read when they are touched
class mapped_file {
 public:
  mapped_file() noexcept = default;
  mapped_file(mapped_file&& other) noexcept;
  mapped_file& operator=(mapped_file&& other) noexcept;
  ~mapped_file();

  /// Maps a file.
  /// @errors  io: it cannot be opened, or is no file of bytes
  static result<mapped_file> try_open(const std::filesystem::path& path);
#if NIBBLE_EXCEPTIONS
  static mapped_file open(const std::filesystem::path& path) { return try_open(path).value(); }
#endif

  /// All of it.
  std::span<const std::byte> bytes() const& noexcept { return {static_cast<const std::byte*>(data_), size_}; }
  std::span<const std::byte> bytes() const&& = delete;

  /// Gives the resident pages of this range back, and those around it that came in with them; touching any of them again reads
  /// it again.
  /// @errors  none: a hint, without effect where the system offers no such call
  void release(std::size_t offset, std::size_t length) const noexcept;

 private:
  void unmap() noexcept;

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
