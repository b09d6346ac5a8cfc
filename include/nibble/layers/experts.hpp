/// experts: a feed-forward layer of many, of which each token uses a few. Tokens are grouped by expert, so that an expert's
/// weights are read once a step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "nibble/layers/elementwise.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/layers/routing.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The weights of the experts: stacks of matrices, one an expert, and their biases, or none. Gates may be empty, too.
struct expert_weights {
  weight gate, up, down;                                 ///< (experts) x (hidden, width), (hidden, width), (width, hidden)
  std::span<const float> gate_bias, up_bias, down_bias;  ///< (experts) x (hidden), (hidden), (width)

  /// Expert e's of a bias.
  std::span<const float> of(std::span<const float> bias, std::size_t e) const noexcept {
    const std::size_t size = bias.size() / up.matrices();
    return bias.data() ? bias.subspan(e * size, size) : bias.first(size);  // a plan's has no memory
  }
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

/// The choices of all tokens by their scores, which are overwritten.
/// @shape   scores (tokens, experts)
inline routes route(compute& c, const router_spec& r, activations scores) NIBBLE_NOEXCEPT {
  const std::size_t count = scores.width;
  const routes out(c, scores.tokens, r.used, count);
  c.for_each_range(scores.tokens, 4096 / (count + 1) + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      choose_experts(c.kernels(), r, scores.row(t), count, out.chosen + t * r.used, out.share + t * r.used);
    }
  });
  c.for_each(1, [&](std::size_t) { sort_by_expert(out); });
  return out;
}

/// out(t) = the sum of what token t's experts gave, in the order of their scores; result is overwritten.
inline void sum_by_token(compute& c, const routes& r, activations result, layer_output out) NIBBLE_NOEXCEPT {
  for_each_token(c, out.y, [&](std::size_t t) {
    const std::uint32_t* slot = r.slot + t * r.used;
    float* sum = result.row(slot[0]);
    for (std::size_t k = 0; k < r.used; ++k) {
      float* row = result.row(slot[k]);
      c.kernels().scale(row, r.share[t * r.used + k], result.width);
      if (k > 0) c.kernels().add(sum, row, result.width);
    }
    if (out.how == epilogue::add) {
      c.kernels().add(out.y.row(t), sum, result.width);
    } else {
      std::memcpy(out.y.row(t), sum, result.width * sizeof(float));
    }
  });
}
}  // namespace detail

/// out(t) = sum over the experts e that token t uses of share(t, e) * down_e(f(gate_e x) * (up_e x)), in the order of their
/// scores, each product with its bias; without gates it is down_e(f(up_e x)).
/// @shape   x (tokens, width), scores (tokens, experts), overwritten; out (tokens, width)
/// @errors  none (noexcept); precondition: 1 <= r.used <= experts; r.groups divide them; out replaces or is added to
/// @cost    tokens * used * hidden * 3 * width multiply-adds; each expert in use is read once
/// @source  Shazeer et al. 2017
inline void experts(compute& c, activations x, activations scores, const router_spec& r, const expert_weights& w, activation f,
                    layer_output out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(r.used >= 1 && r.used <= scores.width && scores.width == w.up.matrices() && out.how != epilogue::gate);
  NIBBLE_ASSERT(r.groups >= 1 && r.groups <= router_spec::most_groups && scores.width % r.groups == 0);
  if (x.tokens == 0) return;
  const scratch_scope scope(c);
  const detail::routes routes = detail::route(c, r, scores);
  const std::size_t slots = x.tokens * r.used;
  const bool biased = !w.gate_bias.empty() || !w.up_bias.empty();
  const activations hidden = c.scratch(slots, w.up.rows()), result = c.scratch(slots, out.y.width);
  const activations beside = biased ? c.scratch(slots, w.up.rows()) : activations{};
  detail::multiply_by_expert(c, routes, [&](std::size_t e, std::size_t first, std::size_t n) {
    product p{w.up.matrix(e), x.subset(routes.token + first, n), hidden.range(first, n)};
    p.gate_function = f, p.activated = w.gate.empty();
    if (!w.gate.empty()) p.gate = w.gate.matrix(e);
    if (biased) p.bias = w.of(w.up_bias, e), p.gate_bias = w.of(w.gate_bias, e), p.beside = beside.range(first, n);
    return p;
  });
  detail::multiply_by_expert(c, routes, [&](std::size_t e, std::size_t first, std::size_t n) {
    product p{w.down.matrix(e), hidden.range(first, n), result.range(first, n)};
    p.bias = w.of(w.down_bias, e);
    return p;
  });
  detail::sum_by_token(c, routes, result, out);
}

/// The same with the scores of a router's product.
/// @shape   router (experts, width)
inline void experts(compute& c, activations x, const weight& router, const router_spec& r, const expert_weights& w,
                    activation f, layer_output out) NIBBLE_NOEXCEPT {
  if (x.tokens == 0) return;
  const scratch_scope scope(c);
  const activations scores = c.scratch(x.tokens, router.rows());
  linear(c, x, {{router, scores}});
  experts(c, x, scores, r, w, f, out);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
