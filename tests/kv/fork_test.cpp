/// Forks share what they have in common, within the budget of their pool, and none sees what another does.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/kv/sequence.hpp"

using namespace nibble;

namespace {
const std::vector<kv_shape> layers{{1, 32, 32, 100}, {2, 32, 16, 0}, {.state = 3}, {1, 32, 32, 100, 5}};
constexpr std::size_t context = 500, chunk = 70;

kv_room room_of(std::size_t sequences, std::size_t page_bytes = 0) {
  return {.types = find_kv_format(tensor_type::f16),
          .context = context,
          .prefill_chunk = chunk,
          .sequences = sequences,
          .marks = true,
          .state_interval = 60,
          .page_bytes = page_bytes};
}
/// Bytes of one page of all layers with the window of layer i.
std::size_t page_with(std::size_t i) {
  std::size_t bytes = 0;
  for (const kv_shape& s : layers) {
    if (s.heads > 0 && s.window == layers[i].window) bytes += s.heads * kv_page_bytes<f16>(s);
  }
  return bytes;
}

/// A sequence, and the number of each position that every layer has to hold; states are their sum.
struct witness {
  nibble::sequence s;
  std::vector<std::uint32_t> numbers = {};

  static std::byte* at(const sequence& s, std::size_t layer, std::size_t head, std::size_t position) {
    return s.layer(layer).page(head, position) + position % page_positions * 4;
  }
  /// What a step writes that adds `count` positions.
  void write(std::size_t count, std::uint32_t first) {
    for (std::size_t i = 0; i < count; ++i) numbers.push_back(first + static_cast<std::uint32_t>(i));
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      for (std::size_t head = 0; head < layers[layer].heads; ++head) {
        for (std::size_t p = s.length(); p < numbers.size(); ++p)
          std::memcpy(at(s, layer, head, p), &numbers[p], sizeof(numbers[p]));
      }
      const auto state = s.layer_state(layer);
      for (std::size_t i = 0; i < state.after.size(); ++i) {
        state.after[i] = state.before[i];
        for (std::size_t p = s.length(); p < numbers.size(); ++p) state.after[i] += float(numbers[p] % 1000);
      }
    }
  }
  bool add(std::size_t count, std::uint32_t first) {
    if (!s.begin(count)) return false;
    write(count, first);
    s.commit();
    return true;
  }
  void truncate(std::size_t position) {
    s.truncate(position);
    numbers.resize(position);
  }
  /// True if windows find what they see from the next position on, and states are those of the positions.
  bool whole() const {
    if (numbers.size() != s.length()) return false;
    float sum = 0;
    for (const std::uint32_t n : numbers) sum += float(n % 1000);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      const std::size_t w = layers[layer].window, next = s.length() + 1;
      for (std::size_t p = w > 0 && next > w ? next - w : 0; p < s.length(); ++p) {
        for (std::size_t head = 0; head < layers[layer].heads; ++head) {
          if (std::memcmp(at(s, layer, head, p), &numbers[p], sizeof(numbers[p])) != 0) return false;
        }
      }
      const auto state = s.layer_state(layer).before;
      if (std::count(state.begin(), state.end(), sum) != std::ptrdiff_t(state.size())) return false;
    }
    return true;
  }
};
witness fresh(kv_pool& pool) { return {sequence::create(pool)}; }
}  // namespace

TEST_CASE("a fork takes no pages, and the first of the two that goes on copies the one that is not full") {
  const auto pool = kv_pool::create(layers, room_of(3));
  witness first = fresh(*pool);
  for (const std::uint32_t n : {0u, 70u, 140u}) first.add(n == 140 ? 20 : 70, n);  // 160: two pages and a half
  const auto used = pool->used();
  witness second{first.s.fork(), first.numbers}, third{first.s.fork(), first.numbers};
  CHECK(pool->used().pages == used.pages);
  const std::size_t one_of_each = page_with(0) + page_with(1);
  first.add(1, 900);
  CHECK(pool->used().pages == used.pages + one_of_each);
  second.add(1, 901);
  CHECK(pool->used().pages == used.pages + 2 * one_of_each);
  third.add(1, 902);  // the last owner of the page that was shared
  CHECK(pool->used().pages == used.pages + 2 * one_of_each);
  for (const witness* w : {&first, &second, &third}) CHECK(w->whole());
  for (witness* w : {&second, &third}) w->truncate(0);
  CHECK(pool->used().pages == used.pages);
  CHECK(first.whole());
}

TEST_CASE("a fork at the end of a page copies nothing, and each goes on in a page of its own") {
  const auto pool = kv_pool::create(layers, room_of(2));
  witness first = fresh(*pool);
  first.add(64, 5);
  witness second{first.s.fork(), first.numbers};
  const auto used = pool->used();
  first.add(10, 100), second.add(10, 200);
  CHECK(pool->used().pages == used.pages + 2 * (page_with(0) + page_with(1)));
  CHECK(first.s.layer(0).page(0, 0) == second.s.layer(0).page(0, 0));
  CHECK(first.s.layer(0).page(0, 64) != second.s.layer(0).page(0, 64));
  CHECK(first.whole());
  CHECK(second.whole());
}

TEST_CASE("whatever forks of forks add, undo, cut off and mark, within a budget: each holds its own, and no page is lost") {
  for (const std::size_t budget : {std::size_t{0}, 8 * (page_with(0) + page_with(1))}) {
    const auto pool = kv_pool::create(layers, room_of(6, budget));
    std::vector<witness> all;
    for (int i = 0; i < 6; ++i) all.push_back(fresh(*pool));
    rng random(17);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
    std::size_t refused = 0, went_back = 0;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      witness& w = all[below(all.size())];
      const std::size_t what = below(20), length = w.s.length();
      if (what < 12) {
        const std::size_t count = std::min(1 + below(what < 6 ? 3 : chunk), context - length);
        const auto used = pool->used().pages;
        const std::size_t back = w.s.resumable(length / 2);
        if (!w.s.begin(count)) {
          REQUIRE(pool->used().pages == used);
          REQUIRE(w.s.resumable(length / 2) == back);
          ++refused;
        } else {
          w.write(count, 100 * i);
          what == 3 ? w.s.rollback() : w.s.commit();
          w.numbers.resize(w.s.length());
        }
      } else if (what == 12) {
        w.s.mark();
      } else if (what < 16) {
        const std::size_t to = w.s.resumable(below(length + 1));
        went_back += to > 0 && to < length;
        w.truncate(to);
      } else if (what == 16) {
        w.truncate(0);
      } else {
        witness& other = all[below(all.size())];
        other.s.assign(w.s);
        other.numbers = w.numbers;
      }
      for (const witness& x : all) REQUIRE(x.whole());
    }
    CHECK((budget > 0 ? refused > 100 : refused == 0));
    CHECK(went_back > 100);
    all.clear();
    CHECK(pool->used().pages == 0);
    CHECK(pool->used().states == 0);
  }
}

TEST_CASE("pages stay within the budget, which every layer gets as many of as it can use") {
  const std::size_t both = page_with(0) + page_with(1);
  const auto full = kv_pool::planned_bytes(layers, room_of(4));
  for (const std::size_t pages : {2, 5, 20, 100}) {
    for (const std::size_t more : {std::size_t{0}, page_with(1) - 1}) {
      const auto room = room_of(4, pages * both + more);
      const auto plan = kv_pool::planned_bytes(layers, room);
      CHECK(plan.pages <= room.page_bytes);
      CHECK(kv_pool::create(layers, room)->bytes() == plan.pages + plan.states);
      if (pages <= 20) CHECK(plan.pages == pages * both);  // windows can use 7 pages for each of 4 sequences
      if (pages == 100) CHECK(plan.pages == full.pages);
    }
  }
  const std::size_t enough = full.pages - 3 * page_with(1);
  CHECK(kv_pool::planned_bytes(layers, room_of(4, enough)).pages == enough);  // the layers that see all have three less
}

TEST_CASE("a budget reaches as far for one sequence as if it had the pool to itself") {
  for (const std::size_t length : {70, 128, 300, 500}) {  // of these positions, a sequence alone takes so much
    const std::size_t alone = (length + 63) / 64 * page_with(1) + std::min<std::size_t>((length + 63) / 64, 7) * page_with(0);
    for (const std::size_t sequences : {1, 2, 30}) {
      INFO(length, " positions, room for ", sequences);
      const auto pool = kv_pool::create(layers, room_of(sequences, alone));
      CHECK(pool->memory().pages <= alone);
      witness w = fresh(*pool);
      for (std::size_t i = 0; i < length; i += 10) {
        REQUIRE(w.add(std::min<std::size_t>(10, length - i), std::uint32_t(i)));
      }
      CHECK(w.whole());
    }
  }
}

TEST_CASE("a budget that is not enough for a step is refused in a sentence") {
  const std::size_t both = page_with(0) + page_with(1);
  CHECK(kv_pool::try_create(layers, room_of(4, 2 * both)));
  const auto refused = kv_pool::try_create(layers, room_of(4, 2 * both - 1));
  REQUIRE(!refused);
  CHECK(refused.failure().code() == errc::invalid_argument);
  CHECK(std::string(refused.failure().what()) == "KV cache of 500 positions: kv_bytes: expected at least " +
                                                     std::to_string(2 * both) + ", which a step of 70 positions takes, found " +
                                                     std::to_string(2 * both - 1));
}

TEST_CASE("a pool has as many sequences as it was made for, and says so") {
  const auto pool = kv_pool::create(layers, room_of(2));
  auto first = sequence::create(*pool);
  {
    auto second = first.fork();
    const auto third = first.try_fork();
    REQUIRE(!third);
    CHECK(third.failure().code() == errc::out_of_memory);
    CHECK(std::string(third.failure().what()) == "the KV cache has 2 sequences, and no room for another");
    CHECK(!sequence::try_create(*pool));
    auto moved = std::move(second);
    CHECK(!first.try_fork());
  }
  CHECK(first.try_fork());
}

TEST_CASE("a sequence keeps its pool") {
  auto pool = kv_pool::create(layers, room_of(2));
  witness w = fresh(*pool);
  pool = {};
  w.add(70, 3);
  auto other = w.s.fork();
  w = {std::move(other), w.numbers};
  CHECK(w.whole());
}

TEST_CASE("forks go on on threads of their own") {
  const auto pool = kv_pool::create(layers, room_of(4));
  std::vector<witness> all;
  all.push_back(fresh(*pool));
  all[0].add(30, 7);
  for (int i = 1; i < 4; ++i) all.push_back({all[0].s.fork(), all[0].numbers});
  std::vector<char> sound(all.size(), 1);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < all.size(); ++i) {
    threads.emplace_back([&, i] {
      witness& w = all[i];
      for (std::uint32_t n = 0; n < 300; ++n) {
        if (w.s.length() + 9 > context) w.truncate(0);
        sound[i] = sound[i] && w.add(1 + n % 9, n * 100 + static_cast<std::uint32_t>(i)) && w.whole();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(std::count(sound.begin(), sound.end(), 1) == 4);
}
