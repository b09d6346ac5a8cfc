#include "nibble/layers/routing.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "nibble/core/rng.hpp"

using namespace nibble;
using gating = router_spec::gating;

namespace {
struct choice {
  std::vector<std::uint32_t> experts;
  std::vector<float> shares;
};
choice choose(const router_spec& r, std::vector<float> scores) {
  choice c{std::vector<std::uint32_t>(r.used), std::vector<float>(r.used)};
  detail::choose_experts(kernels(), r, scores.data(), scores.size(), c.experts.data(), c.shares.data());
  return c;
}
float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }
constexpr float no_number = std::numeric_limits<float>::quiet_NaN();
}  // namespace

TEST_CASE("experts are chosen by their scores, of equal ones the first, and weighed by how likely they are") {
  const auto c = choose({.used = 3}, {1, 2, 0, 2});
  CHECK(c.experts == std::vector<std::uint32_t>{1, 3, 0});
  const float total = 2 * std::exp(2.0f) + std::exp(1.0f) + 1;
  CHECK(c.shares[0] == doctest::Approx(std::exp(2.0f) / total));
  CHECK(c.shares[2] == doctest::Approx(std::exp(1.0f) / total));
}

TEST_CASE("shares add up to the scale where they are renormalized, and by a softmax of those used") {
  for (const router_spec& r : {router_spec{.used = 2, .renormalized = true, .scale = 2.5f},
                               router_spec{.used = 2, .by = gating::softmax_of_used, .scale = 2.5f}}) {
    const auto c = choose(r, {1, 2, 0, -3});
    CHECK(c.shares[0] + c.shares[1] == doctest::Approx(2.5));
    CHECK(c.shares[1] / c.shares[0] == doctest::Approx(std::exp(-1.0f)));
  }
}

TEST_CASE("shares that add up to nothing are divided by the smallest normal half") {
  const auto c = choose({.used = 2, .by = gating::sigmoid, .renormalized = true}, {-40, -41, -42});
  CHECK(c.shares[0] == doctest::Approx(sigmoid(-40) / 6.103515625e-5f));
}

TEST_CASE("a selection bias chooses and does not weigh; a bias does both") {
  const std::vector<float> by{0, 0, 5, 0};
  const router_spec sigmoids{.used = 2, .by = gating::sigmoid};
  router_spec r = sigmoids;
  r.preference = by;
  const auto preferred = choose(r, {1, 2, 0, -3});
  CHECK(preferred.experts == std::vector<std::uint32_t>{2, 1});
  CHECK(preferred.shares[0] == doctest::Approx(0.5));
  CHECK(preferred.shares[1] == doctest::Approx(sigmoid(2)));
  r = sigmoids;
  r.bias = by;
  const auto biased = choose(r, {1, 2, 0, -3});
  CHECK(biased.experts == std::vector<std::uint32_t>{2, 1});
  CHECK(biased.shares[0] == doctest::Approx(sigmoid(5)));
}

TEST_CASE("of groups, those whose best two experts add up to most are looked into") {
  router_spec r{.used = 2, .by = gating::sigmoid, .groups = 3, .groups_used = 1};
  CHECK(choose(r, {9, -9, 1, 2, 1.5f, 1}).experts == std::vector<std::uint32_t>{3, 2});
  r.groups_used = 2;
  CHECK(choose(r, {9, -9, 1, 2, 1.5f, 1}).experts == std::vector<std::uint32_t>{3, 4});
  r.groups_used = 3;
  CHECK(choose(r, {9, -9, 1, 2, 1.5f, 1}).experts == std::vector<std::uint32_t>{0, 3});
  r.groups_used = 1;
  CHECK(choose(r, {1, 1, 1, 1, 1, 1}).experts == std::vector<std::uint32_t>{0, 1});
  const std::vector<float> preference{0, 0, 0, 0, 9, 9};
  r.preference = preference;
  CHECK(choose(r, {9, -9, 1, 2, 1.5f, 1}).experts == std::vector<std::uint32_t>{4, 5});
}

TEST_CASE("experts with scores that are no numbers come last, and are there where no others are") {
  CHECK(choose({.used = 2, .by = gating::sigmoid}, {no_number, -5, no_number, 1}).experts == std::vector<std::uint32_t>{3, 1});
  const auto c = choose({.used = 3, .by = gating::sigmoid}, {no_number, -5, no_number, 1});
  CHECK(c.experts == std::vector<std::uint32_t>{3, 1, 0});
  CHECK(std::isnan(c.shares[2]));
  CHECK(choose({.used = 2, .by = gating::sigmoid, .groups = 2, .groups_used = 1}, {no_number, no_number, -5, -6}).experts ==
        std::vector<std::uint32_t>{2, 3});
}

TEST_CASE(
    "of many experts the chosen are those that a stable sort puts first, with equal scores and such that are no numbers") {
  rng random(7);
  for (int round = 0; round < 300; ++round) {
    const auto n = 1 + std::size_t(40 * random.uniform()), used = 1 + std::size_t(double(n) * random.uniform());
    std::vector<float> scores(n);
    for (float& x : scores) x = random.uniform() < 0.1 ? no_number : float(int(8 * random.uniform()));
    std::vector<std::uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
      return scores[a] > scores[b] || (scores[a] == scores[a] && scores[b] != scores[b]);
    });
    order.resize(used);
    CHECK(choose({.used = used, .by = gating::softmax_of_used}, scores).experts == order);
  }
}
