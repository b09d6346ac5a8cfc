#include "nibble/core/portable_math.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

using namespace nibble::detail;

TEST_CASE("logarithms and powers are those of the C library but for the last digits") {
  for (int i = -2000; i <= 2000; ++i) {
    const double x = double(i) * 0.0171, value = std::exp2(x);
    CHECK(portable_log2(value) == doctest::Approx(x).epsilon(1e-14));
    CHECK(portable_exp2(x) == doctest::Approx(value).epsilon(1e-14));
  }
  for (double base : {1e4, 5e5, 1e6, 1e7}) {
    for (int i = 0; i < 64; ++i) {
      CHECK(portable_pow(base, -i / 64.0) == doctest::Approx(std::pow(base, -i / 64.0)).epsilon(1e-14));
    }
  }
  CHECK(portable_log(std::numbers::e) == doctest::Approx(1).epsilon(1e-14));
}

TEST_CASE("logarithms and powers have the same bits with every compiler, C library and level of optimization") {
  std::uint64_t hash = 14695981039346656037u;
  const auto add = [&](double x) { hash = (hash ^ std::bit_cast<std::uint64_t>(x)) * 1099511628211u; };
  for (double base : {1e4, 5e5, 1e6}) {  // the frequencies of rotations
    for (int dims : {64, 128}) {
      for (int i = 0; i < dims / 2; ++i) add(portable_pow(base, -2.0 * i / dims));
    }
  }
  CHECK(hash == 0x06d21a78c607ccc6u);
  for (int i = 1; i < 2000; ++i) add(portable_log(i / 3.0)), add(portable_exp2(i / 64.0 - 17));
  CHECK(hash == 0xf1c79d3b2c8107d1u);
}

TEST_CASE("logarithms and powers of numbers that have none are no numbers, zeros or infinite") {
  constexpr double infinity = std::numeric_limits<double>::infinity(), no_number = std::numeric_limits<double>::quiet_NaN();
  for (double x : {0.0, -1.0, infinity, no_number}) CHECK(std::isnan(portable_log2(x)));
  CHECK(portable_exp2(2000) == infinity);
  CHECK(portable_exp2(-2000) == 0);
  CHECK(portable_exp2(infinity) == infinity);
  CHECK(std::isnan(portable_exp2(no_number)));
}

TEST_CASE("a direction is the cosine and sine of its part of a turn, in every eighth and at the ends") {
  for (std::uint64_t i = 0; i < 4096; ++i) {
    for (const std::int64_t beside : {-1, 0, 1}) {
      const turn_fraction turn = (i << 52) + static_cast<std::uint64_t>(beside);
      const double angle = 2 * std::numbers::pi * (double(i) / 4096);
      const direction d(turn);
      REQUIRE(std::fabs(double(d.cosine) * 0x1p-32 - std::cos(angle)) < 1.5e-9);
      REQUIRE(std::fabs(double(d.sine) * 0x1p-32 - std::sin(angle)) < 1.5e-9);
    }
  }
}

TEST_CASE("an angle loses its whole turns, and any number of turns is exact") {
  for (double radians : {0.0, 0.1, 1.0, 6.5, 1000.25, -0.3}) {
    const direction d(turns_of(radians) * 100003);  // turns of so many steps
    CHECK(double(d.cosine) * 0x1p-32 == doctest::Approx(std::cos(radians * 100003)).epsilon(1e-7));
  }
  for (double none : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(turns_of(none) == 0);
  }
}
