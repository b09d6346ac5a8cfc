/// Definitions of model/decoder/dense_beside_experts.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <cmath>
#include <string>

#include "nibble/model/decoder/dense_beside_experts.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

dense_beside_experts::dense_beside_experts(const decoder_config& c, std::size_t layer, tensor_source& t)
    : dense_(c, layer, t), function_(c.gate) {
  const std::string at = layer_prefix(layer);
  router_ = t.unscaled_matrix(at + "ffn_gate_inp.weight", c.experts, c.width);  // its scale is a norm's gain
  weights_ = detail::take_experts(c, layer, t);
  spec_ = detail::take_router(c, layer, t);
  const auto norm = [&](const char* name) { return norm_weights{t.vector(at + name, c.width), {}, c.eps, c.norm}; };
  router_norm_ = norm("ffn_gate_inp.scale");
  norm_ = norm("pre_ffw_norm_2.weight");
  post_norm_ = norm("post_ffw_norm_2.weight");
  dense_post_norm_ = norm("post_ffw_norm_1.weight");
}

void dense_beside_experts::forward(step& s, std::size_t layer, const layer_input& x, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const activations given = s.compute::scratch(x.x.tokens, out.y.width);
  dense_.forward(s, layer, x, given);
  apply(s, dense_post_norm_, given, given);
  const auto watched = s.watch(operation::experts, layer);
  const activations scores = s.compute::scratch(x.x.tokens, router_.rows());
  linear(s, normed(x.x, router_norm_), {{router_, scores}});
  scale(s, scores, 1 / std::sqrt(float(out.y.width)));
  const activations chosen = s.compute::scratch(x.x.tokens, out.y.width);
  experts(s, as_normed(s, normed(x.x, norm_)), scores, spec_, weights_, function_, chosen);
  apply(s, post_norm_, chosen, chosen);
  add(s, given, chosen);
  out.how == epilogue::add ? add(s, out.y, given) : copy(s, given, out.y);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
