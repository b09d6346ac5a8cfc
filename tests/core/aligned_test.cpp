/// aligned_buffer: aligned and zeroed, in the C library's memory or in a mapping of its own.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "nibble/core/aligned.hpp"
#include "support/sanitized.hpp"

using namespace nibble;

TEST_CASE("a block is aligned and zeroed, in all sizes and pages, and can be written to its last byte") {
  for (const memory_pages pages : {memory_pages::usual, memory_pages::large}) {
    for (const std::size_t bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{4097}, aligned_buffer::least_mapped - 1, aligned_buffer::least_mapped,
          aligned_buffer::least_mapped + 1, aligned_buffer::least_mapped + (std::size_t{2} << 20) - 1}) {
      auto buffer = *aligned_buffer::try_allocate(bytes, pages);
      REQUIRE(buffer.size() == bytes);
      if (bytes == 0) continue;
      CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % cache_line == 0);
      CHECK(std::all_of(buffer.data(), buffer.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
      buffer.data()[0] = buffer.data()[bytes - 1] = std::byte{1};
      const auto* place = buffer.data();
      aligned_buffer moved(std::move(buffer)), other = *aligned_buffer::try_allocate(100);
      CHECK(moved.data() == place);
      other = std::move(moved);
      CHECK(other.data() == place);
      CHECK(other.data()[bytes - 1] == std::byte{1});
    }
  }
}

#if !NIBBLE_TEST_SANITIZED  // which ends a program that asks for so much
TEST_CASE("what no address space holds is refused in all pages") {
  for (const memory_pages pages : {memory_pages::usual, memory_pages::large}) {
    for (const std::size_t bytes : {largest_size, largest_size - cache_line, largest_size - (std::size_t{3} << 20)}) {
      const auto refused = aligned_buffer::try_allocate(bytes, pages);
      REQUIRE(!refused);
      CHECK(refused.failure().code() == errc::out_of_memory);
    }
  }
}
#endif
