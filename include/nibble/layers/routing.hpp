/// routing: the top-k experts of a token, and their routing weights.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "nibble/core/half.hpp"
#include "nibble/kernels/table.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// How a token's experts are chosen by their scores (top-k), and what weights their outputs are added up with.
struct router_spec {
  /// How scores become routing weights.
  enum class gating : std::uint8_t {
    softmax,         ///< over all experts, before some are chosen
    sigmoid,         ///< of each score
    softmax_of_used  ///< over the top-k alone, which are chosen by their scores
  };
  static constexpr std::size_t most_groups = 64;

  std::size_t used = 1;  ///< experts a token: the k of top-k
  gating by = gating::softmax;
  bool renormalized = false;  ///< the routing weights of the top-k add up to 1
  float scale = 1;            ///< of the routing weights
  /// Experts stand in groups of equal size, of which those with the best two experts are looked into; one group: all are.
  std::size_t groups = 1, groups_used = 1;
  std::span<const float> bias = {};        ///< (experts), added to the scores; or empty
  std::span<const float> preference = {};  ///< (experts), selection bias: added for choosing only; or empty
};

namespace detail {
/// Turns the scores of one token into probabilities, in place.
inline void gate_scores(const kernel_table& kernels, float* score, std::size_t n, router_spec::gating by) noexcept {
  if (by == router_spec::gating::softmax) {
    float largest = score[0], total = 0;
    for (std::size_t e = 1; e < n; ++e) largest = std::max(largest, score[e]);
    for (std::size_t e = 0; e < n; ++e) score[e] -= largest;
    kernels.activate(score, n, activation::exp);
    for (std::size_t e = 0; e < n; ++e) total += score[e];
    for (std::size_t e = 0; e < n; ++e) score[e] /= total;
  } else if (by == router_spec::gating::sigmoid) {
    kernels.activate(score, n, activation::sigmoid);
  }
}

/// Whether a value comes before another: a larger one; one that is no number comes last.
inline bool is_better(float value, float than) noexcept { return value > than || (is_nan(than) && !is_nan(value)); }

/// What an expert is chosen by.
inline float choice_value(const router_spec& r, const float* score, std::size_t e) noexcept {
  return score[e] + (r.preference.empty() ? 0 : r.preference[e]);
}

/// Makes the scores of experts in groups that are not looked into no numbers. A group's score is the sum of its best two.
inline void leave_out_groups(const router_spec& r, float* score, std::size_t n) noexcept {
  const std::size_t size = n / r.groups;
  std::array<float, router_spec::most_groups> sum{};
  for (std::size_t g = 0; g < r.groups; ++g) {
    constexpr float none = -std::numeric_limits<float>::infinity();
    float first = none, second = none;
    for (std::size_t e = g * size; e < (g + 1) * size; ++e) {
      const float value = choice_value(r, score, e);
      if (is_better(value, first)) {
        second = first, first = value;
      } else if (is_better(value, second)) {
        second = value;
      }
    }
    sum[g] = size > 1 ? first + second : first;
  }
  for (std::size_t g = 0; g < r.groups; ++g) {
    std::size_t before = 0;
    for (std::size_t other = 0; other < r.groups; ++other) {
      before += is_better(sum[other], sum[g]) || (other < g && !is_better(sum[g], sum[other]));
    }
    if (before >= r.groups_used) std::fill_n(score + g * size, size, std::numeric_limits<float>::quiet_NaN());
  }
}

/// The top-k experts of one token and their routing weights (`share`): the largest scores, of equal ones the first. A score
/// that is no number is the smallest.
inline void choose_experts(const kernel_table& kernels, const router_spec& r, float* score, std::size_t n,
                           std::uint32_t* chosen, float* share) noexcept {
  for (std::size_t e = 0; e < r.bias.size(); ++e) score[e] += r.bias[e];
  gate_scores(kernels, score, n, r.by);
  if (r.groups > r.groups_used) leave_out_groups(r, score, n);
  for (std::size_t e = 0; e < n; ++e) {  // the best so far stand in order, their values in `share`
    const float value = choice_value(r, score, e);
    std::size_t at = std::min(e, r.used);
    while (at > 0 && is_better(value, share[at - 1])) --at;
    if (at == r.used) continue;
    for (std::size_t k = std::min(e, r.used - 1); k > at; --k) chosen[k] = chosen[k - 1], share[k] = share[k - 1];
    chosen[at] = static_cast<std::uint32_t>(e), share[at] = value;
  }
  for (std::size_t k = 0; k < r.used; ++k) share[k] = score[chosen[k]];
  if (r.by == router_spec::gating::softmax_of_used) gate_scores(kernels, share, r.used, router_spec::gating::softmax);
  float total = 1;
  if (r.renormalized) {
    total = 0;
    for (std::size_t k = 0; k < r.used; ++k) total += share[k];
    total = std::max(total, 6.103515625e-5f);  // the smallest normal half, as published models are run
  }
  for (std::size_t k = 0; k < r.used; ++k) share[k] = share[k] / total * r.scale;
}
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
