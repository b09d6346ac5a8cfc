/// What is drawn, a hundred thousand times, beside the probabilities that plain code computes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "nibble/sample/registry.hpp"
#include "sample/after.hpp"

using nibble::token;

namespace {
using probabilities = std::vector<double>;

probabilities softmax_of(const std::vector<double>& logits) {
  const double best = *std::max_element(logits.begin(), logits.end());
  probabilities p;
  for (const double x : logits) p.push_back(std::exp(x - best));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

std::vector<std::size_t> best_first(const probabilities& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  return order;
}

probabilities only(const probabilities& p, const std::vector<std::size_t>& kept) {
  probabilities out(p.size());
  double sum = 0;
  for (const std::size_t i : kept) sum += p[i];
  for (const std::size_t i : kept) out[i] = p[i] / sum;
  return out;
}

/// Pearson's statistic, brought to that of a standard normal distribution (Wilson and Hilferty): 5 is one of three million.
double deviation(const std::vector<double>& counts, const probabilities& expected) {
  const double draws = std::accumulate(counts.begin(), counts.end(), 0.0);
  double square = 0, freedom = -1, rest_counted = 0, rest_expected = 0;
  const auto add = [&](double counted, double wanted) {
    square += (counted - wanted) * (counted - wanted) / wanted;
    ++freedom;
  };
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double wanted = expected[i] * draws;
    if (wanted >= 10) {
      add(counts[i], wanted);
    } else {
      rest_counted += counts[i], rest_expected += wanted;
    }
  }
  if (rest_expected >= 1) add(rest_counted, rest_expected);
  if (rest_expected < 1e-6) CHECK(rest_counted == 0);
  if (freedom < 1) return 0;
  return (std::cbrt(square / freedom) - (1 - 2 / (9 * freedom))) / std::sqrt(2 / (9 * freedom));
}

const std::vector<float> logits = nibble_test::plain_logits(300, 9, 0x1p-21f);
const std::vector<token> said{1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3};

void check_draws(std::string_view text, const std::function<probabilities(const probabilities&)>& reference) {
  CAPTURE(text);
  const nibble::any_sampler sampler = nibble::parse_sampler(text);
  const auto p = softmax_of({logits.begin(), logits.end()});
  std::vector<double> counts(logits.size());
  nibble::rng random(17);
  nibble::sample_context context{said, random};
  nibble::candidates c;
  nibble::any_sampler fresh = sampler;
  for (int i = 0; i < 100'000; ++i) {
    auto changed = logits;
    c.assign(changed);
    ++counts[std::size_t(fresh.choose(c, context))];  // the text stays, so what a step learns from it does not change
  }
  CHECK(std::abs(deviation(counts, reference(p))) < 5);
}

std::vector<std::size_t> of_surprise(const probabilities& p, double limit) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (-std::log2(p[i]) <= limit) kept.push_back(i);
  return kept;
}
}  // namespace

TEST_CASE("the test of distributions sees a share that is a tenth too small") {
  CHECK(deviation({10'000, 20'000, 70'000}, {0.1, 0.2, 0.7}) < 5);
  CHECK(deviation({9'000, 20'000, 71'000}, {0.1, 0.2, 0.7}) > 5);
}

TEST_CASE("draws follow the probabilities that each step leaves") {
  check_draws("temperature=1", [](const probabilities& p) { return p; });
  check_draws("temperature=0.5", [](probabilities p) {
    for (double& x : p) x = 2 * std::log(x);
    return softmax_of(p);
  });
  check_draws("top_k=20", [](const probabilities& p) {
    auto order = best_first(p);
    order.resize(20);
    return only(p, order);
  });
  check_draws("top_p=0.7", [](const probabilities& p) {
    auto order = best_first(p);
    std::size_t kept = 0;
    for (double sum = 0; sum < 0.7f; ++kept) sum += p[order[kept]];
    order.resize(kept);
    return only(p, order);
  });
  check_draws("min_p=0.2", [](const probabilities& p) {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < p.size(); ++i)
      if (p[i] >= 0.2 * *std::max_element(p.begin(), p.end())) kept.push_back(i);
    return only(p, kept);
  });
  check_draws("typical_p=0.6", [](const probabilities& p) {
    double entropy = 0;
    for (const double x : p) entropy -= x * std::log(x);
    auto order = best_first(p);
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return std::abs(-std::log(p[a]) - entropy) < std::abs(-std::log(p[b]) - entropy);
    });
    std::size_t kept = 0;
    for (double sum = 0; sum < 0.6f; ++kept) sum += p[order[kept]];
    order.resize(kept);
    return only(p, order);
  });
  check_draws("top_n_sigma=1.3", [](const probabilities& p) {
    double mean = 0, squares = 0;
    for (const float x : logits) mean += double(x) / double(logits.size());
    for (const float x : logits) squares += (double(x) - mean) * (double(x) - mean);
    const double least =
        double(*std::max_element(logits.begin(), logits.end())) - 1.3f * std::sqrt(squares / double(logits.size()));
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < p.size(); ++i)
      if (double(logits[i]) >= least) kept.push_back(i);
    return only(p, kept);
  });
  check_draws("xtc=probability:0.3,threshold:0.02", [](const probabilities& p) {
    auto order = best_first(p);
    std::size_t likely = 0;
    while (p[order[likely]] >= 0.02f) ++likely;
    order.erase(order.begin(), order.begin() + std::ptrdiff_t(likely - 1));
    const auto excluded = only(p, order);
    probabilities mixed;
    for (std::size_t i = 0; i < p.size(); ++i) mixed.push_back(double(0.3f) * excluded[i] + (1 - double(0.3f)) * p[i]);
    return mixed;
  });
  check_draws("dynamic_temperature=t:0.9,range:0.6,exponent:2", [](probabilities p) {
    double entropy = 0;
    for (const double x : p) entropy -= x * std::log(x);
    const double t = 0.3 + 1.2 * std::pow(entropy / std::log(double(p.size())), 2);
    for (double& x : p) x = std::log(x) / t;
    return softmax_of(p);
  });
  check_draws("dry=multiplier:0.5,base:2,allowed_length:1", [](probabilities p) {
    for (double& x : p) x = std::log(x);
    p[4] -= 0.5 * std::pow(2, 2), p[5] -= 0.5 * std::pow(2, 2);  // behind 1 2 3
    return softmax_of(p);
  });
  check_draws("no_repeat_ngram=n:3", [](probabilities p) {
    p[4] = p[5] = 0;
    std::vector<std::size_t> all(p.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return only(p, all);
  });
  check_draws("mirostat_v2=tau:4", [](const probabilities& p) { return only(p, of_surprise(p, 8)); });
  check_draws("mirostat=tau:4", [](const probabilities& p) {
    const auto order = best_first(p);
    double products = 0, squares = 0;
    for (std::size_t i = 0; i < 99; ++i) {
      const double t = std::log(double(i + 2) / double(i + 1));
      products += t * std::log(p[order[i]] / p[order[i + 1]]), squares += t * t;
    }
    const double s = products / squares, over = s - 1;
    const double k = std::pow(over * std::pow(2, 8) / (1 - std::pow(double(p.size()), -over)), 1 / s);
    return only(p, {order.begin(), order.begin() + std::ptrdiff_t(k)});
  });
  check_draws("adaptive_p=target:0.1", [](probabilities p) {
    for (double& x : p) {
      const double d = std::abs(x - 0.1) / 0.3;
      x = 5 - 10 * d * d / (1 + d);
    }
    return softmax_of(p);
  });
}
