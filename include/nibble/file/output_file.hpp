/// output_file: a file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Writes to a temporary file beside `path`, which try_commit() puts in its place: until then, and if anything fails, the old
/// file stays as it was. Without a commit the temporary file is removed. A file that is replaced keeps its permissions, and its
/// owner where the system allows that; behind a symbolic link (not on Windows) it is the file that is replaced, not the link.
///
/// @errors   io: the folder is missing, `path` is no regular file, a link to nothing, no space, a limit of the system
/// (RLIMIT_FSIZE is asked for
///           before it is met, for its signal ends a program)
/// @example  auto file = nibble::output_file::try_create("model.gguf");
///           NIBBLE_TRY(file->try_write(bytes));
///           NIBBLE_TRY(file->try_commit());
class output_file final : public byte_sink {
 public:
  output_file(output_file&& other) noexcept;
  output_file& operator=(output_file&&) = delete;
  ~output_file();

  static result<output_file> try_create(const std::filesystem::path& path);
  /// @cost  copies into a buffer of 256 KiB, which goes to the system when full
  result<void> try_write(std::span<const std::byte> bytes) override;
  /// Writes what is buffered, waits until the disk has it, and renames. The object is done with afterwards.
  result<void> try_commit();
#if NIBBLE_EXCEPTIONS
  static output_file create(const std::filesystem::path& path) { return try_create(path).value(); }
  void commit() { try_commit().value(); }
#endif

 private:
#if defined(_WIN32)
  using handle = void*;
#else
  using handle = int;
#endif
  static handle none() noexcept;

  explicit output_file(std::filesystem::path path) noexcept;
  result<void> put(std::span<const std::byte> bytes);  // past the buffer; a failure discards the file
  void discard() noexcept;

  std::filesystem::path path_, temporary_;
  handle file_;
  std::uint64_t written_ = 0;
  std::vector<std::byte> buffer_;
};

/// Overwrites bytes of a file where they stand; a file that ends before them grows. If a write fails, what stood there is
/// written again, and the file has its old size. If the machine stops meanwhile, some bytes are new and others old.
/// @errors  io: no regular file, or one that may not be read and written; no space, a limit of the system
/// @cost    memory for the bytes that are replaced
result<void> try_overwrite(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes);
#if NIBBLE_EXCEPTIONS
inline void overwrite(const std::filesystem::path& path, std::uint64_t offset, std::span<const std::byte> bytes) {
  try_overwrite(path, offset, bytes).value();
}
#endif

namespace detail {
/// Calls write(bytes), and where that fails write(old), which puts back what stood there. @returns what the first call did
template <class Write>
result<void> write_or_restore(Write&& write, std::span<const std::byte> bytes, std::span<const std::byte> old) {
  auto done = write(bytes);
  if (!done) static_cast<void>(write(old));
  return done;
}
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
