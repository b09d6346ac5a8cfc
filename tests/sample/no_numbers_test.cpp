/// Logits that are no numbers, or infinite, and every step of the registry.
#include <doctest/doctest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "nibble/sample/softmax.hpp"
#include "sample/every_sampler.hpp"

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
using nibble::candidate;

/// Vocabularies of a few tokens and of many, with `special` in every place, in all but one, or alone.
std::vector<std::vector<float>> logits_with(float special) {
  std::vector<std::vector<float>> all;
  for (const std::size_t n : {1, 2, 5, 300, 3000}) {
    std::vector<float> numbers(n);
    for (std::size_t i = 0; i < n; ++i) numbers[i] = float(i * 7919 % 41) - 20;
    all.push_back(numbers);
    all.emplace_back(n, special);
    for (const std::size_t where : {std::size_t{0}, n / 2, n - 1}) {
      all.push_back(numbers);
      all.back()[where] = special;
      all.emplace_back(n, special);
      all.back()[where] = -3;
      all.emplace_back(n, special);
      all.back()[where] = not_a_number;
    }
  }
  return all;
}
bool possible(float logit) { return logit > -infinity; }
}  // namespace

TEST_CASE("whatever the logits and settings: a step leaves something, and what is drawn is possible if anything is") {
  const std::vector<nibble::token> recent{0, 1, 1, 2, 299};
  for (const float special : {not_a_number, -not_a_number, infinity, -infinity, 3e38f, -3e38f}) {
    for (const std::vector<float>& before : logits_with(special)) {
      nibble_test::for_every_sampler([&](std::string_view text, nibble::any_sampler sampler) {
        CAPTURE(text);
        CAPTURE(special);
        std::vector<float> logits = before;
        nibble::candidates c;
        c.assign(logits);
        nibble::rng random(5);
        nibble::sample_context context{recent, random};
        sampler(c, context);
        REQUIRE(!c.empty());
        const auto left = c.items();
        const bool any_left = std::any_of(left.begin(), left.end(), [](candidate x) { return possible(x.logit); });
        const auto drawn = nibble::draw(c, random);
        const auto at = std::find_if(left.begin(), left.end(), [&](candidate x) { return x.id == drawn; });
        REQUIRE(at != left.end());
        CHECK(possible(at->logit) == any_left);
        const bool goes_beyond = text.find("inf") != text.npos || text.find("e38") != text.npos;  // of all numbers, with tokens
        if (!goes_beyond && special != -3e38f) CHECK(any_left == std::any_of(before.begin(), before.end(), possible));
      });
    }
  }
}

TEST_CASE("a sampler of all steps gives the same token for the same seed, whatever the logits") {
  for (const float special : {not_a_number, infinity, -infinity}) {
    for (const std::vector<float>& before : logits_with(special)) {
      nibble::token first = nibble::no_token;
      for (int round = 0; round < 2; ++round) {
        auto sampler =
            nibble::parse_sampler("penalties=repetition:1.1|top_k=40|top_p=0.95|min_p=0.05|typical_p=0.9|temperature=0.8");
        std::vector<float> logits = before;
        nibble::candidates c;
        c.assign(logits);
        nibble::rng random(5);
        nibble::sample_context context{{}, random};
        const auto chosen = sampler.choose(c, context);
        if (round == 0) first = chosen;
        CHECK(chosen == first);
      }
    }
  }
}

TEST_CASE("a log-probability is NaN where no logit is finite, and passes over what is no number") {
  using nibble::log_probability;
  for (const float special : {not_a_number, infinity, -infinity}) {
    const std::vector<float> none(100, special);
    CHECK(std::isnan(log_probability(none, 3)));
  }
  std::vector<float> logits(100, not_a_number);
  logits[7] = 2, logits[50] = 2, logits[51] = -infinity;
  CHECK(log_probability(logits, 7) == doctest::Approx(std::log(0.5)));
  CHECK(log_probability(logits, 51) == -infinity);
  CHECK(std::isnan(log_probability(logits, 8)));
  CHECK(std::isnan(log_probability(logits, -1)));
}

TEST_CASE("no floating-point operation is invalid for logits that are infinite or far apart, as traps of a host would find") {
  for (const float special : {infinity, -infinity, 1e6f, -1e6f, 1e30f, -1e30f}) {
    for (std::vector<float> logits : logits_with(special)) {
      std::replace_if(
          logits.begin(), logits.end(), [](float x) { return std::isnan(x); }, -3.0f);
      std::feclearexcept(FE_ALL_EXCEPT);
      static_cast<void>(nibble::log_probability(logits, 0));
      CHECK(std::fetestexcept(FE_INVALID | FE_DIVBYZERO) == 0);
      for (const std::string_view text :
           {"top_k=3", "top_p=0.9", "min_p=0.1", "typical_p=0.9", "temperature=0.8", "greedy", "top_n_sigma=1",
            "xtc=probability:1,threshold:0.05", "dynamic_temperature=t:1,range:1,exponent:0.5",
            "dynamic_temperature=exponent:inf", "mirostat", "mirostat_v2", "adaptive_p"}) {
        CAPTURE(text);
        CAPTURE(special);
        auto sampler = nibble::parse_sampler(text);
        auto changed = logits;
        nibble::candidates c;
        c.assign(changed);
        nibble::rng random(5);
        nibble::sample_context context{{}, random};
        std::feclearexcept(FE_ALL_EXCEPT);
        static_cast<void>(sampler.choose(c, context));
        CHECK(std::fetestexcept(FE_INVALID | FE_DIVBYZERO) == 0);
      }
    }
  }
}
