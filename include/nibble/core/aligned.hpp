/// aligned_buffer: cache-line aligned, zeroed memory that reports refusal instead of throwing.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "nibble/error.hpp"

namespace nibble::inline NIBBLE_ABI {

/// Bytes that a SIMD kernel may read with aligned loads, and that no two threads' data share: a cache line.
inline constexpr std::size_t cache_line = 64;

/// bytes rounded up to a multiple of `unit`, a power of two.
constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept { return (bytes + unit - 1) & ~(unit - 1); }

/// An owned block of bytes, aligned to a cache line and zeroed.
class aligned_buffer {
 public:
  aligned_buffer() noexcept = default;
  aligned_buffer(aligned_buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  aligned_buffer& operator=(aligned_buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~aligned_buffer() { ::operator delete (data_, std::align_val_t{cache_line}); }

  /// @errors  out_of_memory
  /// @cost    O(bytes): the memory is written once
  static result<aligned_buffer> try_allocate(std::size_t bytes) {
    aligned_buffer buffer;
    if (bytes == 0) return buffer;
    buffer.data_ = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{cache_line}, std::nothrow));
    if (!buffer.data_) return error(errc::out_of_memory, "cannot allocate " + std::to_string(bytes) + " bytes");
    buffer.size_ = bytes;
    std::memset(buffer.data_, 0, bytes);
    return buffer;
  }

  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace nibble::inline NIBBLE_ABI
