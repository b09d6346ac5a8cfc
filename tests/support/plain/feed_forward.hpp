/// Feed-forwards of a small model in double precision: dense, and experts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "support/plain/tensors.hpp"

namespace nibble_test {

inline double activated(const family& f, double x) {
  const double numbers = 0.5;  // of xIELU, as the smallest file states them
  switch (f.feed_forward) {
    case family::relu_squared:
      return x > 0 ? x * x : 0;
    case family::gelu:
    case family::geglu:
    case family::geglu_fused:
      return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case family::xielu:
      return x > 0 ? softplus(numbers) * x * x + numbers * x
                   : (std::expm1(std::min(x, numbers)) - x) * (numbers + softplus(numbers)) + numbers * x;
    default:
      return silu(x);
  }
}
/// The hidden numbers of gates and ups; without gates, of ups alone.
inline row hidden_of(const family& f, const row& gate, row up) {
  for (std::size_t i = 0; i < up.size(); ++i) {
    if (f.feed_forward == family::clamped) {
      const double g = std::min(gate[i], 7.0);
      up[i] = g * sigmoid(1.702 * g) * (std::clamp(up[i], -7.0, 7.0) + 1);
    } else {
      up[i] = gate.empty() ? activated(f, up[i]) : activated(f, gate[i]) * up[i];
    }
  }
  return up;
}
inline row halved(row& both) {
  const row first = part_of(both, 0, both.size() / 2);
  both = part_of(both, both.size() / 2, both.size() / 2);
  return first;
}

inline row dense(const plain_layer& l, const row& x) {
  row up = l.product("ffn_up.weight", x, "ffn_up.bias"), gate;
  if (l.f.feed_forward == family::swiglu_fused || l.f.feed_forward == family::geglu_fused) {
    gate = halved(up);
  } else if (l.has("ffn_gate.weight")) {
    gate = l.product("ffn_gate.weight", x, "ffn_gate.bias");
  }
  return l.product("ffn_down.weight", hidden_of(l.f, gate, up), "ffn_down.bias");
}

/// Which experts a token uses, and how much.
struct plain_choice {
  std::size_t expert;
  double share;
};
inline std::vector<plain_choice> choose(const plain_layer& l, const row& x) {
  const plain_router& r = l.f.router;
  const row scores = l.product("ffn_gate_inp.weight", x, "ffn_gate_inp.bias");
  row p = scores;
  if (r.by == plain_router::softmax) softmax(p);
  if (r.by == plain_router::sigmoid)
    for (double& v : p) v = sigmoid(v);
  row by = p;
  if (l.has("exp_probs_b.bias"))
    for (std::size_t e = 0; e < by.size(); ++e) by[e] += l["exp_probs_b.bias"][e];
  if (r.groups > 1) {
    const std::size_t size = by.size() / r.groups;
    std::vector<std::pair<double, std::size_t>> sums;
    for (std::size_t g = 0; g < r.groups; ++g) {
      row group = part_of(by, g * size, size);
      std::sort(group.rbegin(), group.rend());
      sums.push_back({-(group[0] + (size > 1 ? group[1] : 0)), g});
    }
    std::sort(sums.begin(), sums.end());
    for (std::size_t g = r.groups_used; g < r.groups; ++g)
      std::fill_n(by.begin() + std::ptrdiff_t(sums[g].second * size), size, -HUGE_VAL);
  }
  std::vector<std::size_t> order(by.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return by[a] > by[b]; });
  order.resize(r.used.size() == 1 ? r.used[0] : r.used[l.index]);
  row share;
  for (const std::size_t e : order) share.push_back(p[e]);
  if (r.by == plain_router::softmax_of_used) softmax(share);
  const double total = std::accumulate(share.begin(), share.end(), 0.0);
  std::vector<plain_choice> out;
  for (std::size_t k = 0; k < order.size(); ++k) {
    out.push_back({order[k], share[k] / (r.renormalized ? total : 1) * r.scale});
  }
  return out;
}

/// The sum of the experts that a token uses, of what they read.
inline row experts(const plain_layer& l, const std::vector<plain_choice>& chosen, const row& x) {
  const auto of = [&](const std::string& name, const row& in, std::size_t e) {
    const std::size_t count = l["ffn_gate_inp.weight"].size() / plain_width;
    return l.t.product(l.at + name + ".weight", in, l.at + name + ".bias", e, count);
  };
  row out;
  for (const auto& [e, share] : chosen) {
    row gate, up;
    if (l.has("ffn_gate_up_exps.weight")) {
      up = of("ffn_gate_up_exps", x, e), gate = halved(up);
    } else {
      up = of("ffn_up_exps", x, e);
      if (l.has("ffn_gate_exps.weight")) gate = of("ffn_gate_exps", x, e);
    }
    const row given = of("ffn_down_exps", hidden_of(l.f, gate, up), e);
    out.resize(given.size());
    for (std::size_t i = 0; i < given.size(); ++i) out[i] += share * given[i];
  }
  return out;
}

/// Experts, and one beside them that all tokens share, where there is one.
inline row expert_feed_forward(const plain_layer& l, const row& x) {
  const bool latent = l.has("ffn_latent_down.weight");
  row out = experts(l, choose(l, x), latent ? l.product("ffn_latent_down.weight", x) : x);
  if (latent) out = l.product("ffn_latent_up.weight", out);
  if (!l.has("ffn_up_shexp.weight")) return out;
  row up = l.product("ffn_up_shexp.weight", x), gate;
  if (l.has("ffn_gate_shexp.weight")) {
    gate = l.product("ffn_gate_shexp.weight", x);
  } else if (up.size() == 2 * l["ffn_down_shexp.weight"].size() / x.size()) {
    gate = halved(up);
  }
  const row given = l.product("ffn_down_shexp.weight", hidden_of(l.f, gate, up));
  const double share = l.has("ffn_gate_inp_shexp.weight") ? sigmoid(l.product("ffn_gate_inp_shexp.weight", x)[0]) : 1;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += share * given[i];
  return out;
}

}  // namespace nibble_test
