/// The definitions behind mirostat.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "nibble/core/fused.hpp"
#include "nibble/core/portable_math.hpp"
#include "nibble/sample/mirostat.hpp"
#include "nibble/sample/softmax.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

bool surprise_control::begin(float tau, float eta, const sample_context& context) noexcept {
  if (!std::isfinite(tau) || !std::isfinite(eta)) return false;
  if (!begun) limit = 2.0 * double(tau);
  begun = true;
  if (const auto probability = drawn.taken(context)) learn(tau, eta, *probability);
  return true;
}

void surprise_control::learn(float tau, float eta, double probability) noexcept {
  const double surprise = -portable_log2(probability);
  limit = std::clamp(fused(-double(eta), surprise - double(tau), limit), -1e6, 1e6);  // far beyond all surprises
}

void surprise_control::draw_from(candidates& c, sample_context& context) {
  const double u = context.random.uniform();
  const float best = c.best().logit;
  if (!(best > -std::numeric_limits<float>::infinity())) return c.keep_top(1);
  const std::uint64_t total = c.probability_sum(best);
  const auto weight = [&](std::size_t i) { return unnormalized_probability(c[i].logit, best); };
  const std::size_t index = drawn_index(c.size(), total, u, weight);
  const double probability = double(weight(index)) / double(total);
  drawn.keep(c, index, probability, context);
}

/// The exponent of Zipf's law that the logits of a list suggest, best first.
inline double zipf_exponent(const candidates& c, std::size_t m) noexcept {
  double products = 0, squares = 0;
  for (std::size_t i = 0; i + 1 < std::min(m, c.size()); ++i) {
    if (!(c[i + 1].logit > -std::numeric_limits<float>::infinity())) break;
    const double t = portable_log(double(i + 2) / double(i + 1));
    products = fused(t, double(c[i].logit) - double(c[i + 1].logit), products);
    squares = fused(t, t, squares);
  }
  return squares > 0 ? products / squares : 0;
}

/// log2 of how many of n tokens that follow Zipf's law have no more than this surprise.
inline double log2_of_zipf(double exponent, double n, double limit) noexcept {
  const double over = exponent - 1;
  // over / (1 - n^-over), or what it comes near to
  const double ratio = over == 0 ? 1 / portable_log(n) : over / (1 - portable_pow(n, -over));
  const double top = limit + portable_log2(ratio);
  return exponent > 0 ? top / exponent : top > 0 ? HUGE_VAL : -HUGE_VAL;
}

}  // namespace detail

result<mirostat> mirostat::from_text(std::string_view value) {
  mirostat made;
  NIBBLE_TRY(detail::parse_fields(value, {{"tau", &made.tau}, {"eta", &made.eta}, {"m", &made.m}}));
  return made;
}

void mirostat::keep_below(candidates& c, double limit) const {
  if (c.size() < 2) return;
  const std::size_t n = c.size();
  const float best = c.best().logit;
  if (!(best < std::numeric_limits<float>::infinity())) return c.keep_from(best);
  c.sort_descending(std::min(std::max<std::size_t>(m, 2), n));
  const double power = detail::log2_of_zipf(detail::zipf_exponent(c, m), double(n), limit);
  if (power >= 23) return;  // more than there are
  c.keep_top(power > 0 ? std::max<std::size_t>(static_cast<std::size_t>(detail::portable_exp2(power)), 1) : 1);
}

void mirostat::operator()(candidates& c, sample_context& context) {
  if (!control.begin(tau, eta, context) || c.empty()) return;
  keep_below(c, control.limit);
  control.draw_from(c, context);
}

result<mirostat_v2> mirostat_v2::from_text(std::string_view value) {
  mirostat_v2 made;
  NIBBLE_TRY(detail::parse_fields(value, {{"tau", &made.tau}, {"eta", &made.eta}}));
  return made;
}

void mirostat_v2::keep_below(candidates& c, double limit) const {
  const float best = c.best().logit;
  if (!(best > -std::numeric_limits<float>::infinity())) return c.keep_top(1);
  const double share = std::ceil(double(c.probability_sum(best)) * detail::portable_exp2(-limit));
  if (!(share <= double(certain))) return c.keep_top(1);
  c.keep_from(detail::least_logit_of(std::max(static_cast<std::uint64_t>(share), std::uint64_t{1}), best));
}

void mirostat_v2::operator()(candidates& c, sample_context& context) {
  if (!control.begin(tau, eta, context) || c.empty()) return;
  keep_below(c, control.limit);
  control.draw_from(c, context);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
