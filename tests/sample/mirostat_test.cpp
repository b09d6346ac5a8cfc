/// Steps that draw themselves, and learn from what they drew.
#include "nibble/sample/mirostat.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "nibble/sample/adaptive_p.hpp"
#include "nibble/sample/registry.hpp"
#include "sample/after.hpp"

using nibble::candidates;
using nibble::token;
using nibble_test::after;
using nibble_test::plain_logits;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();

/// Draws for a text, which it appends to, and gives what the step says of itself then.
template <class Step, class Look>
double told_after(Step& step, std::vector<token>& text, Look look, token instead = nibble::no_token) {
  nibble::rng random(5);
  std::vector<float> logits = plain_logits(50, std::uint32_t(text.size()), 0x1p-21f);
  candidates c;
  c.assign(logits);
  nibble::sample_context context{text, random};
  step(c, context);
  REQUIRE(c.size() == 1);
  text.push_back(instead == nibble::no_token ? c[0].id : instead);
  return look(step);
}

/// The mean surprise of a text of `n` tokens, in bits, by what they were drawn from.
template <class Step>
double mean_surprise(Step step, std::size_t n) {
  nibble::rng random(3);
  std::vector<token> text{0};
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<float> logits = plain_logits(2000, std::uint32_t(i));
    for (float& x : logits) x = x * x * x / 16;  // few are likely
    candidates c;
    c.assign(logits);
    nibble::sample_context context{text, random};
    step(c, context);
    text.push_back(c[0].id);
    sum -= std::log2(step.control.drawn.probability);
  }
  return sum / double(n);
}
}  // namespace

TEST_CASE("a drawn token counts once it is part of the text") {
  const auto limit = [](const auto& step) { return step.control.limit; };
  nibble::mirostat_v2 taken{3, 0.5f}, refused{3, 0.5f}, again{3, 0.5f};
  std::vector<token> text{1};
  CHECK(told_after(taken, text, limit) == 6);
  CHECK(told_after(taken, text, limit) != 6);
  text = {1};
  CHECK(told_after(refused, text, limit, 51) == 6);  // another token was chosen
  CHECK(told_after(refused, text, limit) == 6);
  text = {1};
  for (int i = 0; i < 3; ++i) {
    CHECK(told_after(again, text, limit) == 6);
    text.pop_back();  // a choice that is dropped
  }
}

TEST_CASE("mirostat keeps the surprise of a text near tau") {
  for (const float tau : {2.0f, 3.0f, 4.0f}) {
    CHECK(mean_surprise(nibble::mirostat{tau}, 600) == doctest::Approx(tau).epsilon(0.1));
    CHECK(mean_surprise(nibble::mirostat_v2{tau}, 600) == doctest::Approx(tau).epsilon(0.1));
  }
}

TEST_CASE("adaptive_p wants less of what was likely before") {
  nibble::adaptive_p step{0.4f, 0.5f};
  CHECK(step.wanted() == doctest::Approx(0.4));
  step.learn(0.8);
  CHECK(step.wanted() == doctest::Approx(0.8 - (0.4 + 0.8) / 2));
  step.learn(1);
  step.learn(1);
  step.learn(1);
  CHECK(step.wanted() == 0);
  nibble::adaptive_p beyond{7, 7};
  CHECK(beyond.wanted() == 1);
  beyond.learn(1);
  CHECK(beyond.wanted() == 1);
  nibble::adaptive_p forgetful{0.4f, -3};
  forgetful.learn(0.6);
  CHECK(forgetful.wanted() == doctest::Approx(0.2));
  std::vector<token> text{1};
  const auto wanted = [](const nibble::adaptive_p& s) { return s.wanted(); };
  nibble::adaptive_p drawing{0.4f, 0.5f};
  CHECK(told_after(drawing, text, wanted) == doctest::Approx(0.4));
  CHECK(told_after(drawing, text, wanted) != doctest::Approx(0.4));
}

TEST_CASE("steps that draw, at the ends of their settings and of logits") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
    CHECK(after(nibble::mirostat{bad}, {1, 2, 3}).size() == 3);
    CHECK(after(nibble::mirostat_v2{5, bad}, {1, 2, 3}).size() == 3);
  }
  CHECK(after(nibble::adaptive_p{-1}, {1, 2, 3}).size() == 3);
  CHECK(after(nibble::adaptive_p{std::numeric_limits<float>::quiet_NaN()}, {1, 2, 3}).size() == 3);
  const auto ids = [](auto step, std::vector<float> logits) { return nibble_test::ids_after(step, std::move(logits)); };
  CHECK(ids(nibble::mirostat_v2{0}, {1, 2, 3, 2}) == std::vector<token>{2});
  CHECK(ids(nibble::mirostat{-9}, {1, 2, 3, 2}) == std::vector<token>{2});
  const auto only_1 = [&](auto step) {
    CHECK(ids(step, {1, infinity, 3}) == std::vector<token>{1});
    CHECK(ids(step, {-infinity, -infinity, -infinity}) == std::vector<token>{0});
    CHECK(ids(step, {-infinity, 2, std::numeric_limits<float>::quiet_NaN()}) == std::vector<token>{1});
    CHECK(ids(step, {}).empty());
  };
  only_1(nibble::mirostat{});
  only_1(nibble::mirostat_v2{});
  only_1(nibble::adaptive_p{});
}

TEST_CASE("mirostat of candidates that are all alike keeps all, or one") {
  nibble::mirostat step;
  std::vector<float> logits(64);
  candidates c;
  c.assign(logits);
  step.keep_below(c, 7);
  CHECK(c.size() == 64);
  c.assign(logits);
  step.keep_below(c, 5);
  CHECK(c.size() == 1);
}

TEST_CASE("xtc takes the likely away but for the last of them, and always one random number") {
  const auto logs = [](std::vector<float> probabilities) {
    for (float& p : probabilities) p = std::log(p);
    return probabilities;
  };
  const auto left = [&](nibble::xtc step, std::vector<float> p) { return nibble_test::ids_after(step, logs(std::move(p))); };
  CHECK(left({1, 0.15f}, {0.3f, 0.1f, 0.4f, 0.2f}) == std::vector<token>{1, 3});
  CHECK(left({1, 0.35f}, {0.3f, 0.1f, 0.4f, 0.2f}).size() == 4);
  CHECK(left({1, 0.45f}, {0.3f, 0.1f, 0.4f, 0.2f}).size() == 4);
  CHECK(left({1, 0.51f}, {0.5f, 0.5f}).size() == 2);
  CHECK(left({1, 0.5f}, {0.5f, 0.5f}) == std::vector<token>{1});  // of equals, the one that ranks last
  CHECK(left({0, 0.1f}, {0.5f, 0.5f}).size() == 2);
  CHECK(left({-1, 0.1f}, {0.5f, 0.5f}).size() == 2);
  CHECK(left({std::numeric_limits<float>::quiet_NaN(), 0.1f}, {0.5f, 0.5f}).size() == 2);
  CHECK(left({1, std::numeric_limits<float>::quiet_NaN()}, {0.5f, 0.5f}).size() == 2);
  for (const float none : {0.0f, -1.0f, -infinity})
    CHECK(left({1, none}, {0.5f, 0.2f, 0.3f, 0.0f}) == std::vector<token>{1, 3});
  CHECK(nibble_test::ids_after(nibble::xtc{1, 0.1f}, {infinity, 3, infinity}) == std::vector<token>{1, 2});
  int taken = 0;
  nibble::rng random(1), counting(1);
  for (int i = 0; i < 1000; ++i) {
    std::vector<float> logits(std::size_t(i % 3), 0.0f);
    candidates c;
    c.assign(logits);
    nibble::sample_context context{{}, random};
    nibble::xtc{0.25f, 0.1f}(c, context);
    taken += c.size() < logits.size();
    counting();
  }
  CHECK(random == counting);
  CHECK(taken == doctest::Approx(83).epsilon(0.3));
}

TEST_CASE("top_n_sigma does not depend on a temperature before it; what happens at its ends") {
  const auto logits = plain_logits(500, 3);
  const auto cold = nibble_test::ids_after(nibble::temperature{0.25f} | nibble::top_n_sigma{0.6f}, logits);
  const auto hot = nibble_test::ids_after(nibble::temperature{4} | nibble::top_n_sigma{0.6f}, logits);
  CHECK(cold == hot);
  CHECK(cold.size() > 10);
  CHECK(cold.size() < 490);
  const auto left = [](float n, std::vector<float> x) { return nibble_test::ids_after(nibble::top_n_sigma{n}, std::move(x)); };
  for (const float all : {0.0f, -1.0f, infinity, -infinity, std::numeric_limits<float>::quiet_NaN()})
    CHECK(left(all, {1, -90, 3}).size() == 3);
  CHECK(left(1, {2, 2, 2}).size() == 3);
  CHECK(left(1, {1, infinity, 3}) == std::vector<token>{1});
  CHECK(left(1, {-infinity, -infinity}) == std::vector<token>{0});
  CHECK(left(1, {0, -infinity, 1, std::numeric_limits<float>::quiet_NaN(), 0.9f}) == std::vector<token>{2, 4});
  CHECK(left(3, {3e38f, -3e38f}).size() == 2);
  CHECK(left(0.5f, {3e38f, -3e38f}) == std::vector<token>{0});
}

TEST_CASE("a dynamic temperature is lowest where one token is certain, highest where all are alike") {
  const nibble::dynamic_temperature step{1, 0.5f, 1};
  const auto of = [](const nibble::dynamic_temperature& d, std::vector<float> logits) {
    candidates c;
    c.assign(logits);
    return double(d.temperature_for(c));
  };
  CHECK(of(step, {0, 0, 0, 0}) == doctest::Approx(1.5));
  CHECK(of(step, {0, -99, -99, -99}) == doctest::Approx(0.5));
  CHECK(of(step, {0, 0, -99, -99}) == doctest::Approx(1));
  CHECK(of({0.3f, 0.5f, 1}, {0, -99}) == 0);
  CHECK(of({1, 0.5f, 0}, {0, -99}) == doctest::Approx(1.5));
  CHECK(of({1, 0.5f, infinity}, {0, 0}) == doctest::Approx(1.5));
  CHECK(of({1, 0.5f, infinity}, {0, -1}) == doctest::Approx(0.5));
  CHECK(of({1, 0.5f, -1}, {0, -99}) == double(infinity));
  CHECK(of({1, infinity, 1}, {0, -99}) == 0);
  for (const float none : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) CHECK(of({0.75f, none, 1}, {0, 1}) == 0.75);
  CHECK(of({0.75f, 1, std::numeric_limits<float>::quiet_NaN()}, {0, 1}) == 0.75);
  CHECK(of({0.75f, 1, 1}, {-infinity, -infinity}) == 0.75);
  CHECK(of({0.75f, 1, 1}, {}) == 0.75);
  CHECK(after(step, {4})[0].logit == 4);
}
