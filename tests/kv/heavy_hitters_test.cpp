/// Sequences that keep heavy hitters: which positions stay, that they stay whole, and where a sequence can return to.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/kv/copy_kv.hpp"
#include "nibble/kv/saved_sequence.hpp"
#include "nibble/kv/sequence.hpp"

using namespace nibble;

namespace {
constexpr kv_shape seen_whole{2, 32, 32, 0}, windowed{1, 32, 32, 40};
const std::vector<kv_shape> layers{seen_whole, windowed, {1, 32, 48, 0}};

kv_room room_of(const heavy_hitters& hitters, std::size_t chunk, std::size_t sequences = 1, std::size_t interval = 0) {
  return {.types = find_kv_format(tensor_type::f32),
          .context = hitters.size,
          .prefill_chunk = chunk,
          .sequences = sequences,
          .state_interval = interval,
          .sliding = {hitters.size, 0, page_positions},
          .hitters = hitters};
}

/// What a position receives from a query in a layer: any number, the sums of which are exact.
float received(std::size_t layer, std::size_t position, std::size_t query) {
  rng random(layer * 1000003 + position * 1009 + query);
  return float(std::size_t(random.uniform() * 256)) / 256 * float(1 + position % 7);
}
float key_of(std::size_t layer, std::size_t head, std::size_t position, std::size_t i) {
  return float(position) + float(layer * 100 + head * 10 + i) / 1024;
}

/// A position that is kept, and what it has received.
struct kept_position {
  std::size_t position;
  float sum;
  bool operator==(const kept_position&) const = default;
};
using kept_positions = std::vector<kept_position>;

/// The policy as its paper has it: one position after the other, and of each all that is known.
class plain_hitters {
 public:
  plain_hitters(std::size_t layer, const heavy_hitters& h) : layer_(layer), h_(h) {}
  void add(std::size_t position) {
    kept_.push_back({position, 0});
    for (kept_position& k : kept_) k.sum += received(layer_, k.position, position);
    if (kept_.size() < h_.size) return;
    kept_positions older(kept_.begin(), kept_.end() - std::ptrdiff_t(h_.recent));
    std::sort(older.begin(), older.end(), [](const kept_position& a, const kept_position& b) { return a.sum < b.sum; });
    tied_ = tied_ || older[63].sum == older[64].sum;
    older.resize(64);
    std::erase_if(kept_, [&](const kept_position& k) { return std::find(older.begin(), older.end(), k) != older.end(); });
  }
  const kept_positions& kept() const { return kept_; }
  bool tied() const { return tied_; }

 private:
  std::size_t layer_;
  heavy_hitters h_;
  kept_positions kept_;
  bool tied_ = false;
};

/// One that says what it is asked to, and what its layers should have then.
struct witness {
  nibble::sequence s;
  std::vector<plain_hitters> plain = {{0, s.hitters()}, {2, s.hitters()}};

  void step(std::size_t count, bool kept = true) {
    REQUIRE(count <= s.tokens_of_step());
    REQUIRE(s.begin(count));
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const kv_layer l = s.layer(i);
      for (std::size_t head = 0; head < layers[i].heads; ++head) {
        for (std::size_t p = s.length(); p < s.length() + count; ++p) write(l, i, head, p);
      }
      if (layers[i].window > 0) continue;
      const auto state = s.layer_state(i);
      const std::size_t held = s.length() - l.dropped;
      std::copy_n(state.before.begin(), held, state.after.begin());
      std::fill(state.after.begin() + std::ptrdiff_t(held), state.after.end(), 0.0f);
      for (std::size_t p = s.length(); p < s.length() + count; ++p) {
        for (std::size_t place = 0; place <= p - l.dropped; ++place)
          state.after[place] += received(i, position_at(l, i, place), p);
      }
    }
    if (!kept) return s.rollback();
    for (std::size_t p = s.length(); p < s.length() + count; ++p) plain[0].add(p), plain[1].add(p);
    s.commit();
  }
  /// In steps of up to so many.
  void grow(std::size_t length, std::size_t chunk) {
    while (s.length() < length) step(std::min({chunk, length - s.length(), s.tokens_of_step()}));
  }
  static void write(const kv_layer& l, std::size_t layer, std::size_t head, std::size_t position) {
    std::vector<float> key(layers[layer].key_dim), value(layers[layer].value_dim);
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = key_of(layer, head, position, i);
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = -key_of(layer, head, position, i);
    std::byte* page = l.page(head, position);
    store_kv<f32, kv_role::key>(key.data(), key.size(), position % page_positions, page);
    store_kv<f32, kv_role::value>(value.data(), value.size(), position % page_positions, page + l.value_offset);
  }
  /// The position that has a place, and that all of it is there in each head.
  std::size_t position_at(const kv_layer& l, std::size_t layer, std::size_t place) const {
    const auto read = [&](std::size_t head, std::size_t i) {
      const std::byte* page = l.page(head, l.dropped + place);
      return read_kv<f32, kv_role::key>(page, layers[layer].key_dim, place % page_positions, i);
    };
    return std::size_t(read(0, 0) - float(layer * 100) / 1024);
  }
  bool whole(const kv_layer& l, std::size_t layer, std::size_t place, std::size_t position) const {
    for (std::size_t head = 0; head < layers[layer].heads; ++head) {
      const std::byte* page = l.page(head, l.dropped + place);
      const std::size_t slot = place % page_positions;
      for (std::size_t i = 0; i < layers[layer].key_dim; ++i) {
        if (read_kv<f32, kv_role::key>(page, layers[layer].key_dim, slot, i) != key_of(layer, head, position, i)) return false;
      }
      for (std::size_t i = 0; i < layers[layer].value_dim; ++i) {
        if (read_kv<f32, kv_role::value>(page + l.value_offset, layers[layer].value_dim, slot, i) !=
            -key_of(layer, head, position, i))
          return false;
      }
    }
    return true;
  }
  /// Whether each layer has what it should have.
  bool right() const {
    for (const std::size_t i : {0, 2}) {
      const kv_layer l = s.layer(i);
      const auto sums = s.layer_state(i).before;
      kept_positions found;
      for (std::size_t place = 0; place < s.length() - l.dropped; ++place) {
        found.push_back({position_at(l, i, place), sums[place]});
        if (!whole(l, i, place, found.back().position)) return false;
      }
      std::sort(found.begin(), found.end(),
                [](const kept_position& a, const kept_position& b) { return a.position < b.position; });
      if (found != plain[i / 2].kept()) return false;
    }
    const kv_layer l = s.layer(1);
    for (std::size_t p = s.length() - std::min<std::size_t>(s.length(), 39); p < s.length(); ++p) {
      if (read_kv<f32, kv_role::key>(l.page(0, p), 32, p % page_positions, 0) != key_of(1, 0, p, 0)) return false;
    }
    return !plain[0].tied() && !plain[1].tied();
  }
};
witness in(const kv_pool_ref& pool) { return {sequence::try_create(*pool).value()}; }

const heavy_hitters some[] = {{192, 64}, {256, 64}, {256, 128}, {320, 192}};
}  // namespace

TEST_CASE("the lightest are the 64 smallest, of equal ones the first, and what is no number is nothing") {
  rng random(5);
  for (const std::size_t count : {64, 65, 128, 1000}) {
    std::vector<float> sums(count);
    for (float& x : sums) x = float(std::size_t(random.uniform() * 40));
    sums[count / 2] = sums[0] = std::numeric_limits<float>::quiet_NaN();
    std::vector<std::uint32_t> order(count);
    for (std::size_t i = 0; i < count; ++i) order[i] = static_cast<std::uint32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return (std::isnan(sums[a]) ? 0 : sums[a]) < (std::isnan(sums[b]) ? 0 : sums[b]);
    });
    std::sort(order.begin(), order.begin() + 64);
    const auto found = lightest(sums);
    CHECK(std::equal(found.begin(), found.end(), order.begin()));
  }
}

TEST_CASE("how many positions are dropped follows from how many there were, and there is always room for one more") {
  const heavy_hitters h{256, 128};
  for (std::size_t length = 0; length < 2000; ++length) {
    CHECK(h.dropped(length) % page_positions == 0);
    CHECK(h.place(length) < h.size);
    CHECK(h.left(length) >= 1);
    CHECK(h.dropped(length + h.left(length)) == h.dropped(length) + 64);
    CHECK(h.dropped(length + h.left(length) - 1) == h.dropped(length));
  }
  CHECK(heavy_hitters().dropped(1u << 30) == 0);
  CHECK(heavy_hitters().left(1u << 30) > 1u << 30);
}

TEST_CASE("the recent positions stay, and of the older ones those that have received most, in the memory that was planned") {
  for (const heavy_hitters& h : some) {
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{100}}) {
      const kv_room room = room_of(h, chunk);
      const auto pool = *kv_pool::try_create(layers, room);
      const auto planned = kv_pool::planned_bytes(layers, room);
      CHECK(pool->bytes() == planned.pages + planned.states);
      witness w = in(pool);
      std::size_t most = 0;
      for (std::size_t length = 40; length <= 900; length += 53) {
        w.grow(length, chunk);
        REQUIRE(w.right());
        most = std::max(most, pool->used().pages);
        CHECK(w.s.layer(0).positions - w.s.layer(0).dropped < h.size);
      }
      CHECK(most <= planned.pages);
      w.s.truncate(0);
      CHECK(pool->used().pages == 0);
      w.plain = {{0, h}, {2, h}};
      w.grow(500, chunk);
      CHECK(w.right());
    }
  }
}

TEST_CASE("layers that see all take as many pages as they keep, and their sums as many floats") {
  const std::vector<kv_shape> all{seen_whole}, window{windowed};
  const auto planned = [&](std::span<const kv_shape> of) { return kv_pool::planned_bytes(of, room_of({4096, 2048}, 128)); };
  CHECK(planned(all).pages == 4096 / 64 * 2 * kv_page_bytes<f32>(seen_whole));
  CHECK(planned(all).states == 2 * 4096 * sizeof(float));
  CHECK(planned(window).states == 0);
  CHECK(planned(window).pages == kv_pool::planned_bytes(window, {find_kv_format(tensor_type::f32), 4096, 128}).pages);
}

TEST_CASE("a step that is given up at the border of a choice changes nothing") {
  for (const heavy_hitters& h : some) {
    const auto pool = *kv_pool::try_create(layers, room_of(h, 16));
    witness w = in(pool);
    for (int i = 0; i < 200; ++i) {
      w.step(std::min<std::size_t>(16, w.s.tokens_of_step()), false);
      w.step(std::min<std::size_t>(16, w.s.tokens_of_step()));
      if (i % 10 == 0) REQUIRE(w.right());
    }
    CHECK(w.right());
  }
}

#if !NIBBLE_CHECKED
TEST_CASE("a step that goes on behind a choice is not begun, whatever room others leave") {
  const auto pool = *kv_pool::try_create(layers, room_of(some[0], 64, 4));
  witness w = in(pool);
  w.grow(some[0].size - 10, 64);
  CHECK_FALSE(w.s.begin(11));
  CHECK(w.right());
  w.step(10);
  CHECK(w.right());
}
#endif

TEST_CASE("forks choose each for itself, whatever they share") {
  for (const heavy_hitters& h : some) {
    const auto pool = *kv_pool::try_create(layers, room_of(h, 16, 3));
    for (const std::size_t length : {100, 250, 256, 500, 703}) {
      witness one = in(pool);
      one.grow(length, 16);
      witness two{one.s.fork(), one.plain}, three{two.s.fork(), one.plain};
      two.grow(length + 80, 5), three.grow(length + 300, 16);
      REQUIRE(one.right());
      REQUIRE(two.right());
      REQUIRE(three.right());
      one.grow(length + 200, 9);
      REQUIRE(one.right());
      REQUIRE(two.right());
      REQUIRE(three.right());
    }
    CHECK(pool->used().pages == 0);
    CHECK(pool->used().states == 0);
  }
}

TEST_CASE("a choice for which a shared page would have to be copied, and no page is free, is not begun") {
  const heavy_hitters h{256, 64};
  kv_room room = room_of(h, 64, 2);
  const std::vector<kv_shape> one{layers[0]};
  room.page_bytes = kv_pool::planned_bytes(one, room_of(h, 64)).pages;  // of one sequence
  const auto pool = *kv_pool::try_create(one, room);
  auto s = sequence::create(*pool);
  const auto add = [](sequence& to, std::size_t count) {
    const bool fits = to.begin(count);
    if (fits) to.commit();
    return fits;
  };
  for (int i = 0; i < 4; ++i) {
    if (i == 3) {
      auto other = s.fork();
      CHECK(!add(s, 64));
      CHECK(s.length() == 192);
      CHECK(add(s, 63));
      CHECK(!add(s, 1));
      CHECK(s.length() == 255);
      other.truncate(0);
      CHECK(add(s, 1));
      break;
    }
    REQUIRE(add(s, 64));
  }
  CHECK(s.length() == 256);
}

TEST_CASE("what is kept is saved and loaded, and goes on as it would have") {
  for (const heavy_hitters& h : some) {
    const auto pool = *kv_pool::try_create(layers, room_of(h, 16, 2));
    for (const std::size_t length : {20, 192, 256, 500, 703}) {
      witness one = in(pool), two = in(pool);
      one.grow(length, 16);
      std::vector<std::byte> saved(saved_sequence::bytes(one.s, length)), again(saved.size());
      saved_sequence::save(one.s, saved);
      two.grow(300, 3);
      saved_sequence::load(two.s, length, saved);
      two.plain = one.plain;
      CHECK(two.right());
      saved_sequence::save(two.s, again);
      CHECK(saved == again);
      two.grow(length + 200, 7);
      REQUIRE(two.right());
    }
  }
}

TEST_CASE("a sequence is cut back to copies behind its last choice, and else to nothing") {
  const heavy_hitters h{256, 64};
  for (const std::size_t interval : {0, 20}) {
    const auto pool = *kv_pool::try_create(layers, room_of(h, 8, 1, interval));
    witness w = in(pool);
    std::vector<std::pair<std::size_t, std::vector<plain_hitters>>> before;
    std::size_t copies = 0;  // that are farther back than the last step
    while (w.s.length() < 400) {
      before.push_back({w.s.length(), w.plain});
      w.step(8);
      for (std::size_t p = 1; p <= w.s.length(); ++p) {
        const std::size_t to = w.s.resumable(p);
        CHECK(to <= p);
        if (to == 0) continue;
        copies += to + 8 < w.s.length();
        CHECK(h.dropped(to) == h.dropped(w.s.length()));
      }
      CHECK(w.s.resumable(w.s.length()) == w.s.length());
    }
    CHECK((copies > 0) == (interval > 0));
    const std::size_t to = w.s.resumable(395);
    CHECK(to == 392);
    w.s.truncate(to);
    for (const auto& [length, plain] : before) {
      if (length == to) w.plain = plain;
    }
    CHECK(w.right());
    w.grow(800, 8);
    CHECK(w.right());
    CHECK(w.s.resumable(703) == 0);
  }
}

TEST_CASE("a position moves bit by bit, in every format, and nothing beside it changes") {
  const auto check = [](auto format, auto role, std::size_t dim) {
    using Format = typename decltype(format)::type;
    constexpr kv_role Role = decltype(role)::value;
    const std::size_t bytes = kv_tile_bytes<Format, Role>(dim);
    auto from = *aligned_buffer::try_allocate(bytes), to = *aligned_buffer::try_allocate(bytes);
    std::fill_n(from.data(), bytes, std::byte{}), std::fill_n(to.data(), bytes, std::byte{});
    rng random(dim);
    std::vector<std::vector<float>> first(page_positions), second(page_positions);
    for (std::size_t slot = 0; slot < page_positions; ++slot) {
      for (std::size_t i = 0; i < dim; ++i) {
        first[slot].push_back(float(random.uniform()) - 0.5f), second[slot].push_back(float(random.uniform()) - 0.5f);
      }
      store_kv<Format, Role>(first[slot].data(), dim, slot, from.data());
      store_kv<Format, Role>(second[slot].data(), dim, slot, to.data());
    }
    auto expected = *aligned_buffer::try_allocate(bytes);
    std::copy_n(to.data(), bytes, expected.data());
    for (const auto& [a, b] : {std::pair{3, 17}, {63, 0}, {20, 20}, {0, 62}}) {
      store_kv<Format, Role>(first[std::size_t(a)].data(), dim, std::size_t(b), expected.data());
      copy_kv<Role>(index_of<Format, kv_formats>, from.data(), std::size_t(a), to.data(), std::size_t(b), dim);
      CHECK(std::equal(to.data(), to.data() + bytes, expected.data()));
    }
  };
  any_type(kv_formats{}, [&](auto format) {
    for (const std::size_t dim : {16, 32, 40, 64, 80, 96, 128}) {
      check(format, std::integral_constant<kv_role, kv_role::key>(), dim);
      check(format, std::integral_constant<kv_role, kv_role::value>(), dim);
    }
    return false;
  });
}
