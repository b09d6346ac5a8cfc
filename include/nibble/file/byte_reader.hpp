/// byte_reader: little-endian values out of untrusted bytes. Every read is checked, every error carries its offset.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A number as a file holds it: fixed width, little endian.
template <class T>
concept stored_number = (std::integral<T> || std::floating_point<T>)&&!std::same_as<T, bool> && sizeof(T) <= 8;

/// The number at `at`, which need not be aligned.
/// @errors  none; precondition: sizeof(T) bytes are there
template <stored_number T>
T load_little(const std::byte* at) noexcept {
  std::array<std::byte, sizeof(T)> raw;
  std::memcpy(raw.data(), at, sizeof(T));
  if constexpr (std::endian::native == std::endian::big) std::reverse(raw.begin(), raw.end());
  return std::bit_cast<T>(raw);
}

/// The bytes of a number in file order.
template <stored_number T>
std::array<std::byte, sizeof(T)> store_little(T number) noexcept {
  auto raw = std::bit_cast<std::array<std::byte, sizeof(T)>>(number);
  if constexpr (std::endian::native == std::endian::big) std::reverse(raw.begin(), raw.end());
  return raw;
}

/// Walks through bytes that it borrows. A failed read leaves the position and its target as they were.
///
/// @example  nibble::byte_reader in(bytes);
///           std::uint32_t version = 0;
///           NIBBLE_TRY(in.read(version, "version"));
class byte_reader {
 public:
  explicit byte_reader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  std::size_t position() const noexcept { return position_; }
  std::size_t remaining() const noexcept { return bytes_.size() - position_; }

  /// Whether n more bytes are there. `what` names them in the error.
  /// @errors  truncated
  result<void> need(std::uint64_t n, std::string_view what) const;

  /// @errors  truncated
  template <stored_number T>
  result<void> read(T& out, std::string_view what) {
    NIBBLE_TRY(need(sizeof(T), what));
    out = load_little<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return {};
  }

  /// The next n bytes, where they lie.
  /// @errors  truncated
  result<void> read(std::span<const std::byte>& out, std::uint64_t n, std::string_view what);

  /// A string with its 64-bit length before it, where it lies.
  /// @errors  truncated; limit_exceeded above `most` bytes
  result<void> read(std::string_view& out, std::uint64_t most, std::string_view what);

  /// @errors  truncated
  result<void> skip(std::uint64_t n, std::string_view what);

  /// "offset 24", the beginning of every sentence about what stands here.
  std::string place() const;

 private:
  std::string shortage(std::uint64_t n, std::string_view what, std::size_t after = 0) const;
  std::string excess(std::uint64_t n, std::uint64_t most, std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
