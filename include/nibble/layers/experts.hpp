/// experts: a feed-forward layer of many, of which each token uses a few. Tokens are grouped by expert, so that an expert's
/// weights are read once a step.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "nibble/core/half.hpp"
#include "nibble/layers/elementwise.hpp"
#include "nibble/layers/linear.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// How experts are chosen by their scores, and weighed.
struct router_spec {
  enum class gating : std::uint8_t {
    softmax,         ///< over all experts, before some are chosen
    sigmoid,         ///< of each score
    softmax_of_used  ///< over those that are chosen by their scores
  };
  std::size_t used = 1;  ///< experts a token
  gating by = gating::softmax;
  bool renormalised = false;               ///< the weights of those used add up to 1
  float scale = 1;                         ///< of the weights
  std::span<const float> preference = {};  ///< (experts), added for choosing only; or empty
};

/// The weights of the experts: stacks of matrices, one an expert.
struct expert_weights {
  weight router;          ///< (experts, width)
  weight gate, up, down;  ///< (experts) x (hidden, width), (hidden, width), (width, hidden)
};

namespace detail {
/// Which experts each token uses: of its choices, slot by slot, and of the slots, sorted by expert.
struct routes {
  std::size_t tokens, used, experts;
  std::uint32_t* slot;    ///< (tokens, used): where the row of this choice stands
  float* share;           ///< (tokens, used): its weight
  std::uint32_t* token;   ///< (tokens * used): whose row a slot is; ascending within an expert
  std::uint32_t* begin;   ///< (experts + 1): the first slot of an expert
  std::uint32_t* chosen;  ///< (tokens, used): experts, in the order of their scores

  routes(compute& c, std::size_t token_count, std::size_t used_count, std::size_t expert_count) NIBBLE_NOEXCEPT
      : tokens(token_count),
        used(used_count),
        experts(expert_count) {
    const auto take = [&]<class T>(T*& to, std::size_t n) {
      to = reinterpret_cast<T*>(c.scratch_memory().take(product_of_sizes(n, sizeof(T))));
    };
    const std::size_t slots = product_of_sizes(tokens, used);
    take(slot, slots), take(share, slots), take(token, slots), take(begin, sum_of_sizes(experts, 1)), take(chosen, slots);
  }
};

/// Turns the scores of one token into probabilities, in place.
inline void gate_scores(float* score, std::size_t n, router_spec::gating by) noexcept {
  if (by == router_spec::gating::softmax) {
    float largest = score[0], total = 0;
    for (std::size_t e = 1; e < n; ++e) largest = std::max(largest, score[e]);
    for (std::size_t e = 0; e < n; ++e) total += score[e] = std::exp(score[e] - largest);
    for (std::size_t e = 0; e < n; ++e) score[e] /= total;
  } else if (by == router_spec::gating::sigmoid) {
    for (std::size_t e = 0; e < n; ++e) score[e] = 1 / (1 + std::exp(std::min(-score[e], 88.0f)));  // exp(89) overflows
  }
}

/// Chooses the experts of one token: the largest scores, of equal ones the first. A score that is no number is the smallest.
inline void choose_experts(const router_spec& r, float* score, std::size_t n, std::uint32_t* chosen, float* share) noexcept {
  gate_scores(score, n, r.by);
  for (std::size_t k = 0; k < r.used; ++k) {
    std::size_t best = n;
    float best_value = 0;
    for (std::size_t e = 0; e < n; ++e) {
      if (std::find(chosen, chosen + k, e) != chosen + k) continue;
      const float value = score[e] + (r.preference.empty() ? 0 : r.preference[e]);
      if (best == n || value > best_value || (is_nan(best_value) && !is_nan(value))) best = e, best_value = value;
    }
    chosen[k] = static_cast<std::uint32_t>(best);
    share[k] = score[best];
  }
  if (r.by == router_spec::gating::softmax_of_used) gate_scores(share, r.used, router_spec::gating::softmax);
  float total = 1;
  if (r.renormalised) {
    total = 0;
    for (std::size_t k = 0; k < r.used; ++k) total += share[k];
    total = std::max(total, 6.103515625e-5f);  // the smallest normal half, as published models are run
  }
  for (std::size_t k = 0; k < r.used; ++k) share[k] = share[k] / total * r.scale;
}

/// Sorts the choices of all tokens by expert.
inline void sort_by_expert(const routes& r) noexcept {
  std::fill_n(r.begin, r.experts + 1, 0u);
  for (std::size_t i = 0; i < r.tokens * r.used; ++i) ++r.begin[r.chosen[i] + 1];
  for (std::size_t e = 0; e < r.experts; ++e) r.begin[e + 1] += r.begin[e];
  for (std::size_t i = 0; i < r.tokens * r.used; ++i) {
    const std::uint32_t at = r.begin[r.chosen[i]]++;
    r.slot[i] = at;
    r.token[at] = static_cast<std::uint32_t>(i / r.used);
  }
  for (std::size_t e = r.experts; e > 0; --e) r.begin[e] = r.begin[e - 1];
  r.begin[0] = 0;
}

/// Products of each expert that has rows, of(expert, first slot, slots) says which. Where only sizes are asked for, one product
/// with all rows takes as much scratch, but for what begins each expert's operands (floats, two kinds of blocks) on a cache
/// line.
template <class Of>
void multiply_by_expert(compute& c, const routes& r, const Of& of) NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  const std::size_t slots = product_of_sizes(r.tokens, r.used), most = std::min(r.experts, slots);
  auto* memory = reinterpret_cast<product*>(c.scratch_memory().take(product_of_sizes(most, sizeof(product))));
  product all = of(std::size_t{0}, std::size_t{0}, slots);
  std::span<product> products(&all, 1);
  if (!c.measuring()) {
    std::size_t count = 0;
    for (std::size_t e = 0; e < r.experts; ++e) {
      if (const std::size_t n = r.begin[e + 1] - r.begin[e]; n > 0) std::construct_at(memory + count++, of(e, r.begin[e], n));
    }
    products = {memory, count};
  }
  if (c.measuring()) static_cast<void>(c.scratch_memory().take(product_of_sizes(most, 3, cache_line)));
  linear(c, products);
}
}  // namespace detail

/// out(t) = sum over the experts e that token t uses of share(t, e) * down_e(f(gate_e x) * (up_e x)), in the order of their
/// scores.
/// @shape   x (tokens, width), out (tokens, width)
/// @errors  none (noexcept); precondition: 1 <= r.used <= experts; out replaces or is added to
/// @cost    tokens * used * hidden * 3 * width multiply-adds; each expert in use is read once
/// @source  Shazeer et al. 2017
inline void experts(compute& c, const layer_input& in, const router_spec& r, const expert_weights& w, activation f,
                    layer_output out) NIBBLE_NOEXCEPT {
  const std::size_t tokens = in.x.tokens, slots = tokens * r.used, count = w.router.rows();
  NIBBLE_ASSERT(r.used >= 1 && r.used <= count && out.how != epilogue::gate);
  if (tokens == 0) return;
  const scratch_scope scope(c);
  activations x = in.x;
  if (in.is_normed) {
    x = c.scratch(tokens, in.x.width);
    apply(c, in.norm, in.x, x);
  }
  const activations scores = c.scratch(tokens, count);
  linear(c, x, {{w.router, scores}});
  const detail::routes routes(c, tokens, r.used, count);
  c.for_each_range(tokens, 4096 / (count + 1) + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      detail::choose_experts(r, scores.row(t), count, routes.chosen + t * r.used, routes.share + t * r.used);
    }
  });
  c.for_each(1, [&](std::size_t) { detail::sort_by_expert(routes); });

  const activations hidden = c.scratch(slots, w.up.rows()), result = c.scratch(slots, out.y.width);
  detail::multiply_by_expert(c, routes, [&](std::size_t e, std::size_t first, std::size_t n) {
    product p{w.up.matrix(e), x.subset(routes.token + first, n), hidden.range(first, n)};
    p.gate = w.gate.matrix(e), p.gate_function = f;
    return p;
  });
  detail::multiply_by_expert(c, routes, [&](std::size_t e, std::size_t first, std::size_t n) {
    return product{w.down.matrix(e), hidden.range(first, n), result.range(first, n)};
  });
  detail::for_each_token(c, out.y, [&](std::size_t t) {
    const std::uint32_t* slot = routes.slot + t * r.used;
    float* sum = result.row(slot[0]);
    for (std::size_t k = 0; k < r.used; ++k) {
      float* row = result.row(slot[k]);
      c.kernels().scale(row, routes.share[t * r.used + k], result.width);
      if (k > 0) c.kernels().add(sum, row, result.width);
    }
    if (out.how == epilogue::add) {
      c.kernels().add(out.y.row(t), sum, result.width);
    } else {
      std::memcpy(out.y.row(t), sum, result.width * sizeof(float));
    }
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
