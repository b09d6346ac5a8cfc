/// aligned_buffer: cache-line aligned, zeroed memory that reports refusal instead of throwing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Bytes that a SIMD kernel may read with aligned loads, and that no two threads' data share: a cache line.
inline constexpr std::size_t cache_line = 64;

/// bytes rounded up to a multiple of `unit`, a power of two; largest_size where that does not fit.
constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
  return bytes > largest_size - unit ? largest_size : (bytes + unit - 1) & ~(unit - 1);
}

/// An owned block of bytes, aligned to a cache line and zeroed. Large blocks cost memory only where they have been touched.
class aligned_buffer {
 public:
  aligned_buffer() noexcept = default;
  aligned_buffer(aligned_buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  aligned_buffer& operator=(aligned_buffer&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~aligned_buffer();

  /// @errors  out_of_memory
  static result<aligned_buffer> try_allocate(std::size_t bytes);
#if NIBBLE_EXCEPTIONS
  static aligned_buffer allocate(std::size_t bytes) { return try_allocate(bytes).value(); }
#endif

  /// Bytes that are allocated beside `bytes` themselves, so that they can be aligned.
  static constexpr std::size_t slack(std::size_t bytes) noexcept { return bytes > 0 ? cache_line : 0; }

  /// Asks the system for large pages, of 2 MiB, where whole ones fit: a hint, which may be ignored. Large memory is read faster
  /// so (bench/README.md), and a large page is resident as a whole as soon as a byte of it is touched.
  void prefer_large_pages() noexcept;

  std::byte* data() noexcept { return const_cast<std::byte*>(std::as_const(*this).data()); }
  const std::byte* data() const noexcept {
    auto* start = static_cast<const std::byte*>(block_);
    return start ? start + (cache_line - reinterpret_cast<std::uintptr_t>(start) % cache_line) % cache_line : nullptr;
  }
  std::size_t size() const noexcept { return size_; }

 private:
  void* block_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
