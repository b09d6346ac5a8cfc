#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "nibble/sample/registry.hpp"
#include "sample/after.hpp"

using nibble::candidate;
using nibble::candidates;
using nibble::token;
using nibble_test::after;
using nibble_test::ids_after;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::vector<float> bell(std::size_t n) {
  std::vector<float> logits(n);
  for (std::size_t i = 0; i < n; ++i) logits[i] = -1e-3f * float((i * 7919) % n);
  return logits;
}
}  // namespace

TEST_CASE("temperature divides all logits, before and after a selection") {
  const auto warm = after(nibble::temperature{2}, {4, 2, -6, infinity, -infinity});
  CHECK(warm[0].logit == 2);
  CHECK(warm[2].logit == -3);
  CHECK(warm[3].logit == infinity);
  CHECK(warm[4].logit == -infinity);
  CHECK(after(nibble::top_k{2} | nibble::temperature{0.5f}, {4, 2, -6})[1].logit == 4);
}

TEST_CASE("a temperature that is zero, negative, tiny or NaN is greedy; an infinite one makes the possible equal") {
  for (const float t : {0.0f, -0.0f, -1.0f, -infinity, not_a_number, 1e-30f, 9e-7f})
    CHECK(ids_after(nibble::temperature{t}, {1, 5, 5, 2}) == std::vector<token>{1});
  CHECK(ids_after(nibble::temperature{1e-6f}, {1, 5, 5, 2}).size() == 4);
  const auto hot = after(nibble::temperature{infinity}, {1, -8, -infinity, not_a_number});
  CHECK(hot[0].logit == 0);
  CHECK(hot[1].logit == 0);
  CHECK(hot[2].logit == -infinity);
  CHECK(std::isnan(hot[3].logit));
  for (const candidate& x : after(nibble::temperature{3e38f}, {1, -8})) CHECK(std::abs(x.logit) < 1e-30f);
}

TEST_CASE("top_k of zero or of too many keeps all") {
  CHECK(ids_after(nibble::top_k{2}, {1, 5, 3, 5}) == std::vector<token>{1, 3});
  CHECK(ids_after(nibble::top_k{0}, {1, 5, 3}).size() == 3);
  CHECK(ids_after(nibble::top_k{~std::size_t{0}}, {1, 5, 3}).size() == 3);
}

TEST_CASE("top_p keeps the fewest that reach the probability, however many those are") {
  for (const std::size_t n : {10u, 1000u, 30'000u})
    for (const float p : {0.01f, 0.3f, 0.5f, 0.9f, 0.999f}) {
      const auto logits = bell(n);
      std::vector<candidate> all;
      double total = 0;
      for (std::size_t i = 0; i < n; ++i) {
        all.push_back({token(i), logits[i]});
        total += std::exp(double(logits[i]));
      }
      std::sort(all.begin(), all.end(), nibble::ranks_before);
      std::size_t expected = 0;
      for (double sum = 0; sum < double(p) * total; ++expected) sum += std::exp(double(all[expected].logit));
      const auto kept = ids_after(nibble::top_p{p}, logits);
      REQUIRE(kept.size() <= expected + 1);
      REQUIRE(kept.size() + 1 >= expected);
      for (std::size_t i = 0; i < kept.size(); ++i) REQUIRE(kept[i] == all[i].id);
    }
}

TEST_CASE("top_p at and beyond its ends") {
  for (const float p : {1.0f, 2.0f, infinity, not_a_number}) CHECK(ids_after(nibble::top_p{p}, {1, -90, 3}).size() == 3);
  for (const float p : {0.0f, -1.0f, -infinity, 1e-30f}) CHECK(ids_after(nibble::top_p{p}, {1, 5, 5}) == std::vector<token>{1});
  CHECK(ids_after(nibble::top_p{0.99f}, {1, infinity, 3, infinity}) == std::vector<token>{1, 3});
  CHECK(ids_after(nibble::top_p{0.9f}, {-infinity, not_a_number}) == std::vector<token>{0});
  CHECK(ids_after(nibble::top_p{0.999999f}, {0, not_a_number, -90}) == std::vector<token>{0});
}

TEST_CASE("min_p keeps what is at least that share of the best, in order") {
  const float half = std::log(0.5f);
  CHECK(ids_after(nibble::min_p{0.49f}, {half, 0, half - 0.1f, -1}) == std::vector<token>{0, 1});
  CHECK(ids_after(nibble::min_p{0.51f}, {half, 0, half - 0.1f, -1}) == std::vector<token>{1});
  for (const float p : {0.0f, -1.0f, not_a_number}) CHECK(ids_after(nibble::min_p{p}, {1, -90, 3}).size() == 3);
  for (const float p : {1.0f, 7.0f, infinity})
    CHECK(ids_after(nibble::min_p{p}, {1, 3, 3, 2.9999f}) == std::vector<token>{1, 2});
  CHECK(ids_after(nibble::min_p{1e-30f}, {0, -20, -40}) == std::vector<token>{0, 1});
  CHECK(ids_after(nibble::min_p{0.1f}, {1, infinity, 3}) == std::vector<token>{1});
  CHECK(ids_after(nibble::min_p{0.1f}, {not_a_number, -infinity, -infinity}) == std::vector<token>{1});
}

TEST_CASE("typical_p keeps the fewest that reach the probability, nearest to the entropy first") {
  for (const std::size_t n : {10u, 1000u, 30'000u})
    for (const float p : {0.01f, 0.3f, 0.5f, 0.9f, 0.999f})
      for (const float range : {0.1f, 5.0f, 900.0f}) {
        auto logits = bell(n);
        for (float& logit : logits) logit *= range * 1e3f / float(n);
        double total = 0, entropy = 0;
        for (const float logit : logits) total += std::exp(double(logit));
        const auto probability = [&](token id) { return std::exp(double(logits[std::size_t(id)])) / total; };
        std::vector<std::pair<double, token>> all;
        for (std::size_t i = 0; i < n; ++i) entropy -= probability(token(i)) * (double(logits[i]) - std::log(total));
        for (std::size_t i = 0; i < n; ++i) all.push_back({std::abs(std::log(total) - double(logits[i]) - entropy), token(i)});
        std::sort(all.begin(), all.end());
        std::size_t expected = 0;
        for (double sum = 0; sum < double(p); ++expected) sum += probability(all[expected].second);
        const auto kept = ids_after(nibble::typical_p{p}, logits);
        REQUIRE(kept.size() <= expected + 1);
        REQUIRE(kept.size() + 1 >= expected);
        double before = 0;
        for (const token id : kept) {  // equals may stand in another order
          const double apart = std::abs(std::log(total) - double(logits[std::size_t(id)]) - entropy);
          REQUIRE(apart >= before - 1e-6);
          REQUIRE(apart <= all[kept.size() - 1].first + 1e-6);
          before = apart;
        }
      }
}

TEST_CASE("typical_p passes over a likely token that says less than the others, and what happens at its ends") {
  const auto logs = [](std::vector<float> probabilities) {
    for (float& p : probabilities) p = std::log(p);
    return probabilities;
  };
  // surprises 0.92, 1.61, 2.30 twice, 1.61; their mean 1.47
  CHECK(ids_after(nibble::typical_p{0.3f}, logs({0.4f, 0.2f, 0.1f, 0.1f, 0.2f})) == std::vector<token>{1, 4});
  CHECK(ids_after(nibble::typical_p{0.5f}, logs({0.4f, 0.2f, 0.1f, 0.1f, 0.2f})) == std::vector<token>{1, 4, 0});
  for (const float p : {1.0f, 2.0f, infinity, not_a_number}) CHECK(ids_after(nibble::typical_p{p}, {1, -90, 3}).size() == 3);
  for (const float p : {0.0f, -1.0f, -infinity, 1e-30f})
    CHECK(ids_after(nibble::typical_p{p}, logs({0.4f, 0.2f, 0.1f, 0.1f, 0.2f})) == std::vector<token>{1});
  CHECK(ids_after(nibble::typical_p{0.99f}, {1, infinity, 3, infinity}) == std::vector<token>{1, 3});
  CHECK(ids_after(nibble::typical_p{0.9f}, {-infinity, not_a_number}) == std::vector<token>{0});
  CHECK(ids_after(nibble::typical_p{0.999999f}, {0, not_a_number, -90}) == std::vector<token>{0});
  CHECK(ids_after(nibble::top_k{3} | nibble::typical_p{0.3f}, logs({0.4f, 0.2f, 0.1f, 0.1f, 0.2f})).size() == 1);
}

TEST_CASE("penalties lower what occurred among the last tokens") {
  const nibble::penalties all{.repetition = 2, .frequency = 0.5f, .presence = 0.25f, .last_n = 4};
  const std::vector<token> recent{3, 3, 0, 1, 1, 2};  // the first two are too long ago
  const std::vector<float> logits{4, -4, 1, 8};
  for (const bool listed : {false, true}) {
    auto step = [&](candidates& c, nibble::sample_context& context) {
      if (listed) static_cast<void>(c.items());
      all(c, context);
    };
    const auto lowered = after(step, logits, recent);
    CHECK(lowered[0].logit == 4 / 2.0f - 0.5f - 0.25f);
    CHECK(lowered[1].logit == -4 * 2.0f - 2 * 0.5f - 0.25f);
    CHECK(lowered[2].logit == 1 / 2.0f - 0.5f - 0.25f);
    CHECK(lowered[3].logit == 8);
  }
}

TEST_CASE("penalties without effect, of impossible tokens, and of endless histories") {
  for (const float bad : {not_a_number, infinity, -infinity}) {
    const nibble::penalties none{.repetition = bad, .frequency = bad, .presence = bad};
    CHECK(after(none, {1, 2}, {0, 1})[1].logit == 2);
  }
  CHECK(after(nibble::penalties{.repetition = 0}, {1, 2}, {0, 1})[1].logit == 2);
  CHECK(after(nibble::penalties{.repetition = -3}, {1, 2}, {0, 1})[1].logit == 2);
  CHECK(after(nibble::penalties{.repetition = 2, .last_n = 0}, {1, 2}, {0, 1})[1].logit == 2);
  CHECK(after(nibble::penalties{.presence = 1}, {1, 2}, {-5, 77, 1})[1].logit == 1);
  const auto lowered = after(nibble::penalties{.frequency = 1, .last_n = ~std::size_t{0}}, {1, 2}, std::vector<token>(9000, 1));
  CHECK(lowered[0].logit == 1);
  CHECK(lowered[1].logit == 2 - 4096);
  CHECK(after(nibble::penalties{.presence = -1}, {1, 2}, {1})[1].logit == 3);
}

TEST_CASE("a logit bias adds, bans and forces, and passes over what is not there") {
  const nibble::logit_bias bias{{{0, 1.5f}, {1, -infinity}, {9, 4}, {-1, 4}, {2, not_a_number}}};
  const auto biased = after(bias, {1, 2, 3});
  CHECK(biased[0].logit == 2.5f);
  CHECK(biased[1].logit == -infinity);
  CHECK(biased[2].logit == 3);
  CHECK(ids_after(nibble::logit_bias{{{2, infinity}}} | nibble::top_k{1}, {1, 9, 3}) == std::vector<token>{2});
}

TEST_CASE("no step of the library takes the last candidate away, whatever the logits and parameters") {
  const std::vector<std::vector<float>> worlds{
      {1, 2, 3}, {not_a_number, not_a_number}, {-infinity, -infinity}, {infinity, 1}, {0}, {-3e38f, 3e38f, 0}};
  for (const float x : {0.0f, -1.0f, 1e-40f, 0.5f, 1.0f, 3e38f, infinity, -infinity, not_a_number})
    for (const auto& logits : worlds) {
      CHECK_FALSE(ids_after(nibble::temperature{x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::top_p{x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::min_p{x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::typical_p{x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::penalties{x, x, x, 9}, logits, {0, 1}).empty());
      CHECK_FALSE(ids_after(nibble::top_n_sigma{x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::xtc{1, x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::dynamic_temperature{x, x, x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::dry{x, x, 0}, logits, {0, 1, 0}).empty());
      CHECK_FALSE(ids_after(nibble::no_repeat_ngram{1}, logits, {0, 1, 2}).empty());
      CHECK_FALSE(ids_after(nibble::mirostat{x, x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::mirostat_v2{x, x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::adaptive_p{x, x}, logits).empty());
      CHECK_FALSE(ids_after(nibble::temperature{x} | nibble::top_k{2} | nibble::top_p{x} | nibble::min_p{x}, logits).empty());
    }
}
