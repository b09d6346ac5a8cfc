/// Definitions of model/decoder/per_layer_input.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <cmath>
#include <numbers>
#include <string>

#include "nibble/layers/embedding.hpp"
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

activations per_layer_input::begin(step& s, activations x) const NIBBLE_NOEXCEPT {
  if (dim_ == 0) return {};
  const auto watched = s.watch(operation::embedding, 0);
  const activations p = s.scratch(dim_ * layers_.size());
  const scratch_scope scope(s);
  const activations rows = s.scratch(p.width);
  linear(s, x, {{projection_, p}});
  embed(s, table_, s.ids(), rows);
  scale(s, p, 1 / std::sqrt(float(x.width)));
  scale(s, rows, std::sqrt(float(dim_)));
  apply_to_heads(s, norm_, p, dim_);
  add(s, p, rows);
  scale(s, p, std::numbers::sqrt2_v<float> / 2);
  return p;
}

void per_layer_input::input_of(compute& c, std::size_t i, const activations& p, activations x,
                               activations out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  const activations gates = c.scratch(x.tokens, dim_);
  linear(c, x, {{layers_[i].gate, gates}});
  nibble::detail::for_each_token(
      c, gates, [&](std::size_t t) { c.kernels().gate(gates.row(t), p.row(t) + i * dim_, dim_, activation::gelu_tanh); });
  linear(c, gates, {{layers_[i].out, out}});
  apply(c, layers_[i].post_norm, out, out);
}

void per_layer_input::end_layer(step& s, std::size_t i, const activations& p, const step_rows& rows,
                                activations y) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const std::span<const float> by = layers_[i].scale;
  const auto watched = s.watch(operation::residual, i);
  if (dim_ > 0) {
    const activations h = s.compute::scratch(rows.count, y.width);
    input_of(s, i, rows.count == p.tokens ? p : p.subset(rows.of_tokens.data(), rows.count), y, h);
    add(s, y, h);
  }
  if (!by.empty()) scale(s, y, s.measuring() ? 1 : by[0]);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
