/// Definitions of model/decoder/dense_beside_experts.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/dense_beside_experts.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

dense_beside_experts::dense_beside_experts(const decoder_config& c, std::size_t layer, tensor_source& t)
    : dense_(c, layer, t), function_(c.gate) {
  const std::string at = layer_prefix(layer);
  router_ = t.matrix(at + "ffn_gate_inp.weight", c.experts, c.width);
  weights_ = detail::take_experts(c, layer, t);
  spec_ = detail::take_router(c, layer, t);
  const auto norm = [&](const char* name) { return norm_weights{t.vector(at + name, c.width), {}, c.eps, c.norm}; };
  router_norm_ = norm("ffn_gate_inp.scale");
  norm_ = norm("pre_ffw_norm_2.weight");
  post_norm_ = norm("post_ffw_norm_2.weight");
  dense_post_norm_ = norm("post_ffw_norm_1.weight");
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
