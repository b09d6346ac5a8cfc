#include "nibble/kv/sequence.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <type_traits>
#include <vector>

using namespace nibble;

namespace {
const std::vector<kv_shape> gemma_like{{1, 64, 64, 100}, {1, 64, 64, 0}, {1, 64, 64, 100}};
const std::vector<kv_shape> hybrid{{2, 32, 32, 0}, {.state = 24}};

kv_pool_ref pool_of(std::span<const kv_shape> layers, std::size_t context, std::size_t chunk, std::size_t sequences = 1,
                    tensor_type format = tensor_type::f16) {
  return *kv_pool::try_create(layers, {find_kv_format(format), context, chunk, sequences});
}
std::size_t planned(std::span<const kv_shape> layers, std::size_t context, std::size_t chunk, tensor_type format) {
  return kv_pool::planned_bytes(layers, {find_kv_format(format), context, chunk, 1}).pages;
}
void add(sequence& s, std::size_t count) {
  REQUIRE(s.begin(count));
  s.commit();
}

/// Distinct pages of positions [first, last] in a layer.
std::set<std::uint32_t> pages_of(const sequence& s, std::size_t layer, std::size_t first, std::size_t last) {
  std::set<std::uint32_t> pages;
  for (std::size_t p = first / page_positions; p <= last / page_positions; ++p) pages.insert(s.layer(layer).page_of[p]);
  return pages;
}

/// A step that adds `count` positions: marks them in layer 0, and adds up the tokens in the state of layer 1.
void write(sequence& s, std::size_t count, unsigned char mark) {
  REQUIRE(s.begin(count));
  for (std::size_t p = s.length(); p < s.length() + count; ++p) {
    for (std::size_t head = 0; head < 2; ++head) {
      std::byte* page = s.layer(0).page(head, p);
      page[p % page_positions] = std::byte(mark + head);
    }
  }
  const auto state = s.layer_state(1);
  for (std::size_t i = 0; i < state.after.size(); ++i) state.after[i] = state.before[i] + float(count * mark);
}
unsigned char mark_at(const sequence& s, std::size_t head, std::size_t position) {
  return static_cast<unsigned char>(s.layer(0).page(head, position)[position % page_positions]);
}
float state_of(const sequence& s) { return s.layer_state(1).before[23]; }
}  // namespace

// Nothing is deleted through a base without a virtual destructor: neither has one, or can be one.
static_assert(std::is_final_v<kv_pool> && std::is_final_v<sequence> && !std::is_copy_constructible_v<sequence>);

TEST_CASE(
    "what 8,192 tokens of Gemma 3 270M take follows from its windows: every sixth layer keeps all, the others 512 positions") {
  std::vector<kv_shape> layers;
  for (std::size_t i = 0; i < 18; ++i) layers.push_back({1, 256, 256, i % 6 == 5 ? 0u : 512u});
  for (const tensor_type format : {tensor_type::f16, tensor_type::q8_0, tensor_type::q4_0}) {
    // 64 positions, 256 keys and 256 values: halves; or codes of 8 or 4 bits, and a half for 32 of them
    const std::size_t bits = format == tensor_type::f16 ? 16 * 32 : (format == tensor_type::q8_0 ? 8 : 4) * 32 + 16;
    const std::size_t page = 64 * (256 + 256) / 32 * bits / 8;
    const std::size_t windows =
        (512 - 1 + 128 + 62) / 64 + 1;  // pages that a window and a step of 128 touch, wherever they begin
    CHECK(planned(layers, 8192, 128, format) == page * (3 * 8192 / 64 + 15 * windows));
    const auto pool = pool_of(layers, 8192, 128, 1, format);
    auto s = sequence::create(*pool);
    while (s.length() < 8192) add(s, 128);
    CHECK(pool->used().pages == page * (3 * 8192 / 64 + 15 * (512 + 128) / 64));  // steps of 128 begin with a page
  }
}

TEST_CASE("a pool takes exactly what was planned, and a window's layer takes what the window needs") {
  const auto pool = pool_of(gemma_like, 4096, 16);
  CHECK(pool->bytes() == planned(gemma_like, 4096, 16, tensor_type::f16));
  const std::size_t page = kv_page_bytes<f16>(gemma_like[0]);
  CHECK(page == 64 * 2 * 64 * 2);
  // A window of 100 and steps of 16 touch at most 115 positions: three pages of 64. Everything: 64 pages.
  CHECK(pool->bytes() == (3 + 64 + 3) * page);
  CHECK(planned(gemma_like, 4096, 16, tensor_type::q8_0) < pool->bytes() * 6 / 10);
  CHECK(pool_of(gemma_like, 4096, 16, 3)->bytes() == 3 * pool->bytes());
}

TEST_CASE("positions that a query can see never share a page, however long the sequence") {
  for (std::size_t step : {1, 7, 16}) {
    const auto pool = pool_of(gemma_like, 4096, 16);
    auto s = *sequence::try_create(*pool);
    for (std::size_t position = 0; position + step <= 4096; position += step) {
      add(s, step);
      const std::size_t first = position + 1 > 100 ? position + 1 - 100 : 0, last = position + step - 1;
      REQUIRE(pages_of(s, 0, first, last).size() == last / page_positions - first / page_positions + 1);
      REQUIRE(pages_of(s, 1, 0, last).size() == last / page_positions + 1);
    }
  }
}

TEST_CASE("a sequence can be cut back to what its windows still hold, and goes on from there") {
  const auto pool = pool_of(gemma_like, 4096, 16);
  auto s = *sequence::try_create(*pool);
  add(s, 16);
  CHECK(s.resumable(3) == 3);
  while (s.length() < 1024) add(s, 16);
  CHECK(s.resumable(500) == 0);
  std::size_t oldest = 1024;
  while (s.resumable(oldest - 1) == oldest - 1) --oldest;
  CHECK(oldest > 1024 - 16 - 100);
  s.truncate(oldest);
  while (s.length() < 2000) {
    add(s, 1);
    const std::size_t last = s.length() - 1;
    REQUIRE(pages_of(s, 0, last + 1 - 100, last).size() == last / 64 - (last + 1 - 100) / 64 + 1);
  }
  s.truncate(0);
  CHECK(s.resumable(0) == 0);
  while (s.length() < 4096) add(s, 16);  // no page was lost
  CHECK(pages_of(s, 1, 0, 4095).size() == 64);
}

TEST_CASE("a window as long as the context is no window") {
  const std::vector<kv_shape> shapes{{2, 32, 32, 512}};
  CHECK(planned(shapes, 512, 512, tensor_type::f32) == 8 * 2 * kv_page_bytes<f32>(shapes[0]));
  const auto pool = pool_of(shapes, 512, 512, 1, tensor_type::f32);
  auto s = *sequence::try_create(*pool);
  add(s, 512);
  CHECK(pages_of(s, 0, 0, 511).size() == 8);
}

TEST_CASE("a step that is rolled back leaves keys, values and states as they were, and no page is lost") {
  const auto pool = pool_of(hybrid, 256, 64);
  auto s = *sequence::try_create(*pool);
  write(s, 60, 1), s.commit();
  for (std::size_t i = 0; i < 10; ++i) {
    write(s, 64, 9), s.rollback();
    CHECK(s.length() == 60);
    CHECK(mark_at(s, 1, 59) == 2);
    CHECK(state_of(s) == 60);
  }
  write(s, 64, 2), s.commit();
  CHECK(state_of(s) == 60 + 128);
  for (std::size_t i = 0; i < 2; ++i) write(s, 64, 3), s.commit();
  CHECK(s.length() == 252);
  CHECK(!s.begin(5));
  CHECK(s.length() == 252);
}

TEST_CASE("a recurrent state goes back by one step or to the beginning, and says so") {
  const auto pool = pool_of(hybrid, 256, 64);
  auto s = *sequence::try_create(*pool);
  write(s, 10, 1), s.commit();
  write(s, 20, 1), s.commit();
  CHECK(s.resumable(30) == 30);
  CHECK(s.resumable(29) == 10);
  CHECK(s.resumable(10) == 10);
  CHECK(s.resumable(9) == 0);
  s.truncate(10);
  CHECK(state_of(s) == 10);
  CHECK(s.resumable(9) == 0);
  write(s, 1, 5), s.commit();
  CHECK(state_of(s) == 15);
  write(s, 1, 5), s.rollback();
  CHECK(s.resumable(10) == 0);  // the step that was rolled back has written over what was before the last
  s.truncate(0);
  CHECK(state_of(s) == 0);
}

TEST_CASE("a step of no positions keeps what is committed, and what its mixers wrote is no state to go back to") {
  const auto pool = pool_of(hybrid, 256, 64);
  auto s = *sequence::try_create(*pool);
  write(s, 10, 1), s.commit();
  write(s, 10, 1), s.commit();
  write(s, 0, 1), s.commit();
  CHECK(s.length() == 20);
  CHECK(state_of(s) == 20);
  CHECK(s.resumable(10) == 0);
}

TEST_CASE("a fork goes on from the same place, and neither sees what the other adds") {
  const auto pool = pool_of(hybrid, 256, 64, 2);
  auto s = *sequence::try_create(*pool);
  write(s, 60, 1), s.commit();
  write(s, 10, 2), s.commit();
  auto fork = s.try_fork().value();
  CHECK(fork.length() == 70);
  write(s, 10, 3), s.commit();
  write(fork, 10, 5), fork.commit();
  for (const sequence* of : {&s, &fork}) {
    CHECK(mark_at(*of, 0, 59) == 1);
    CHECK(mark_at(*of, 1, 69) == 3);
    CHECK(mark_at(*of, 0, 70) == (of == &s ? 3 : 5));
    CHECK(state_of(*of) == 80 + (of == &s ? 30 : 50));
  }
  CHECK(s.try_fork().failure().code() == errc::out_of_memory);
  s.assign(fork);
  CHECK(mark_at(s, 0, 70) == 5);
  CHECK(state_of(s) == 130);
}

TEST_CASE("a sequence that ends or is cut back gives its room to others of the pool") {
  const auto pool = pool_of(hybrid, 128, 64, 2);
  for (std::size_t i = 0; i < 5; ++i) {
    auto first = *sequence::try_create(*pool), second = *sequence::try_create(*pool);
    CHECK(!sequence::try_create(*pool));
    for (sequence* s : {&first, &second}) add(*s, 64), add(*s, 64);
    CHECK(!first.begin(1));
    sequence moved = std::move(first);
    CHECK(moved.length() == 128);
    second = std::move(moved);
    CHECK(second.length() == 128);
  }
}

TEST_CASE("a head of no dimensions, or of more than kernels know, is refused") {
  for (const kv_shape& s : {kv_shape{1, 0, 64}, kv_shape{1, 64, 0}, kv_shape{1, 1056, 64}, kv_shape{1, 64, 1056}}) {
    const auto pool = kv_pool::try_create({&s, 1}, {0, 64, 1, 1});
    REQUIRE_FALSE(pool);
    CHECK(pool.failure().code() == errc::invalid_argument);
  }
}

TEST_CASE("memory that cannot be had is an error, and so are sizes that do not fit") {
  const std::vector<kv_shape> shapes{{1u << 20, 1024, 1024, 0}};
  const auto pool = kv_pool::try_create(shapes, {0, 1u << 24, 1, 1});
  REQUIRE_FALSE(pool);
  CHECK(pool.failure().code() == errc::out_of_memory);
  const std::vector<kv_shape> wrapping{{std::size_t{1} << 40, 1024, 1024, 0}, {.state = largest_size / 2}};
  CHECK(kv_pool::planned_bytes(wrapping, {0, std::size_t{1} << 40, 1, 1}).pages == largest_size);
  CHECK(kv_pool::planned_bytes(wrapping, {0, 64, 1, 1}).states == largest_size);
  CHECK_FALSE(kv_pool::try_create(wrapping, {0, 64, 1, 1}));
}

TEST_CASE("sizes that do not fit are an error, whatever they are made of") {
  const std::size_t large = largest_size / 2;
  for (const kv_shape& s : {kv_shape{large, 64, 64}, kv_shape{1u << 20, 1024, 1024, large}, kv_shape{1, 64, 64, 0, large},
                            kv_shape{0, 0, 0, 0, largest_size}}) {
    for (const kv_room& room : {kv_room{1, large, 64, 1}, kv_room{1, largest_size, largest_size, 4096},
                                kv_room{1, std::size_t{16} << 20, 64, largest_size}}) {
      const std::vector<kv_shape> shapes(3, s);
      const auto plan = kv_pool::planned_bytes(shapes, room);
      CHECK(sum_of_sizes(plan.pages, plan.states) >= large);
      const auto pool = kv_pool::try_create(shapes, room);
      REQUIRE(!pool);
      CHECK(pool.failure().code() == errc::out_of_memory);
    }
  }
  const std::vector<kv_shape> wide{{1, largest_size - 31, 64}};
  CHECK(kv_pool::planned_bytes(wide, {1, 64, 1, 1}).pages == largest_size);
  CHECK(!kv_pool::try_create(wide, {1, 64, 1, 1}));
  CHECK(kv_pages(100, largest_size, largest_size) == largest_size / page_positions + 1);
}

TEST_CASE("pages of a pool have numbers of 32 bits") {
  const std::vector<kv_shape> shapes{{0, 0, 0, 0, 1}};
  CHECK(!kv_pool::try_create(shapes, {1, std::size_t{1} << 39, 1, 1}));
}

TEST_CASE("the tables of a pool and its sequences are planned to the byte") {
  for (std::size_t sequences : {1, 3}) {
    const kv_room room{find_kv_format(tensor_type::f16), 4096, 16, sequences};
    const auto plan = kv_pool::planned_bytes(gemma_like, room);
    const auto pool = kv_pool::try_create(gemma_like, room).value();
    CHECK(pool->memory().tables == plan.tables);
    // two windows: page numbers that are free and how many owners each has, (3 + 64) a sequence, and (4096 / 64 + 1) of each
    // window's table
    CHECK(plan.tables > sequences * (2 * 67 + 2 * 65) * sizeof(std::uint32_t));
    CHECK(plan.tables < sequences * (2 * 67 + 2 * 65) * sizeof(std::uint32_t) + 1500);
  }
}
