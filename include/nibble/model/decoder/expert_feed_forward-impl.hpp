/// Definitions of model/decoder/expert_feed_forward.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <span>
#include <string>

#include "nibble/model/decoder/expert_feed_forward.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
expert_weights take_experts(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const std::string at = layer_prefix(layer);
  const std::size_t of_all = c.expert_hidden > 0 ? c.expert_hidden : c.layer[layer].hidden;
  const std::size_t count = c.experts, hidden = c.layer[layer].expert_hidden.value_or(of_all);
  const std::size_t width = c.expert_latent > 0 ? c.expert_latent : c.width;
  const auto stack = [&](const char* name, std::size_t rows, std::size_t columns) {
    if (const std::string tensor = at + name + "_exps.weight"; t.has(tensor) || !t.has(at + name + ".0.weight")) {
      return t.stack(tensor, count, rows, columns);
    }
    return t.gathered(at + name + ".", ".weight", count, rows, columns);
  };
  expert_weights w;
  if (const std::string both = at + "ffn_gate_up_exps.weight"; c.expert_gates && t.has(both)) {
    w.gate = t.part(both, count, 2 * hidden, width, 0, hidden);
    w.up = t.part(both, count, 2 * hidden, width, hidden, hidden);
  } else {
    if (c.expert_gates) w.gate = stack("ffn_gate", hidden, width);
    w.up = stack("ffn_up", hidden, width);
  }
  w.down = stack("ffn_down", width, hidden);
  const auto biases_of = [&](const char* name, std::size_t rows) {
    return c.expert_biases || t.has(at + name) ? t.vectors(at + name, count, rows) : std::span<const float>();
  };
  if (c.expert_gates) w.gate_bias = biases_of("ffn_gate_exps.bias", hidden);
  w.up_bias = biases_of("ffn_up_exps.bias", hidden);
  w.down_bias = biases_of("ffn_down_exps.bias", width);
  return w;
}

router_spec take_router(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const std::string at = layer_prefix(layer), bias = at + "ffn_gate_inp.bias";
  router_spec r = c.router;
  r.used = c.layer[layer].experts_used.value_or(r.used);
  if (r.used == 0) t.reject(at + "ffn_gate_inp.weight", "one expert a token at least, as expert_used_count says of the layer");
  r.bias = c.expert_biases ? t.vector(bias, c.experts) : t.vector_or_none(bias, c.experts);
  r.preference = t.vector_or_none(at + "exp_probs_b.bias", c.experts);
  return r;
}
}  // namespace detail

expert_feed_forward::expert_feed_forward(const decoder_config& c, std::size_t layer, tensor_source& t) : function_(c.gate) {
  const std::string at = layer_prefix(layer);
  router_ = t.matrix(at + "ffn_gate_inp.weight", c.experts, c.width);
  weights_ = detail::take_experts(c, layer, t);
  spec_ = detail::take_router(c, layer, t);
  if (c.expert_latent > 0) {
    latent_down_ = t.matrix(at + "ffn_latent_down.weight", c.expert_latent, c.width);
    latent_up_ = t.matrix(at + "ffn_latent_up.weight", c.width, c.expert_latent);
  }
  if (c.shared_hidden == 0) return;
  const std::string gate = at + "ffn_gate_shexp.weight", up = at + "ffn_up_shexp.weight";
  if (c.expert_gates && !t.has(gate) && t.rows_of(up) == 2 * c.shared_hidden) {  // both in one
    shared_gate_ = t.rows(up, 2 * c.shared_hidden, c.width, 0, c.shared_hidden);
    shared_up_ = t.rows(up, 2 * c.shared_hidden, c.width, c.shared_hidden, c.shared_hidden);
  } else {
    if (c.expert_gates) shared_gate_ = t.matrix(gate, c.shared_hidden, c.width);
    shared_up_ = t.matrix(up, c.shared_hidden, c.width);
  }
  shared_down_ = t.matrix(at + "ffn_down_shexp.weight", c.width, c.shared_hidden);
  if (c.shared_share) shared_share_ = t.matrix(at + "ffn_gate_inp_shexp.weight", 1, c.width);
}

void expert_feed_forward::forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  activations n = as_normed(s, x);
  if (!x.is_normed && out.how == epilogue::add && !shared_up_.empty()) {  // the experts' sum may be added to x itself
    n = s.compute::scratch(x.x.tokens, x.x.width);
    copy(s, x.x, n);
  }
  const activations weighed = s.compute::scratch(n.tokens, shared_share_.rows());
  {
    const auto watched = s.watch(operation::experts, layer);
    choose(s, n, weighed, out);
  }
  if (shared_up_.empty()) return;
  const auto watched = s.watch(operation::feed_forward, layer);
  if (shared_share_.empty()) return share(s, n, added_to(out.y));
  const activations given = s.compute::scratch(n.tokens, out.y.width);
  share(s, n, given);
  close_gates(s, weighed, activation::sigmoid, given);
  add(s, out.y, given);
}

/// What the experts of each token give; and how the one that all share is weighed, where it is: a product beside the scores.
void expert_feed_forward::choose(compute& c, activations x, activations weighed, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  const activations scores = c.scratch(x.tokens, router_.rows()), latent = c.scratch(x.tokens, latent_down_.rows()),
                    given = c.scratch(x.tokens, latent.width);
  const bool is_weighed = !shared_share_.empty();
  if (latent_down_.empty()) {
    is_weighed ? linear(c, x, {{router_, scores}, {shared_share_, weighed}}) : linear(c, x, {{router_, scores}});
    return experts(c, x, scores, spec_, weights_, function_, out);
  }
  linear(c, x, {{router_, scores}, {latent_down_, latent}});
  if (is_weighed) linear(c, x, {{shared_share_, weighed}});
  experts(c, latent, scores, spec_, weights_, function_, given);
  linear(c, given, {{latent_up_, out}});
}
/// What the expert that all share gives.
void expert_feed_forward::share(compute& c, activations x, layer_output out) const NIBBLE_NOEXCEPT {
  if (!shared_gate_.empty()) return feed_forward(c, x, shared_gate_, shared_up_, function_, shared_down_, out);
  const auto f = [&](float* hidden, std::size_t n) { c.kernels().activate(hidden, n, function_); };
  nibble::plain_feed_forward(c, x, shared_up_, f, shared_down_, {}, out);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
