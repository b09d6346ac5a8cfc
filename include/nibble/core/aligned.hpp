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

/// What a block stands in. Large pages are those that the system may have beside its usual ones: of 2 MiB where these are of
/// 4 KB. Large memory is read faster so (bench/README.md), and a large page is resident as a whole once a byte is touched.
enum class memory_pages : std::uint8_t { usual, large };

/// An owned block of bytes, aligned to a cache line and zeroed. Memory that comes from the system anew is resident only where
/// it has been touched; what the C library hands on is cleared, and so resident as a whole.
class aligned_buffer {
 public:
  aligned_buffer() noexcept = default;
  aligned_buffer(aligned_buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        mapped_(std::exchange(other.mapped_, 0)) {}
  aligned_buffer& operator=(aligned_buffer&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~aligned_buffer();

  /// Large pages are a hint, which may be ignored; for less than least_mapped it is.
  /// @errors  out_of_memory
  static result<aligned_buffer> try_allocate(std::size_t bytes, memory_pages pages = memory_pages::usual);
#if NIBBLE_EXCEPTIONS
  static aligned_buffer allocate(std::size_t bytes, memory_pages pages = memory_pages::usual) {
    return try_allocate(bytes, pages).value();
  }
#endif

  /// From this many bytes on, a block in large pages has a mapping of its own (Linux), which ends with it: the C library hands
  /// its memory on, and what is asked of the system for that would stay for what comes after.
  static constexpr std::size_t least_mapped = std::size_t{32} << 20;

  /// Bytes that are allocated beside `bytes` themselves, so that they can be aligned.
  static constexpr std::size_t slack(std::size_t bytes) noexcept { return bytes > 0 ? cache_line : 0; }

  std::byte* data() noexcept { return const_cast<std::byte*>(std::as_const(*this).data()); }
  const std::byte* data() const noexcept {
    auto* start = static_cast<const std::byte*>(block_);
    return start ? start + (cache_line - reinterpret_cast<std::uintptr_t>(start) % cache_line) % cache_line : nullptr;
  }
  std::size_t size() const noexcept { return size_; }

 private:
  /// A mapping of its own in large pages; whether there is one.
  bool try_map(std::size_t bytes) noexcept;

  void* block_ = nullptr;
  std::size_t size_ = 0, mapped_ = 0;  // bytes of the mapping: 0 where the C library has the block
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
