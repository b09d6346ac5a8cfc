/// Definitions of model/decoder/per_layer_input.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/per_layer_input.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

per_layer_input::per_layer_input(const decoder_config& c, tensor_source& t) : dim_(c.input_dim), layers_(c.layers) {
  const std::size_t all = product_of_sizes(dim_, c.layers);
  if (dim_ > 0) {
    table_ = t.table("per_layer_token_embd.weight", c.vocabulary, all);
    projection_ = t.matrix("per_layer_model_proj.weight", all, c.width);
    norm_ = {t.vector("per_layer_proj_norm.weight", dim_), {}, c.eps, c.norm};
  }
  for (std::size_t i = 0; i < c.layers; ++i) {
    const std::string at = layer_prefix(i);
    layers_[i].scale = t.vector_or_none(at + "layer_output_scale.weight", 1);
    if (dim_ == 0) continue;
    layers_[i].gate = t.matrix(at + "inp_gate.weight", dim_, c.width);
    layers_[i].out = t.matrix(at + "proj.weight", c.width, dim_);
    layers_[i].post_norm = {t.vector(at + "post_norm.weight", c.width), {}, c.eps, c.norm};
  }
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
