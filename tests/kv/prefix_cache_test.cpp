/// Prefix caches: texts that begin alike share what is kept of their beginning, and it is never anything else.
#include "nibble/kv/prefix_cache.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "kv/prefix_reader.hpp"
#include "nibble/core/rng.hpp"
#include "nibble/kv/saved_prefixes.hpp"
#include "nibble/kv/sequence.hpp"

using namespace nibble_test;

TEST_CASE("a text that begins alike begins behind the last page that both have, at every border") {
  for (const auto& layers : kinds_of_layers) {
    const auto pool = kv_pool::create(layers, room_of(3, 0, 12));
    reader first{layers, sequence::create(*pool)};
    const tokens text = text_of(500);
    first.read(text);
    for (std::size_t same = 0; same <= 500; ++same) {
      tokens other = text;
      if (same < 500) other[same] = 99;
      reader second{layers, sequence::create(*pool)};
      const auto used = pool->used().pages;
      REQUIRE(second.recall(other) == same / page_positions * page_positions);
      REQUIRE(second.whole());
      if (layers[0].window == 0) REQUIRE(pool->used().pages == used);  // it shares all
      REQUIRE(second.add(std::span(other).subspan(second.held.size(), std::min<std::size_t>(500 - second.held.size(), 70))));
      REQUIRE(second.whole());
    }
    REQUIRE(first.whole());
  }
}

TEST_CASE("what nobody has any more is still there for the next, and its memory is everyone's") {
  for (const auto& layers : kinds_of_layers) {
    const auto pool = kv_pool::create(layers, room_of(2));
    const auto empty = pool->used();
    reader one{layers, sequence::create(*pool)}, other{layers, sequence::create(*pool)};
    one.read(text_of(320));
    one.forget();
    const auto kept = pool->cached();
    CHECK((layers[0].heads == 0 || kept.pages > 0));
    CHECK(pool->used().pages == empty.pages);
    CHECK(one.recall(text_of(320)) == 320);
    CHECK(one.whole());
    CHECK(pool->cached().pages < std::max<std::size_t>(kept.pages, 1));
    for (token t = 100; t < 120; ++t) {  // more than there is room for
      other.forget();
      other.read(text_of(650, t * 100));
      REQUIRE(other.whole());
      REQUIRE(one.whole());
    }
    const auto memory = pool->memory();
    CHECK(pool->used().pages + pool->cached().pages <= memory.pages);
    CHECK(pool->used().states + pool->cached().states <= memory.states);
  }
}

TEST_CASE("the least recently used gives way first, and of a text its end before its beginning") {
  const auto& layers = kinds_of_layers[0];
  const std::size_t page = kv_page_bytes<f16>(layers[0]);
  const auto pool = kv_pool::create(layers, room_of(2, 12 * page));
  reader r{layers, sequence::create(*pool)};
  const tokens a = text_of(256, 1000), b = text_of(256, 2000), c = text_of(256, 3000);
  const auto length_of = [&](const tokens& text) {
    reader probe{layers, sequence::create(*pool)};
    return probe.recall(text);
  };
  const auto read = [&](const tokens& text) {
    r.forget();
    r.recall(text);
    r.read(text);
  };
  read(a), read(b), read(c);  // 4 pages of each: all there are
  read(a);                    // b is now the oldest
  read(text_of(128, 4000));   // takes two
  CHECK(length_of(b) == 128);
  CHECK(length_of(a) == 256);
  CHECK(length_of(c) == 256);
}

TEST_CASE("what somebody still has stays for others, too: it is what nobody has that gives way") {
  const auto& layers = kinds_of_layers[0];
  const std::size_t page = kv_page_bytes<f16>(layers[0]);
  const auto pool = kv_pool::create(layers, room_of(3, 12 * page));
  reader one{layers, sequence::create(*pool)}, other{layers, sequence::create(*pool)};
  const tokens a = text_of(256, 1000);
  one.read(a);  // the least recently used, but in use
  for (const token t : {2000, 3000}) {
    other.read(text_of(256, t));
    other.forget();
  }
  other.read(text_of(128, 4000));
  reader third{layers, sequence::create(*pool)};
  CHECK(third.recall(a) == 256);
  CHECK(third.whole());
}

TEST_CASE(
    "whoever begins, goes on, forks, is cut back and remembers, within a budget: each holds its own, and nothing is lost") {
  for (const auto& layers : kinds_of_layers) {
    for (const std::size_t budget : {std::size_t{0}, std::size_t{200'000}}) {
      if (budget > 0 && layers[0].heads == 0) continue;
      const auto pool = kv_pool::create(layers, room_of(5, budget, 3));
      std::vector<reader> all;
      for (int i = 0; i < 5; ++i) all.push_back({layers, sequence::create(*pool)});
      rng random(29);
      const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
      const auto some_text = [&] {  // pages of two kinds, so that many begin alike; some differ within a page
        tokens text;
        for (std::size_t page = 0; page < context / page_positions; ++page) {
          const tokens more = text_of(page_positions, static_cast<token>(1000 * below(2)));
          text.insert(text.end(), more.begin(), more.end());
        }
        if (below(3) == 0) text[below(text.size())] = 7;
        return text;
      };
      std::vector<tokens> texts;
      for (int i = 0; i < 5; ++i) texts.push_back(some_text());
      std::vector<std::byte> saved;
      std::size_t hits = 0, refused = 0;
      for (std::size_t i = 0; i < 4000; ++i) {
        const std::size_t which = below(5), what = below(20);
        reader& r = all[which];
        if (r.held.size() == texts[which].size() || what == 0) {
          r.forget();
          texts[which] = some_text();
          hits += r.recall(texts[which]) > 0;
        } else if (what == 1) {
          r.s.truncate(r.s.resumable(below(r.held.size() + 1)));
          r.held.resize(r.s.length());
        } else if (what == 2) {
          const std::size_t other = below(5);
          all[other].s.assign(r.s);
          all[other].held = r.held;
          texts[other] = texts[which];
        } else if (what == 3 && saved.empty()) {
          vector_sink sink(saved);
          saved_prefixes::save(*pool, 5, sink);
        } else if (what == 3) {
          const auto used = pool->used().pages;
          saved_prefixes::load(*pool, 5, saved);  // of it, what was given up meanwhile
          REQUIRE(pool->used().pages == used);
          if (below(4) == 0) saved.clear();
        } else {
          const std::size_t most = std::min(chunk, texts[which].size() - r.held.size());
          const std::size_t to_border = page_positions - r.held.size() % page_positions;
          const std::size_t count = what < 8    ? std::min(1 + below(3), most)
                                    : what < 14 ? std::min(to_border, most)
                                                : 1 + below(most);
          const auto before = pool->used().pages;
          if (r.add(std::span(texts[which]).subspan(r.held.size(), count))) {
            if (below(8) > 0) r.s.remember(r.held);
          } else {
            REQUIRE(pool->used().pages == before);
            REQUIRE(budget > 0);
            ++refused;
            r.forget();
          }
        }
        for (const reader& x : all) REQUIRE(x.whole());
      }
      CHECK(hits > 50);
      CHECK((refused > 0) == (budget > 0 && pool->memory().pages < kv_pool::planned_bytes(layers, room_of(5)).pages / 2));
      all.clear();
      CHECK(pool->used().pages == 0);
      CHECK(pool->used().states == 0);
    }
  }
}

TEST_CASE("a pool without a prefix cache keeps nothing, and one with it takes what was planned") {
  for (const auto& layers : kinds_of_layers) {
    kv_room room = room_of(2);
    const auto with = kv_pool::planned_bytes(layers, room);
    CHECK(kv_pool::create(layers, room)->bytes() == with.pages + with.states);
    room.prefix_cache = false;
    const auto without = kv_pool::planned_bytes(layers, room);
    CHECK(without.tables < with.tables);
    CHECK(without.pages == with.pages);
    CHECK((without.states < with.states) == (layers.back().state > 0));
    const auto pool = kv_pool::create(layers, room);
    reader r{layers, sequence::create(*pool)};
    r.read(text_of(200));
    r.forget();
    CHECK(pool->cached().pages == 0);
    CHECK(r.recall(text_of(200)) == 0);
  }
}

TEST_CASE("what depends on more than its tokens is found by those alone that depend on the same") {
  for (const auto& layers : kinds_of_layers) {
    const auto pool = kv_pool::create(layers, room_of(3, 0, 12));
    const tokens text = text_of(128);
    reader one{layers, sequence::create(*pool)}, other{layers, sequence::create(*pool)};
    one.read(text);  // key 0
    REQUIRE(other.s.recall(text, 7) == 0);
    for (std::size_t end = 64; end <= 128; end += 64) {
      REQUIRE(other.add(std::span(text).subspan(end - 64, 64)));
      other.s.remember(other.held, 7);
    }
    for (const std::uint64_t key : {0, 7, 8}) {
      reader third{layers, sequence::create(*pool)};
      CHECK(third.s.recall(text, key) == (key == 8 ? 0 : 128));
      third.held.assign(text.begin(), text.begin() + std::ptrdiff_t(third.s.length()));
      CHECK(third.whole());
    }
  }
}
