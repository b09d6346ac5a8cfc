#include "nibble/sample/softmax.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using nibble::certain;
using nibble::unnormalized_probability;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
}  // namespace

TEST_CASE("an unnormalised probability is 2^40 * e^x to within 2^-29 and one unit, and does not fall where x grows") {
  std::uint64_t before = 0;
  double worst = 0;
  bool grows = true;
  for (int i = -300'000; i <= 0; ++i) {
    const double x = i * 1e-4, exact = std::exp(x) * 0x1p40;
    const std::uint64_t w = unnormalized_probability(x);
    grows = grows && w >= before;
    before = w;
    worst = std::max(worst, (std::abs(double(w) - exact) - 1) / exact);
  }
  CHECK(grows);
  CHECK(worst < 0x1p-29);
  for (int i = 1; i < 40; ++i) {  // also where an octave ends
    const double x = -i * std::log(2.0);
    CHECK(unnormalized_probability(std::nextafter(x, -100.0) - 1e-9) <= unnormalized_probability(x + 1e-9));
  }
}

TEST_CASE("unnormalised probabilities have known values, the same on every platform") {  // computed with the integers of
                                                                                         // another language
  static_assert(unnormalized_probability(0.0) == certain);
  static_assert(unnormalized_probability(-1.0) == 404487723136u);
  static_assert(unnormalized_probability(-0.1) == 994879261696u);
  static_assert(unnormalized_probability(-20.0) == 2266u);
  std::uint64_t hash = 0;
  for (int i = 0; i < 100'000; ++i) hash = hash * 0x9e3779b97f4a7c15u + unnormalized_probability(-float(i) * 0.00029f, 0.25f);
  CHECK(hash == 10012673177665732418u);
}

TEST_CASE("unnormalised probabilities of strange logits") {
  CHECK(unnormalized_probability(not_a_number, 1.0f) == 0);
  CHECK(unnormalized_probability(-infinity, 1.0f) == 0);
  CHECK(unnormalized_probability(-3e38f, 3e38f) == 0);
  CHECK(unnormalized_probability(infinity, infinity) == certain);
  CHECK(unnormalized_probability(3e38f, infinity) == 0);
  CHECK(unnormalized_probability(not_a_number, infinity) == 0);
  CHECK(unnormalized_probability(-27.0f, 0.0f) == 2);
  CHECK(unnormalized_probability(-27.8f, 0.0f) == 0);
}

TEST_CASE("the least logit of an unnormalised probability is the border between too little and enough") {
  for (const float best : {0.0f, -0.0f, 1.5f, -7.25f, 3e38f, -3e38f, 1e-40f})
    for (const std::uint64_t wanted : {std::uint64_t{1}, certain / 1000, certain / 2, certain - 1, certain}) {
      const float least = nibble::least_logit(wanted, best);
      CHECK(unnormalized_probability(least, best) >= wanted);
      CHECK(unnormalized_probability(std::nextafter(least, -infinity), best) < wanted);
    }
}

TEST_CASE("the greatest logit is found for every length, NaN passed over") {
  for (std::size_t n = 1; n < 40; ++n)
    for (std::size_t at = 0; at < n; ++at) {
      std::vector<float> logits(n, not_a_number);
      logits[at] = -3;
      CHECK(nibble::greatest(logits) == -3);
    }
  CHECK(nibble::greatest({}) == -infinity);
  CHECK(nibble::greatest(std::vector<float>(9, not_a_number)) == -infinity);
}

TEST_CASE("the log probability is that of the softmax in double precision") {
  std::vector<float> logits(5003);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = float((i * 7919) % 1009) * 0.03f - 12;
  logits[17] = -infinity;
  logits[18] = not_a_number;
  double sum = 0;
  for (const float x : logits) sum += x == x ? std::exp(double(x)) : 0;
  for (const nibble::token id : {0, 1, 999, 5002})
    CHECK(nibble::log_probability(logits, id) ==
          doctest::Approx(double(logits[std::size_t(id)]) - std::log(sum)).epsilon(1e-6));
  CHECK(nibble::log_probability(logits, 17) == -infinity);
  CHECK(std::isnan(nibble::log_probability(logits, 18)));
  CHECK(std::isnan(nibble::log_probability(logits, -1)));
  CHECK(std::isnan(nibble::log_probability(logits, 5003)));
  CHECK(std::isnan(nibble::log_probability(std::vector<float>(3, -infinity), 0)));
}
