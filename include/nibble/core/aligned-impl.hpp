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

aligned_buffer::~aligned_buffer() {
#if defined(__linux__)
  if (mapped_ > 0) {
    ::munmap(block_, mapped_);
    return;
  }
#endif
  std::free(block_);
}

bool aligned_buffer::try_map([[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__linux__)
  constexpr std::size_t large = std::size_t{2} << 20;  // and so whole pages of any system
  const std::size_t length = round_up(bytes, large), room = sum_of_sizes(length, large);
  if (room == largest_size) return false;
  void* memory = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  auto* begin = static_cast<std::byte*>(memory);
  const std::size_t before = (large - reinterpret_cast<std::uintptr_t>(begin) % large) % large, behind = large - before;
  if (before > 0) ::munmap(begin, before);
  ::munmap(begin + before + length, behind);
  block_ = begin + before, mapped_ = length;
  ::madvise(block_, bytes / large * large, MADV_HUGEPAGE);
  return true;
#else
  return false;
#endif
}

result<aligned_buffer> aligned_buffer::try_allocate(std::size_t bytes, memory_pages pages) {
  aligned_buffer buffer;
  if (bytes == 0) return buffer;
  if (pages != memory_pages::large || bytes < least_mapped || !buffer.try_map(bytes)) {
    if (const std::size_t room = sum_of_sizes(bytes, cache_line); room < largest_size) buffer.block_ = std::calloc(room, 1);
  }
  if (!buffer.block_) return error(errc::out_of_memory, "cannot allocate " + std::to_string(bytes) + " bytes");
  buffer.size_ = bytes;
  return buffer;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
