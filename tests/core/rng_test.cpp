#include "nibble/core/rng.hpp"

#include <doctest/doctest.h>

#include <random>

static_assert(std::uniform_random_bit_generator<nibble::rng>);

TEST_CASE("the generator gives the published first numbers of xoshiro256** from the state 1 2 3 4") {
  nibble::rng random(std::array<std::uint64_t, 4>{1, 2, 3, 4});
  for (const std::uint64_t expected : {11520ull, 0ull, 1509978240ull, 1215971899390074240ull, 1216172134540287360ull,
                                       607988272756665600ull, 16172922978634559625ull, 8476171486693032832ull})
    CHECK(random() == expected);
}

TEST_CASE("a seed becomes a state by the published splitmix64") {
  const nibble::rng random(1234567);
  CHECK(random.state() == std::array<std::uint64_t, 4>{6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull,
                                                       4593380528125082431ull});
}

TEST_CASE("uniform numbers lie in [0, 1) and have the mean and spread they should") {
  nibble::rng random(7);
  double sum = 0, squares = 0, least = 1, most = 0;
  constexpr int n = 200'000;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    sum += u;
    squares += u * u;
    least = u < least ? u : least;
    most = u > most ? u : most;
  }
  CHECK(least >= 0);
  CHECK(most < 1);
  CHECK(sum / n == doctest::Approx(0.5).epsilon(0.005));
  CHECK(squares / n == doctest::Approx(1.0 / 3).epsilon(0.005));
}

TEST_CASE("a copy continues with the same numbers, another seed does not") {
  nibble::rng first(3);
  first();
  nibble::rng copy = first, other(4);
  CHECK(copy == first);
  const auto next = first();
  CHECK(copy() == next);
  other();
  CHECK(other() != next);
}
