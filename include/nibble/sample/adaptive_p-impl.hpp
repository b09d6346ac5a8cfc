/// The definitions behind adaptive_p.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "nibble/core/fused.hpp"
#include "nibble/sample/adaptive_p.hpp"
#include "nibble/sample/softmax.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<adaptive_p> adaptive_p::from_text(std::string_view value) {
  adaptive_p made;
  NIBBLE_TRY(detail::parse_fields(value, {{"target", &made.target}, {"decay", &made.decay}}));
  return made;
}

void adaptive_p::operator()(candidates& c, sample_context& context) {
  if (!(target >= 0) || c.empty()) return;
  if (const auto probability = drawn.taken(context)) learn(*probability);
  const double u = context.random.uniform();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const float best = c.best().logit;
  if (!(best > -infinity)) return c.keep_top(1);
  if (!(best < infinity)) c.keep_from(best);
  const double total = double(c.probability_sum(best)), goal = wanted();
  const auto probability = [&](std::size_t i) { return double(unnormalized_probability(c[i].logit, best)) / total; };
  const auto logit = [&](std::size_t i) { return c[i].logit > -infinity ? adapted(probability(i), goal) : -infinity; };
  float most = -infinity;
  for (std::size_t i = 0; i < c.size(); ++i) most = std::max(most, logit(i));
  const auto weight = [&](std::size_t i) { return unnormalized_probability(logit(i), most); };
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < c.size(); ++i) sum += weight(i);
  const std::size_t index = detail::drawn_index(c.size(), sum, u, weight);
  drawn.keep(c, index, probability(index), context);
}

void adaptive_p::learn(double probability) noexcept {
  const double kept = decay > 0 ? std::min(double(decay), 0.99) : 0.0;
  if (weight_sum == 0) {  // as if the target had been met ever since
    weight_sum = 1 / (1 - kept);
    weighted_sum = std::min(double(target), 1.0) / (1 - kept);
  }
  weighted_sum = fused(kept, weighted_sum, probability);
  weight_sum = fused(kept, weight_sum, 1.0);
}

double adaptive_p::wanted() const noexcept {
  const double goal = std::min(double(target), 1.0);
  return weight_sum == 0 ? goal : std::clamp(goal + (goal - weighted_sum / weight_sum), 0.0, 1.0);
}

float adaptive_p::adapted(double probability, double wanted) noexcept {
  const double d = std::abs(probability - wanted) / 0.3;  // divided, for a product might be fused with the sum
  return float(5 - 10 * d * d / (1 + d));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
