#include <doctest/doctest.h>

#include <set>
#include <vector>

#include "nibble/kv/cache.hpp"

using namespace nibble;

namespace {
const std::vector<kv_shape> gemma_like{{1, 64, 64, 100}, {1, 64, 64, 0}, {1, 64, 64, 100}};

/// Distinct pages of positions [first, last] in a layer.
std::set<std::uint32_t> pages_of(const kv_storage& cache, std::size_t layer, std::size_t first, std::size_t last) {
  std::set<std::uint32_t> pages;
  for (std::size_t p = first / page_positions; p <= last / page_positions; ++p) pages.insert(cache.layer(layer).page_of[p]);
  return pages;
}
}  // namespace

TEST_CASE("a cache takes exactly what was planned, and a window's layer takes what the window needs") {
  const auto cache = *kv_cache<f16>::try_create(gemma_like, 4096, 16);
  CHECK(cache.bytes() == kv_cache<f16>::planned_bytes(gemma_like, 4096, 16));
  const std::size_t page = kv_page_bytes<f16>(gemma_like[0]);
  CHECK(page == 64 * 2 * 64 * 2);
  // A window of 100 and steps of 16 touch at most 115 positions: three pages of 64. Everything: 64 pages.
  CHECK(cache.bytes() == (3 + 64 + 3) * page);
  CHECK(kv_cache<q8_0>::planned_bytes(gemma_like, 4096, 16) < cache.bytes() * 6 / 10);
}

TEST_CASE("positions that a query can see never share a page, however long the sequence") {
  for (std::size_t step : {1, 7, 16}) {
    auto cache = *kv_cache<f16>::try_create(gemma_like, 4096, 16);
    for (std::size_t position = 0; position + step <= 4096; position += step) {
      cache.reserve(position, step);
      const std::size_t first = position + 1 > 100 ? position + 1 - 100 : 0, last = position + step - 1;
      REQUIRE(pages_of(cache, 0, first, last).size() == last / page_positions - first / page_positions + 1);
      REQUIRE(pages_of(cache, 1, 0, last).size() == last / page_positions + 1);
    }
  }
}

TEST_CASE("a sequence can be cut back to what its windows still hold, and goes on from there") {
  auto cache = *kv_cache<f16>::try_create(gemma_like, 4096, 16);
  cache.reserve(0, 16);
  CHECK(cache.oldest() == 0);
  for (std::size_t position = 16; position < 1024; position += 16) cache.reserve(position, 16);
  const std::size_t oldest = cache.oldest();
  CHECK(oldest > 1024 - 16 - 100);
  CHECK(oldest < 1024);
  cache.truncate(oldest);
  for (std::size_t position = oldest; position < 2000; ++position) {
    cache.reserve(position, 1);
    REQUIRE(pages_of(cache, 0, position + 1 - 100, position).size() == position / 64 - (position + 1 - 100) / 64 + 1);
  }
  cache.truncate(0);
  CHECK(cache.oldest() == 0);
  for (std::size_t position = 0; position < 4096; position += 16) cache.reserve(position, 16);  // no page was lost
  CHECK(pages_of(cache, 1, 0, 4095).size() == 64);
}

TEST_CASE("a window as long as the context is no window") {
  const std::vector<kv_shape> shapes{{2, 32, 32, 512}};
  CHECK(kv_cache<f32>::planned_bytes(shapes, 512, 512) == 8 * 2 * kv_page_bytes<f32>(shapes[0]));
  auto cache = *kv_cache<f32>::try_create(shapes, 512, 512);
  cache.reserve(0, 512);
  CHECK(pages_of(cache, 0, 0, 511).size() == 8);
}

TEST_CASE("memory that cannot be had is an error") {
  const std::vector<kv_shape> shapes{{1u << 20, 4096, 4096, 0}};
  const auto cache = kv_cache<f32>::try_create(shapes, 1u << 20, 1);
  REQUIRE_FALSE(cache);
  CHECK(cache.failure().code() == errc::out_of_memory);
}
