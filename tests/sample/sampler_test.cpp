#include "nibble/sample/sampler.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <unordered_set>
#include <vector>

#include "nibble/sample/registry.hpp"

using nibble::any_sampler;
using nibble::candidate;
using nibble::candidates;
using nibble::token;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

struct ban_tokens {
  std::unordered_set<token> banned;
  void operator()(candidates& c) const {
    c.remove_if([&](const candidate& x) { return banned.contains(x.id); });
  }
};

/// Remembers how often it ran.
struct counting {
  int runs = 0;
  void operator()(candidates& c) {
    ++runs;
    *c.find(0) = float(runs);
  }
};

token choose(any_sampler& sampler, std::vector<float> logits, nibble::rng& random, std::span<const token> recent = {}) {
  candidates c;
  c.assign(logits);
  nibble::sample_context context{recent, random};
  return sampler.choose(c, context);
}

std::vector<int> histogram(const std::vector<float>& logits, int draws, std::uint64_t seed = 1) {
  nibble::rng random(seed);
  any_sampler plain;
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) ++counts[std::size_t(choose(plain, logits, random))];
  return counts;
}
}  // namespace

static_assert(nibble::sampler_step<ban_tokens>);
static_assert(nibble::sampler_step<any_sampler>);
static_assert(nibble::sampler_step<nibble::sampler_chain<ban_tokens, nibble::top_k>>);
static_assert(!nibble::sampler_step<int>);

TEST_CASE("steps compose with | and run from left to right, lambdas and context included") {
  std::vector<token> history{4, 5};
  auto chain = ban_tokens{{13, 42}} | nibble::temperature{0.8f} | nibble::top_k{40} | nibble::top_p{0.95f};
  any_sampler sampler = chain | [](candidates& c) {
    for (candidate& x : c) x.logit = x.id == 7 ? 50.0f : x.logit;
  } | [](candidates& c, nibble::sample_context& context) {
    CHECK(context.recent.size() == 2);
    CHECK(c.find(13) == nullptr);
  };
  nibble::rng random(1);
  std::vector<float> logits(100, 0.0f);
  logits[13] = 30;
  CHECK(choose(sampler, logits, random, history) == 7);
}

TEST_CASE("draws follow the softmax") {
  const std::vector<float> logits{0, std::log(2.0f), std::log(5.0f), -infinity, not_a_number};
  const auto counts = histogram(logits, 80'000);
  CHECK(counts[0] == doctest::Approx(10'000).epsilon(0.04));
  CHECK(counts[1] == doctest::Approx(20'000).epsilon(0.03));
  CHECK(counts[2] == doctest::Approx(50'000).epsilon(0.02));
  CHECK(counts[3] == 0);
  CHECK(counts[4] == 0);
}

TEST_CASE("from equal logits a seed gives the same tokens on every platform") {  // computed step by step in another language
  std::vector<float> logits(1000);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = float((i * 37) % 64) * 0.125f;
  any_sampler sampler = nibble::temperature{0.7f} | nibble::min_p{0.01f} | nibble::top_k{200} | nibble::top_p{0.9f};
  nibble::rng random(42);
  std::vector<token> drawn;
  for (int i = 0; i < 12; ++i) drawn.push_back(choose(sampler, logits, random));
  CHECK(drawn == std::vector<token>{403, 57, 479, 664, 62, 434, 863, 517, 370, 588, 479, 486});
}

TEST_CASE("infinite, missing and impossible logits have defined outcomes") {
  nibble::rng random(3);
  any_sampler plain;
  CHECK(choose(plain, {1, infinity, 2}, random) == 1);
  const auto shared = histogram({0, infinity, infinity, 0}, 4000);
  CHECK(shared[1] == doctest::Approx(2000).epsilon(0.1));
  CHECK(shared[1] + shared[2] == 4000);
  CHECK(choose(plain, {-infinity, -infinity}, random) == 0);
  CHECK(choose(plain, {not_a_number, not_a_number}, random) == 0);
  CHECK(choose(plain, {not_a_number, -infinity, -infinity}, random) == 1);
  CHECK(choose(plain, {not_a_number, -infinity, -1e38f}, random) == 2);
  CHECK(choose(plain, {}, random) == nibble::no_token);
  any_sampler none = any_sampler([](candidates& c) { c.remove_if([](const candidate&) { return true; }); }) | nibble::top_k{3} |
                     nibble::top_p{0.5f} | nibble::min_p{0.5f} | nibble::temperature{0} | nibble::greedy{};
  CHECK(choose(none, {1, 2, 3}, random) == nibble::no_token);
}

TEST_CASE("every choice uses one random number, so what follows does not depend on the logits") {
  any_sampler sampler;
  nibble::rng a(5), b(5);
  choose(sampler, {1}, a);
  choose(sampler, {1, 2, 3, 4}, a);
  choose(sampler, {}, a);
  b(), b(), b();
  CHECK(a == b);
}

TEST_CASE("copies of a sampler have steps of their own") {
  any_sampler first = counting{};
  nibble::rng random(1);
  choose(first, {0, 0.5f}, random);
  any_sampler copy = first;
  choose(first, {0, 0.5f}, random);
  std::vector<float> logits{0, 0.5f};
  candidates c;
  c.assign(logits);
  nibble::sample_context context{{}, random};
  copy(c, context);
  CHECK(logits[0] == 2);
  first = copy;
  first(c, context);
  CHECK(logits[0] == 3);
  const any_sampler moved = std::move(first);
  first(c, context);  // no steps any more
  CHECK(logits[0] == 3);
}

TEST_CASE("greedy takes the first greatest logit") {
  any_sampler greedy = any_sampler::greedy(), named = nibble::greedy{};
  nibble::rng random(1);
  for (any_sampler* sampler : {&greedy, &named}) {
    CHECK(choose(*sampler, {1, 3, 3, 2}, random) == 1);
    CHECK(choose(*sampler, {not_a_number, -5, -infinity}, random) == 1);
    CHECK(choose(*sampler, {not_a_number, -5, infinity}, random) == 2);
  }
}
