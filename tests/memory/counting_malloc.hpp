/// Counts the bytes that a program has asked the C library for and not given back, and refuses some on request: its malloc
/// stands in front of the library's, and so do operator new and calloc, which all end there. To be included by one file of a
/// program.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "memory/heap.hpp"

#if NIBBLE_TEST_COUNTS_HEAP
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* memory);
}

namespace nibble_test {
namespace heap {
inline bool refused() noexcept { return until_refusal >= 0 && --until_refusal < 0 && (until_refusal = 0, true); }

/// Stands right before what the caller gets.
struct alignas(16) header {
  std::size_t bytes, before;  // `before` bytes after the beginning of the block
};

inline void* count(void* block, std::size_t bytes, std::size_t before) noexcept {
  if (!block) return nullptr;
  char* memory = static_cast<char*>(block) + before;
  reinterpret_cast<header*>(memory)[-1] = {bytes, before};
  const std::size_t now = live_bytes += bytes;
  for (std::size_t most = most_live_bytes; now > most && !most_live_bytes.compare_exchange_weak(most, now);) continue;
  ++allocations;
  return memory;
}
inline void* take(std::size_t bytes) noexcept {
  if (refused()) return nullptr;
  return count(__libc_malloc(bytes + sizeof(header)), bytes, sizeof(header));
}
inline void* take_aligned(std::size_t alignment, std::size_t bytes) noexcept {
  if (refused()) return nullptr;
  const std::size_t before = alignment > sizeof(header) ? alignment : sizeof(header);
  return count(__libc_memalign(before, bytes + before), bytes, before);
}
inline const header& header_of(void* memory) noexcept { return static_cast<header*>(memory)[-1]; }
}  // namespace heap
}  // namespace nibble_test

extern "C" {
void* malloc(std::size_t bytes) noexcept {
  if (bytes > nibble_test::largest_granted) return nullptr;
  return nibble_test::heap::take(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) noexcept {
  using nibble_test::heap::header;
  if (bytes > 0 && count > PTRDIFF_MAX / bytes) return nullptr;
  if (nibble_test::heap::refused() || count * bytes > nibble_test::largest_granted) return nullptr;
  return nibble_test::heap::count(__libc_calloc(1, count * bytes + sizeof(header)), count * bytes, sizeof(header));
}
void free(void* memory) noexcept {
  if (!memory) return;
  const auto& h = nibble_test::heap::header_of(memory);
  nibble_test::live_bytes -= h.bytes;
  __libc_free(static_cast<char*>(memory) - h.before);
}
void* realloc(void* memory, std::size_t bytes) noexcept {
  void* larger = malloc(bytes);
  if (!larger || !memory) return larger;
  const std::size_t had = nibble_test::heap::header_of(memory).bytes;
  std::memcpy(larger, memory, had < bytes ? had : bytes);
  free(memory);
  return larger;
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept { return nibble_test::heap::take_aligned(alignment, bytes); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept { return memalign(alignment, bytes); }
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
  *out = memalign(alignment, bytes);
  return *out ? 0 : ENOMEM;
}
std::size_t malloc_usable_size(void* memory) noexcept { return memory ? nibble_test::heap::header_of(memory).bytes : 0; }
}
#endif
