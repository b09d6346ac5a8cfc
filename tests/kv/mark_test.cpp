/// A mark keeps what windows saw there, however much is added behind it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/kv/sequence.hpp"

using namespace nibble;

namespace {
const std::vector<kv_shape> windows{{1, 32, 32, 100}, {1, 32, 32, 0}, {2, 32, 32, 190}, {1, 32, 32, 1}};
constexpr std::size_t context = 1500, chunk = 70;

kv_pool_ref pool_of(std::size_t sequences, bool marks) {
  return *kv_pool::try_create(windows, {find_kv_format(tensor_type::f16), context, chunk, sequences, marks});
}

/// A sequence, and the number of each position that it has to hold in every layer.
struct witness {
  nibble::sequence s;
  std::vector<std::uint32_t> numbers = {};
  std::optional<std::size_t> mark = {};

  static std::byte* at(const sequence& s, std::size_t layer, std::size_t head, std::size_t position) {
    return s.layer(layer).page(head, position) + position % page_positions * 4;
  }
  void write(std::size_t count, rng& random) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = static_cast<std::uint32_t>(1e9 * random.uniform());
      for (std::size_t layer = 0; layer < windows.size(); ++layer)
        for (std::size_t head = 0; head < windows[layer].heads; ++head)
          std::memcpy(at(s, layer, head, s.length() + i), &number, sizeof(number));
      numbers.push_back(number);
    }
  }
  /// True if windows find what they see from the next position on.
  bool whole() const {
    if (numbers.size() != s.length()) return false;
    for (std::size_t layer = 0; layer < windows.size(); ++layer) {
      const std::size_t w = windows[layer].window, next = s.length() + 1;
      for (std::size_t p = w > 0 && next > w ? next - w : 0; p < s.length(); ++p) {
        for (std::size_t head = 0; head < windows[layer].heads; ++head) {
          std::uint32_t number = 0;
          std::memcpy(&number, at(s, layer, head, p), sizeof(number));
          if (number != numbers[p]) return false;
        }
      }
    }
    return true;
  }
  void truncate(std::size_t position) {
    s.truncate(position);
    numbers.resize(position);
    if (mark && position < *mark) mark.reset();
  }
};
}  // namespace

TEST_CASE("whatever is added, cut off, marked and copied: windows find what they see, the mark stays, and no page is lost") {
  const auto pool = pool_of(2, true);
  witness all[] = {{sequence::try_create(*pool).value()}, {sequence::try_create(*pool).value()}};
  rng random(7);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
  std::size_t to_mark = 0, between = 0, to_start = 0;
  for (int i = 0; i < 30'000; ++i) {
    witness& w = all[below(2)];
    const std::size_t what = below(40);
    if (what < 30) {
      const std::size_t count = std::min(1 + below(what < 15 ? 3 : chunk), context - w.s.length());
      REQUIRE(w.s.begin(count));
      w.write(count, random);
      if (what % 10 == 0) {
        w.s.rollback();
        w.numbers.resize(w.s.length());
      } else {
        w.s.commit();
      }
    } else if (what < 33 && w.s.length() > 0) {
      w.s.mark();
      w.mark = w.s.length();
    } else if (what < 38) {
      const std::size_t wanted = what < 35 && w.mark ? *w.mark - std::min(below(3) / 2, *w.mark) : below(w.s.length() + 1);
      const std::size_t found = w.s.resumable(wanted);
      REQUIRE(found <= wanted);
      if (w.mark && *w.mark <= wanted) REQUIRE(found >= *w.mark);
      to_mark += w.mark && found == *w.mark && w.s.length() > *w.mark + 300;
      between += found > 0 && found != wanted;
      to_start += found == 0 && wanted > 0;
      w.truncate(found);
    } else if (what == 38) {
      witness& other = &w == all ? all[1] : all[0];
      other.s.assign(w.s);
      other.numbers = w.numbers, other.mark = w.mark;
    }
    for (const witness& x : all) REQUIRE(x.whole());
    REQUIRE(w.s.has_mark() == w.mark.has_value());
  }
  CHECK(to_mark > 20);
  CHECK(between > 100);
  CHECK(to_start > 100);
  for (witness& w : all) {
    w.truncate(0);
    while (w.s.length() < context) {
      const std::size_t count = std::min(chunk, context - w.s.length());
      REQUIRE(w.s.begin(count));
      w.write(count, random);
      w.s.commit();
    }
    CHECK(w.whole());
  }
}

TEST_CASE("the position before a mark is kept, too: its token is processed again for its logits") {
  const auto pool = pool_of(1, true);
  for (std::size_t m = 60; m < 500; ++m) {
    auto s = sequence::try_create(*pool).value();
    const auto add = [&](std::size_t until) {
      while (s.length() < until) {
        REQUIRE(s.begin(std::min(chunk, until - s.length())));
        s.commit();
      }
    };
    add(m);
    s.mark();
    add(1500);
    REQUIRE(s.resumable(1000) == m);
    REQUIRE(s.resumable(m) == m);
    REQUIRE(s.resumable(m - 1) == m - 1);
    s.truncate(m);
    REQUIRE(s.resumable(m - 1) == m - 1);
    s.truncate(m - 1);
    REQUIRE(!s.has_mark());
  }
}

TEST_CASE("a pool without marks keeps none, and takes no room for any") {
  const auto pool = pool_of(1, false), with = pool_of(1, true);
  auto s = sequence::try_create(*pool).value();
  REQUIRE(s.begin(50));
  s.commit();
  s.mark();
  CHECK(!s.has_mark());
  const std::size_t page = kv_page_bytes<f16>(windows[0]);
  // Of windows of 100, 190 and 1 position and steps of 70: spans of 169, 259 and 70, and of 100, 190 and 1 at the mark.
  const std::size_t all = 24, plain = 4 + 2 * 6 + 3, marked = 3 + 2 * 4 + 1;
  CHECK(pool->bytes() == (plain + all) * page);
  CHECK(with->bytes() == (plain + marked + all) * page);
  CHECK(kv_pool::planned_bytes(windows, with->room()).pages == with->bytes());
}
