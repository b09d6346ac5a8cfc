/// Copies of recurrent states: a sequence can be cut back to where one stands, and to nowhere else.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/kv/sequence.hpp"

using namespace nibble;

namespace {
const std::vector<kv_shape> layers{{1, 32, 32, 100}, {.state = 3}, {1, 32, 32, 0}}, without_windows{{}, {.state = 3}};
constexpr std::size_t context = 900, chunk = 40;

kv_pool_ref pool_of(std::size_t sequences, bool marks, std::size_t interval, const std::vector<kv_shape>& of = layers) {
  return *kv_pool::try_create(of, {find_kv_format(tensor_type::f16), context, chunk, sequences, marks, false, interval});
}

/// Slots of a sequence.
std::size_t slots(bool marks, std::size_t interval) {
  return kv_pool::planned_bytes(layers, pool_of(1, marks, interval)->room()).states / cache_line;
}

/// A sequence whose state is a sum over the numbers of its positions, and these numbers.
struct witness {
  nibble::sequence s;
  std::vector<float> numbers = {};

  void step(std::size_t count, rng& random, bool kept) {
    REQUIRE(s.begin(count));
    const auto state = s.layer_state(1);
    std::copy(state.before.begin(), state.before.end(), state.after.begin());
    for (std::size_t i = 0; i < count; ++i) {
      const float number = float(std::size_t(1000 * random.uniform()));
      for (float& sum : state.after) sum += number;
      if (kept) numbers.push_back(number);
    }
    kept ? s.commit() : s.rollback();
  }
  bool whole() const {
    float sum = 0;
    for (const float n : numbers) sum += n;
    const auto state = s.layer_state(1).before;
    return numbers.size() == s.length() && std::count(state.begin(), state.end(), sum) == 3;
  }
  void truncate(std::size_t position) {
    s.truncate(position);
    numbers.resize(position);
  }
};
}  // namespace

TEST_CASE("whatever is added, undone, cut off, marked and copied: the state is that of the positions, and no slot is lost") {
  for (const bool marks : {false, true}) {
    for (const std::size_t interval : {0, 1, 90, 899, 5000}) {
      const auto pool = pool_of(2, marks, interval);
      witness all[] = {{sequence::try_create(*pool).value()}, {sequence::try_create(*pool).value()}};
      rng random(11);
      const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
      for (int i = 0; i < 4000; ++i) {
        witness& w = all[below(2)];
        const std::size_t what = below(20);
        if (what < 14) {
          w.step(std::min(1 + below(what < 8 ? 2 : chunk), context - w.s.length()), random, what != 13);
        } else if (what < 16) {
          w.s.mark();
        } else if (what == 16) {
          witness& other = all[&w == &all[0]];
          other.s.assign(w.s);
          other.numbers = w.numbers;
          for (const std::size_t p : {w.s.length(), w.s.length() / 2}) REQUIRE(other.s.resumable(p) == w.s.resumable(p));
        } else {
          const std::size_t asked = below(w.s.length() + 1), to = w.s.resumable(asked);
          REQUIRE(to <= asked);
          w.truncate(to);
        }
        REQUIRE(w.whole());
      }
      { const auto first = std::move(all[0].s), second = std::move(all[1].s); }
      CHECK(pool->used().states == 0);
      CHECK(pool->used().pages == 0);
    }
  }
}

TEST_CASE("copies stand an interval apart, up to the end of a step") {
  const auto pool = pool_of(1, false, 100, without_windows);
  witness w{sequence::try_create(*pool).value()};
  rng random(3);
  while (w.s.length() < 800) w.step(40, random, true);
  for (std::size_t p = 100 + 40; p <= 800; ++p) {
    REQUIRE(w.s.resumable(p) <= p);
    REQUIRE(w.s.resumable(p) + 140 > p);
  }
  const auto none = pool_of(1, false, 0);
  witness plain{sequence::try_create(*none).value()};
  while (plain.s.length() < 800) plain.step(40, random, true);
  CHECK(plain.s.resumable(799) == 760);
  CHECK(plain.s.resumable(759) == 0);
}

TEST_CASE("a mark keeps the state, and the one before the step that led to it, however much is added") {
  const auto pool = pool_of(1, true, 0);
  witness w{sequence::try_create(*pool).value()};
  rng random(5);
  w.step(40, random, true), w.step(30, random, true);
  w.s.mark();
  for (int round = 0; round < 3; ++round) {
    while (w.s.length() < 130) w.step(7, random, true);
    CHECK(w.s.resumable(100) == 70);
    CHECK(w.s.resumable(69) == 40);
    w.truncate(70);
    CHECK(w.whole());
    CHECK(w.s.has_mark());
  }
  w.truncate(40);
  CHECK(w.whole());
  CHECK(!w.s.has_mark());
  CHECK(w.s.resumable(39) == 0);
}

TEST_CASE("where a window has forgotten what comes before a copy of the state, the copy is no place to go on from") {
  const auto pool = pool_of(1, false, 50);
  witness w{sequence::try_create(*pool).value()};
  rng random(9);
  while (w.s.length() < 800) w.step(40, random, true);
  CHECK(w.s.resumable(799) >= 600);
  CHECK(w.s.resumable(300) == 0);
}

TEST_CASE("slots of states are planned to the byte: two, two for a mark, one for each interval") {
  CHECK(slots(false, 0) == 2);
  CHECK(slots(true, 0) == 4);
  CHECK(slots(false, 100) == 2 + 8);
  CHECK(slots(true, 899) == 4 + 1);
  CHECK(slots(true, 900) == 4);
  CHECK(pool_of(3, true, 100)->memory().states == 3 * 12 * cache_line);
  const std::vector<kv_shape> plain{{1, 32, 32, 0}};
  CHECK(kv_pool::planned_bytes(plain, {1, context, chunk, 1, true, false, 1}).tables ==
        kv_pool::planned_bytes(plain, {1, context, chunk, 1, true, false, 0}).tables);
}
