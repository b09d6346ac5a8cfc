/// The definitions behind aligned.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "nibble/core/aligned.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

aligned_buffer::~aligned_buffer() { std::free(block_); }

result<aligned_buffer> aligned_buffer::try_allocate(std::size_t bytes) {
  aligned_buffer buffer;
  if (bytes == 0) return buffer;
  if (const std::size_t room = sum_of_sizes(bytes, cache_line); room < largest_size) buffer.block_ = std::calloc(room, 1);
  if (!buffer.block_) return error(errc::out_of_memory, "cannot allocate " + std::to_string(bytes) + " bytes");
  buffer.size_ = bytes;
  return buffer;
}

void aligned_buffer::prefer_large_pages() noexcept {
#if defined(__linux__)
  constexpr std::uintptr_t large = std::uintptr_t{2} << 20;  // and so whole pages of any system
  const auto first = reinterpret_cast<std::uintptr_t>(data());
  const auto begin = (first + large - 1) / large * large, end = (first + size_) / large * large;
  if (begin < end) static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE));
#endif
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
