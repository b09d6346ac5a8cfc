#include "nibble/sample/dry.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "nibble/sample/no_repeat_ngram.hpp"
#include "nibble/sample/top_k.hpp"
#include "sample/after.hpp"

using nibble::candidates;
using nibble::dry;
using nibble::sequence_breakers;
using nibble::token;
using nibble_test::after;
using nibble_test::ids_after;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
const std::vector<token> twice{1, 2, 3, 4, 1, 2, 3};

float logit_of_4(const dry& step, const std::vector<token>& text) { return after(step, {0, 0, 0, 0, 0, 0}, text)[4].logit; }
}  // namespace

TEST_CASE("a longer repetition is lowered more") {
  const dry step{.multiplier = 1, .base = 2, .allowed_length = 2};
  CHECK(logit_of_4(step, twice) == -2);
  CHECK(logit_of_4(step, {2, 3, 4, 2, 3}) == -1);
  CHECK(logit_of_4(step, {3, 4, 3}) == 0);
  CHECK(logit_of_4({.multiplier = 1, .base = 2, .allowed_length = 2, .last_n = 7}, twice) == -2);
  CHECK(logit_of_4({.multiplier = 1, .base = 2, .allowed_length = 2, .last_n = 6}, twice) == -1);
  CHECK(logit_of_4({.multiplier = 1, .base = 2, .allowed_length = 2, .last_n = 4}, twice) == 0);
  CHECK(after(step, {0, 0, 0, 0, 0, 0}, twice)[3].logit == 0);
}

TEST_CASE("what stands before a breaker is not repeated, and a breaker is not lowered") {
  const auto with = [](std::vector<std::vector<token>> sequences) {
    return dry{.multiplier = 1, .base = 2, .allowed_length = 1, .breakers = sequence_breakers(std::move(sequences))};
  };
  CHECK(logit_of_4(with({}), twice) == -4);
  CHECK(logit_of_4(with({{1}}), twice) == -2);
  CHECK(logit_of_4(with({{2}}), twice) == -1);
  CHECK(logit_of_4(with({{3}}), twice) == 0);
  CHECK(logit_of_4(with({{4}}), twice) == 0);
  CHECK(logit_of_4(with({{4, 1}}), twice) == -2);
  CHECK(logit_of_4(with({{1, 2}}), twice) == -1);
  CHECK(logit_of_4(with({{1}, {1, 2}, {1, 2, 4}}), twice) == -1);
  CHECK(logit_of_4(with({{3, 4}}), twice) == -4);
}

TEST_CASE("sequences that are empty or no tokens break nothing, long ones are cut") {
  const std::vector<token> longest(sequence_breakers::most_tokens, 3), longer(sequence_breakers::most_tokens + 9, 3);
  const sequence_breakers breakers({{}, {-1}, {5, -1}, {1 << 23}, {2147483647}, {8}, {8}, longest, longer});
  CHECK(breakers.size() == 2);
  CHECK(breakers.contains(8));
  CHECK_FALSE(breakers.contains(3));
  CHECK_FALSE(breakers.contains(-1));
  CHECK_FALSE(breakers.contains(1 << 24));
  std::vector<token> text = longest;
  text.push_back(1);
  CHECK(breakers.tokens_behind(text) == 1);
  CHECK(breakers.tokens_behind(std::vector<token>{7, 8, 9, 9}) == 2);
  CHECK(breakers.tokens_behind(std::vector<token>{7, 9, 9}) == 3);
  CHECK(breakers.tokens_behind({}) == 0);
  CHECK(sequence_breakers().empty());
  CHECK(sequence_breakers().tokens_behind(text) == text.size());
}

TEST_CASE("settings without effect, and penalties beyond all floats") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity, -infinity}) {
    CHECK(logit_of_4({.multiplier = bad}, twice) == 0);
    CHECK(logit_of_4({.multiplier = 1, .base = bad}, twice) == 0);
  }
  CHECK(logit_of_4({.multiplier = 0}, twice) == 0);
  CHECK(logit_of_4({.multiplier = 1, .base = 0.99f}, twice) == 0);
  CHECK(logit_of_4({.multiplier = 1, .allowed_length = 4}, twice) == 0);
  CHECK(logit_of_4({.multiplier = 1, .last_n = 0}, twice) == 0);
  CHECK(logit_of_4({.multiplier = 1, .last_n = ~std::size_t{0}}, twice) < 0);
  const std::vector<token> endless(3000, 1);
  const auto least = std::numeric_limits<float>::lowest();
  CHECK(after(dry{.multiplier = 1, .base = 2}, {0, 0}, endless)[1].logit == least);
  CHECK(after(dry{.multiplier = 3e38f, .base = 3e38f}, {0, 0}, endless)[1].logit == least);
  CHECK(after(dry{.multiplier = -1, .base = 2}, {0, 0}, endless)[1].logit == -least);
  CHECK(after(dry{}, {0, infinity}, endless)[1].logit == infinity);
  CHECK(after(dry{}, {0, -infinity}, endless)[1].logit == -infinity);
}

TEST_CASE("no sequence of n tokens comes twice, in a set and in a list") {
  using nibble::no_repeat_ngram;
  const std::vector<float> logits{0, 1, 2, 3, 4, 5};
  for (const bool listed : {false, true}) {
    const auto banned = [&](no_repeat_ngram step, std::vector<token> text) {
      std::vector<token> ids;
      auto either = [&](candidates& c, nibble::sample_context& context) {
        if (listed) static_cast<void>(c.items());
        step(c, context);
      };
      for (const nibble::candidate& x : after(either, logits, std::move(text)))
        if (x.logit == -infinity) ids.push_back(x.id);
      return ids;
    };
    CHECK(banned({.n = 3}, {1, 2, 3, 1, 2}) == std::vector<token>{3});
    CHECK(banned({.n = 3}, {1, 2, 3, 1, 2, 4, 1, 2}) == std::vector<token>{3, 4});
    CHECK(banned({.n = 4}, {1, 2, 3, 1, 2}).empty());
    CHECK(banned({.n = 1}, {2, 5, 1}) == std::vector<token>{1, 2, 5});
    CHECK(banned({.n = 1, .last_n = 1}, {2, 5, 1}) == std::vector<token>{1});
    CHECK(banned({.n = 0}, {1, 2, 1}).empty());
    CHECK(banned({.n = 2, .last_n = 3}, {2, 3, 9, 1, 2}).empty());
    CHECK(banned({.n = 2, .last_n = 5}, {2, 3, 9, 1, 2}) == std::vector<token>{3});
    CHECK(banned({.n = 2}, {7, -3, 7}).empty());
    CHECK(banned({.n = ~std::size_t{0}, .last_n = ~std::size_t{0}}, {1, 2, 1}).empty());
  }
}

TEST_CASE("where all would repeat, the best stays") {
  CHECK(ids_after(nibble::no_repeat_ngram{1} | nibble::top_k{1}, {1, 7, 3}, {0, 1, 2, 0}) == std::vector<token>{1});
  const auto left = after(nibble::no_repeat_ngram{1}, {1, 7, -infinity}, {0, 1, 0});
  CHECK(left[0].logit == -infinity);
  CHECK(left[1].logit == 7);
}
