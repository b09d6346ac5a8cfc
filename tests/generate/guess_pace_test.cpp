#include "nibble/generate/guess_pace.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "nibble/core/rng.hpp"

using nibble::detail::guess_pace;
using nibble::detail::token_guess;
using std::chrono::microseconds;

namespace {
/// A session whose steps take a known time, and whose guesses come true with a known chance.
struct simulation {
  guess_pace pace;
  double chance = 0.8;             // of each guess
  double first = 1000, more = 50;  // microseconds of a token, and of each one beside it
  double guess = 0;                // of a guess
  std::size_t most = 15;
  double time = 0;
  std::size_t tokens = 0, checked = 0;
  nibble::rng random = nibble::rng(3);

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      std::array<token_guess, nibble::most_guesses> guesses{};
      for (token_guess& g : guesses) g.sureness = 4;
      std::size_t count = guess > 0 ? pace.plan(most, 1) : most;
      if (count > 0) pace.made(count, microseconds(std::int64_t(guess * double(count))));
      time += guess > 0 ? guess * double(count) : 0;
      const std::size_t known = count;
      count = pace.worth(std::span(guesses).first(count), 1);
      const double took = first + more * double(count);
      pace.stepped(1 + count, microseconds(std::int64_t(took)));
      time += took;
      std::size_t hits = 0;
      while (hits < count && random.uniform() < chance) ++hits;
      pace.brought(hits + 1);
      for (std::size_t g = 0; g < std::min(known, hits + 1); ++g) {
        pace.came_true(guesses[g], g < hits || (g >= count && random.uniform() < chance), g < count);
      }
      tokens += hits + 1, checked += count;
    }
  }
  /// How much faster than without guesses.
  double gain() const { return double(tokens) * first / time; }
};
}  // namespace

TEST_CASE("guesses that come true are checked, as many as pay") {
  simulation cheap;
  cheap.run(200);
  CHECK(cheap.gain() > 2.5);
  simulation dear;
  dear.more = 600;
  dear.run(200);
  CHECK(dear.gain() > 0.99);
  CHECK(dear.checked < cheap.checked / 2);
}

TEST_CASE("guesses that never come true cost next to nothing, whatever they cost") {
  for (const double more : {20.0, 100.0, 500.0, 1000.0}) {
    for (const double guess : {0.0, 100.0, 350.0}) {
      simulation s;
      s.chance = 0, s.more = more, s.guess = guess;
      s.run(200);
      INFO(more << " " << guess << " " << s.gain());
      CHECK(s.gain() > 0.97);
    }
  }
}

TEST_CASE("what stops to pay is given up, and taken up again where it pays") {
  for (const double guess : {0.0, 100.0}) {
    simulation s;
    s.guess = guess;
    s.run(100);
    const auto gain_of = [&s](std::size_t steps) {
      const double then = s.time;
      const std::size_t tokens = s.tokens;
      s.run(steps);
      return double(s.tokens - tokens) * s.first / (s.time - then);
    };
    INFO(guess);
    s.chance = 0;
    CHECK(gain_of(600) > 0.97);  // what it has gained before pays for the end of that, and no more
    CHECK(gain_of(600) > 0.98);
    s.chance = 0.9;
    CHECK(gain_of(1500) > 1.5);
  }
}

TEST_CASE("one step that was held up does not stop guesses for good") {
  simulation s;
  s.run(20);
  for (std::size_t n = 1; n <= 16; ++n) s.pace.stepped(n, std::chrono::milliseconds(500));
  s.pace.stepped(1, microseconds(1000));
  s.run(1000);
  CHECK(s.gain() > 2);
}
