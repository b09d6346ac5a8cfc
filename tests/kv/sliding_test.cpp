/// Sequences whose texts are longer than their context: what they keep, what they give back, and where they can return to.
#include <doctest/doctest.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "nibble/kv/saved_sequence.hpp"
#include "nibble/kv/sequence.hpp"

using namespace nibble;

namespace {
const std::vector<kv_shape> layers{{2, 32, 32, 0}, {1, 32, 32, 40}, {2, 32, 32, 0}};

kv_room room_of(const sliding_context& sliding, std::size_t chunk, std::size_t sequences = 1) {
  return {.types = find_kv_format(tensor_type::f16),
          .context = sliding.size,
          .prefill_chunk = chunk,
          .sequences = sequences,
          .sliding = sliding};
}
/// A number for a position, which is written where its key begins.
half mark_of(std::size_t position) { return to_half(float(position % 2000)); }

std::byte* page_of(const kv_layer& l, const sliding_context& sliding, std::size_t position) {
  const bool kept = sliding.slides() && position < l.sliding.kept;
  const std::uint32_t page =
      kept ? l.kept_page_of[position / page_positions] : l.page_of[(position - l.origin) / page_positions];
  return l.pages + page * l.page_bytes;
}
void write(sequence& s, std::size_t count) {
  REQUIRE(s.begin(count));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const kv_layer l = s.layer(i);
    for (std::size_t p = s.length(); p < s.length() + count; ++p) {
      *kv_at<f16, kv_role::key>(l.page(0, p), 32, p % page_positions, 0).value = mark_of(p);
    }
  }
  s.commit();
}
/// Whether a layer has what a query at the sequence's next position sees.
bool holds_what_is_seen(const sequence& s) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const kv_layer l = s.layer(i);
    const auto is_there = [&](std::size_t p) {
      const half found = *kv_at<f16, kv_role::key>(page_of(l, l.sliding, p), 32, p % page_positions, 0).value;
      return found.bits == mark_of(p).bits;
    };
    const std::size_t next = s.length();
    const std::size_t first = layers[i].window > 0 ? next + 1 - std::min(next + 1, layers[i].window) : s.sliding().first(next);
    for (std::size_t p = 0; layers[i].window == 0 && p < std::min(s.sliding().kept, next); ++p) {
      if (!is_there(p)) return false;
    }
    for (std::size_t p = first; p < next; ++p) {
      if (!is_there(p)) return false;
    }
  }
  return true;
}
const sliding_context contexts[] = {{128, 4, 1}, {128, 0, 1}, {200, 64, 68}, {200, 70, 65}, {150, 149, 1}, {64, 1, 63}};
}  // namespace

TEST_CASE("a sequence that slides keeps what is seen, in the memory that was planned, however long its text") {
  for (const sliding_context& sliding : contexts) {
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{90}}) {
      const kv_room room = room_of(sliding, chunk);
      const auto pool = *kv_pool::try_create(layers, room);
      CHECK(pool->bytes() == kv_pool::planned_bytes(layers, room).pages);
      auto s = sequence::create(*pool);
      std::size_t most = 0;
      for (std::size_t step = 1; s.length() < 3000; ++step) {
        write(s, 1 + step * 31 % chunk);
        REQUIRE(holds_what_is_seen(s));
        most = std::max(most, pool->used().pages);
      }
      CHECK(most <= pool->bytes());
      s.truncate(0);
      CHECK(pool->used().pages == 0);
    }
  }
}

TEST_CASE("a window's layers take no more where texts slide than their windows need, and others what a context needs") {
  const std::vector<kv_shape> all{{1, 32, 32, 0}}, window{{1, 32, 32, 40}};
  const auto pages = [](std::span<const kv_shape> of, const sliding_context& sliding) {
    return kv_pool::planned_bytes(of, room_of(sliding, 1)).pages / kv_page_bytes<f16>(of[0]);
  };
  CHECK(pages(all, {4096, 4, 1}) == 1 + 4092 / 64 + 1 + 1);
  CHECK(pages(window, {4096, 4, 1}) == 2);
  CHECK(pages({&all[0], 1}, {4096, 0, 1}) <= 66);
}

TEST_CASE("a text that slides is cut back as far as all that is seen from there is held, and to what it keeps") {
  for (const sliding_context& sliding : contexts) {
    const std::vector<kv_shape> one{layers[0]};
    const auto pool = *kv_pool::try_create(one, room_of(sliding, 16));
    auto s = sequence::create(*pool);
    const auto add = [&](std::size_t count) {
      REQUIRE(s.begin(count));
      s.commit();
    };
    while (s.length() < 1000) add(10);
    std::size_t held = 0;
    for (std::size_t p = 0; p <= s.length(); ++p) {
      const std::size_t to = s.resumable(p);
      CHECK((to == p || to == 0));
      held += to == p;
    }
    CHECK(held >= 2);  // its end, and nothing
    CHECK(s.resumable(1000) == 1000);
    CHECK(s.resumable(sliding.kept) == sliding.kept);
    CHECK(s.resumable(sliding.size + 1) == 0);
    s.truncate(sliding.kept);
    CHECK(s.length() == sliding.kept);
    CHECK(pool->used().pages <= (sliding.kept + 63) / 64 * 2 * kv_page_bytes<f16>(one[0]));
    while (s.length() < 700) add(16);
    s.truncate(0);
    CHECK(pool->used().pages == 0);
  }
}

TEST_CASE("a text that slides forks, and each of the two goes on with pages of its own") {
  for (const sliding_context& sliding : contexts) {
    const auto pool = *kv_pool::try_create(layers, room_of(sliding, 16, 2));
    for (const std::size_t length : {20, 130, 500, 1003}) {
      auto one = sequence::create(*pool);
      while (one.length() < length) write(one, std::min<std::size_t>(16, length - one.length()));
      auto two = one.fork();
      CHECK(holds_what_is_seen(two));
      for (int i = 0; i < 40; ++i) write(two, 5);
      REQUIRE(holds_what_is_seen(one));
      REQUIRE(holds_what_is_seen(two));
      for (int i = 0; i < 30; ++i) write(one, 9);
      REQUIRE(holds_what_is_seen(one));
      REQUIRE(holds_what_is_seen(two));
    }
    CHECK(pool->used().pages == 0);
  }
}

TEST_CASE("a text that slides is saved and loaded with what it keeps and what is recent") {
  for (const sliding_context& sliding : contexts) {
    const auto pool = *kv_pool::try_create(layers, room_of(sliding, 16, 2));
    for (const std::size_t length : {20, 130, 500, 1003}) {
      auto one = sequence::create(*pool), two = sequence::create(*pool);
      while (one.length() < length) write(one, std::min<std::size_t>(16, length - one.length()));
      std::vector<std::byte> saved(saved_sequence::bytes(one, length)), again(saved.size());
      CHECK(saved.size() <= pool->bytes() / 2);
      saved_sequence::save(one, saved);
      write(two, 3);
      saved_sequence::load(two, length, saved);
      CHECK(holds_what_is_seen(two));
      saved_sequence::save(two, again);
      CHECK(saved == again);
      for (int i = 0; i < 50; ++i) write(two, 7);
      REQUIRE(holds_what_is_seen(two));
    }
  }
}
