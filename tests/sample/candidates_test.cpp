#include "nibble/sample/candidates.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/sample/find_best.hpp"

using nibble::candidate;
using nibble::candidates;
using nibble::token;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Logits with many ties, and some that are no numbers.
std::vector<float> some_logits(std::size_t n, std::uint64_t seed, bool strange = true) {
  nibble::rng random(seed);
  std::vector<float> logits(n);
  for (float& x : logits) {
    const double u = random.uniform();
    x = float(std::floor(200 * random.uniform())) * 0.125f - 12;
    if (strange && u < 0.02) x = u < 0.01 ? not_a_number : -infinity;
  }
  return logits;
}

std::vector<candidate> ranked(const std::vector<float>& logits) {
  std::vector<candidate> all;
  for (std::size_t i = 0; i < logits.size(); ++i) all.push_back({token(i), logits[i]});
  std::sort(all.begin(), all.end(), nibble::ranks_before);
  return all;
}

std::vector<token> ids(candidates& c) {
  std::vector<token> out;
  for (const candidate& x : c) out.push_back(x.id);
  return out;
}

std::vector<token> first_ids(const std::vector<candidate>& all, std::size_t n) {
  std::vector<token> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(all[i].id);
  return out;
}

/// The same candidates as a list in another order.
void assign_shuffled(candidates& c, const std::vector<float>& logits) {
  std::vector<candidate> list = ranked(logits);
  std::reverse(list.begin(), list.begin() + std::ptrdiff_t(list.size() / 2));
  c.assign(std::span<const candidate>(list));
}
}  // namespace

TEST_CASE("the order of candidates is total: logit, then id, NaN last") {
  const std::vector<candidate> order{{7, infinity},     {2, 1},           {3, 1},         {1, 0},
                                     {4, -0.0f},        {0, -1},          {5, -infinity}, {6, -infinity},
                                     {8, not_a_number}, {9, not_a_number}};
  for (std::size_t i = 0; i < order.size(); ++i)
    for (std::size_t j = 0; j < order.size(); ++j) CHECK(nibble::ranks_before(order[i], order[j]) == (i < j));
}

TEST_CASE("the k best are those of a full sort, from logits and from lists, for every k") {
  candidates c;
  for (const std::size_t n : {1u, 2u, 15u, 64u, 1000u, 5000u})
    for (const std::size_t k : {1u, 2u, 3u, 40u, 299u, 999u, 4000u}) {
      if (k >= n) continue;
      auto logits = some_logits(n, n + k);
      const auto all = ranked(logits);
      const auto possible = std::size_t(std::count_if(logits.begin(), logits.end(), [](float x) { return x > -infinity; }));
      const auto expected = first_ids(all, std::min(k, std::max<std::size_t>(1, possible)));
      c.assign(logits);
      c.keep_top(k);
      CHECK(ids(c) == expected);
      assign_shuffled(c, logits);
      c.keep_top(k);
      CHECK(ids(c) == expected);
    }
}

TEST_CASE("growing, falling and equal logits are the worst cases of a selection, and come out right") {
  candidates c(20'000);
  std::vector<float> logits(20'000);
  for (const float step : {1.0f, -1.0f, 0.0f}) {
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = step * float(i);
    c.assign(logits);
    c.keep_top(40);
    REQUIRE(c.size() == 40);
    CHECK(c[0].id == (step > 0 ? 19'999 : 0));
    CHECK(c[39].id == (step > 0 ? 19'960 : 39));
  }
}

TEST_CASE("keeping none or all changes nothing") {
  auto logits = some_logits(50, 3);
  candidates c;
  c.assign(logits);
  for (const std::size_t k : {std::size_t{0}, std::size_t{50}, std::size_t{51}, ~std::size_t{0}}) c.keep_top(k);
  CHECK(c.size() == 50);
  CHECK(c.complete());
}

TEST_CASE("where no logit is above -infinity, the best by rank is what stays") {
  candidates c;
  std::vector<float> banned{not_a_number, not_a_number, -infinity, -infinity};
  for (const std::size_t k : {1u, 2u, 3u}) {
    c.assign(banned);
    c.keep_top(k);
    CHECK(ids(c) == std::vector<token>{2});
  }
  std::vector<float> nothing(5, not_a_number);
  c.assign(nothing);
  c.keep_from(0);
  CHECK(ids(c) == std::vector<token>{0});
  c.assign(nothing);
  CHECK(c.best().id == 0);
}

TEST_CASE("the best is the first greatest, wherever it stands") {
  for (const std::size_t n : {1u, 3u, 17u, 1024u, 3000u})
    for (const std::size_t at : {std::size_t{0}, n / 3, n / 2, n - 1}) {
      std::vector<float> logits(n, -2.0f);
      logits[0] = not_a_number;
      logits[at] = 5;
      logits[n - 1] = 5;
      candidates c;
      c.assign(logits);
      CHECK(c.best().id == token(at));
      assign_shuffled(c, logits);
      CHECK(c.best().id == token(at));
    }
}

TEST_CASE("removing keeps the order of the others, and ids are found again") {
  auto logits = some_logits(100, 9, false);
  candidates c;
  c.assign(logits);
  REQUIRE(c.find(13));
  *c.find(13) = 99;
  CHECK(c.find(-1) == nullptr);
  CHECK(c.find(100) == nullptr);
  CHECK(c.complete());
  c.remove_if([](const candidate& x) { return x.id % 10 != 3; });
  CHECK_FALSE(c.complete());
  CHECK(ids(c) == std::vector<token>{3, 13, 23, 33, 43, 53, 63, 73, 83, 93});
  CHECK(c.find(12) == nullptr);
  REQUIRE(c.find(13));
  CHECK(*c.find(13) == 99);
  c.remove_if([](const candidate& x) { return x.id > 20; });
  CHECK(ids(c) == std::vector<token>{3, 13});
  c.remove_if([](const candidate&) { return true; });
  CHECK(c.empty());
}

TEST_CASE("keeping from a threshold, sorting in part and truncating") {
  auto logits = some_logits(3001, 5);
  auto all = ranked(logits);
  candidates c;
  c.assign(logits);
  c.keep_from(3.0f);
  bool in_order = true;
  for (std::size_t i = 1; i < c.size(); ++i) in_order = in_order && c[i - 1].id < c[i].id && c[i].logit >= 3;
  CHECK(in_order);
  const auto kept = std::size_t(std::count_if(logits.begin(), logits.end(), [](float x) { return x >= 3; }));
  CHECK(c.size() == kept);
  c.sort_descending(10);
  CHECK(c.size() == kept);
  for (std::size_t i = 0; i < 10; ++i) CHECK(c[i].id == all[i].id);
  c.truncate(10);
  CHECK(ids(c) == first_ids(all, 10));
  c.truncate(99);
  CHECK(c.size() == 10);
  c.assign(logits);
  c.sort_descending();
  CHECK(ids(c) == first_ids(all, all.size()));
}

TEST_CASE("a lambda transforms logits before and after candidates were taken away") {
  std::vector<float> logits{1, 2, 3, 4, 5, 6, 7, 8, 9};
  candidates c;
  c.assign(logits);
  c.transform([](const auto& x) { return x * 2.0f; });
  CHECK(logits[8] == 18);
  c.keep_top(2);
  c.transform([](const auto& x) { return x + 1.0f; });
  CHECK(c[0].logit == 19);
  CHECK(c[1].logit == 17);
}

TEST_CASE("one set serves many tokens, and survives being moved") {
  auto logits = some_logits(64, 1), more = some_logits(128, 2);
  candidates c(64);
  c.assign(logits);
  c.keep_top(3);
  c.assign(more);
  CHECK(c.size() == 128);
  candidates moved = std::move(c);
  CHECK(moved.size() == 128);
  candidates fresh;
  c = std::move(fresh);
  c.assign(logits);
  c.keep_top(5);
  CHECK(c.size() == 5);
}

TEST_CASE("probabilities are the softmax, sum to one, and are zero where there is no possible candidate") {
  auto logits = some_logits(500, 21);
  candidates c;
  c.assign(logits);
  std::vector<double> p(500);
  nibble::softmax(c, p);
  double exact = 0, sum = 0;
  for (const float x : logits) exact += x == x ? std::exp(double(x)) : 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    sum += p[i];
    CHECK(p[i] == doctest::Approx(logits[i] == logits[i] ? std::exp(double(logits[i])) / exact : 0).epsilon(1e-6));
  }
  CHECK(sum == doctest::Approx(1).epsilon(1e-12));
  std::vector<float> banned(4, -infinity);
  c.assign(banned);
  std::vector<double> none(4, 1.0);
  nibble::softmax(c, none);
  CHECK(none == std::vector<double>(4, 0.0));
  nibble::softmax(candidates(), {});
}

TEST_CASE("the best few of all tokens are the first of the sorted list, with ties, infinities and NaN") {
  for (const std::size_t size : {1, 2, 40, 500}) {
    const auto logits = some_logits(size, size);
    std::vector<candidate> all, best;
    for (std::size_t i = 0; i < size; ++i) all.push_back({token(i), logits[i]});
    std::sort(all.begin(), all.end(), &nibble::ranks_before);
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, size, size + 3}) {
      nibble::detail::find_best(
          size, count, [&](std::size_t i) { return logits[i]; }, best);
      REQUIRE(best.size() == std::min(count, size));
      for (std::size_t i = 0; i < best.size(); ++i) CHECK(best[i].id == all[i].id);
    }
  }
}
