/// byte_source: the bytes of a file, from wherever they are kept: an archive, the assets of a program, an encrypted store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "nibble/error.hpp"
#include "nibble/file/readable_file.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A size, and a function that is asked for ranges, in any order. Copies share what the function holds.
///
/// @example  nibble::byte_source asset(size, [&](std::uint64_t offset, std::span<std::byte> out) {
///             return store.read_at(offset, out.data(), out.size());
///           });
///           auto model = nibble::any_model::load(asset);
class byte_source {
 public:
  /// Puts the bytes from `offset` on into the beginning of `out` and says how many. Fewer than there is room for are no
  /// failure: the rest is asked for again; none are the end. Its errors, and what it throws, reach the caller of whatever
  /// reads. `out` is not empty and lies inside of `size`. Called by the thread that reads, never by two at once unless the
  /// caller is.
  using reader = std::function<result<std::size_t>(std::uint64_t offset, std::span<std::byte> out)>;

  byte_source() = default;
  /// @param name  what errors call it
  byte_source(std::uint64_t size, reader read, std::string name = {});
  /// A file of the system's, which is open as long as a copy of this lives.
  explicit byte_source(readable_file file, std::string name = {});

  std::uint64_t size() const noexcept { return size_; }
  /// What errors call it.
  const std::string& name() const& noexcept { return name_; }

  /// Fills `out` with the bytes from `offset` on.
  /// @errors  truncated: beyond its size, or the reader gives fewer than that; invalid_argument: there is no reader, or it says
  ///          that it gave more than there was room for; and whatever the reader returns
  result<void> try_read(std::uint64_t offset, std::span<std::byte> out) const;
#if NIBBLE_EXCEPTIONS
  void read(std::uint64_t offset, std::span<std::byte> out) const { try_read(offset, out).value(); }
#endif

 private:
  std::uint64_t size_ = 0;
  reader read_;
  std::string name_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
