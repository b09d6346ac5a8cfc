#include "nibble/core/checked.hpp"

#include <doctest/doctest.h>

#include "nibble/core/aligned.hpp"
#include "nibble/kernels/weight.hpp"
#include "nibble/quant/registry.hpp"
#include "nibble/tensor/scratch.hpp"

using namespace nibble;

TEST_CASE("sizes that do not fit are the largest, however they are computed") {
  CHECK(product_of_sizes(largest_size / 2, 2) == largest_size - 1);
  CHECK(product_of_sizes(largest_size / 2 + 1, 2) == largest_size);
  CHECK(product_of_sizes(std::size_t{0}, largest_size) == 0);
  CHECK(product_of_sizes(largest_size, std::size_t{3}, std::size_t{5}) == largest_size);
  CHECK(sum_of_sizes(largest_size - 1, 1) == largest_size);
  CHECK(sum_of_sizes(largest_size - 1, 2) == largest_size);
}

TEST_CASE("rounding up ends at the largest size") {
  CHECK(round_up(0, 64) == 0);
  CHECK(round_up(65, 64) == 128);
  CHECK(round_up(largest_size - 127, 64) == largest_size - 127);
  for (const std::size_t n : {largest_size - 62, largest_size}) CHECK(round_up(n, 64) == largest_size);
}

TEST_CASE("the largest size is never granted") {
  for (const std::size_t n : {largest_size, largest_size - 1, largest_size - cache_line}) {
    const auto refused = aligned_buffer::try_allocate(n);
    REQUIRE(!refused);
    CHECK(refused.failure().code() == errc::out_of_memory);
  }
}

TEST_CASE("scratch that would pass the address space measures as the largest size") {
  scratch_arena measuring;
  measuring.take(largest_size / 2);
  measuring.take(largest_size / 2);
  CHECK(measuring.peak() == largest_size);
  measuring.take(1);
  CHECK(measuring.peak() == largest_size);
  CHECK(!scratch_arena::try_create(measuring.peak()));
}

TEST_CASE("rows, groups and weights that would pass the address space measure as the largest size") {
  const format_info& f = format_of<f32>;
  CHECK(f.row_bytes(largest_size) == largest_size);
  CHECK(f.group_bytes(largest_size) == largest_size);
  CHECK(format_of<q8_0>.group_bytes(largest_size / 32 * 32) == largest_size);
  CHECK(weight::packed_bytes(f, largest_size, 64) == largest_size);
  CHECK(weight::packed_bytes(f, 64, 64, largest_size) == largest_size);
  CHECK(weight::packed_bytes(f, 17, 64) == 2 * f.group_bytes(64));
}
