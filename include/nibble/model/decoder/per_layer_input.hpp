/// per_layer_input: each layer ends with a small input of its own, made of the token, and a scale.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "nibble/core/heap_bytes.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// y = (y + norm(out(gelu(gate y) * p_i))) * scale_i at the end of layer i, where p is made once a step: a row of a table for
/// the token, and a product of its embedding. Without such inputs (config.input_dim is 0) it is the scale alone.
///
/// The table is most of a file: it stays as it is stored, and a token's row is decoded.
/// @source  Gemma Team 2025, "Gemma 3n"
class per_layer_input {
 public:
  /// (tokens, layers * input_dim)
  using prepared = activations;

  per_layer_input(const decoder_config& c, tensor_source& t);
  std::size_t memory_bytes() const noexcept { return nibble::detail::heap_bytes(layers_); }

  /// @shape   x (tokens, width)
  template <class Step>
  prepared begin(Step& s, activations x) const NIBBLE_NOEXCEPT;
  /// out = norm(out(gelu(gate x) * p_i)), with all rows
  /// @shape   x, out (tokens, width)
  void input_of(compute& c, std::size_t i, const prepared& p, activations x, activations out) const NIBBLE_NOEXCEPT;
  /// @shape   y (rows.count, width), changed
  template <class Step>
  void end_layer(Step& s, std::size_t i, const prepared& p, const step_rows& rows, activations y) const NIBBLE_NOEXCEPT;

 private:
  struct layer {
    weight gate, out;
    norm_weights post_norm;
    std::span<const float> scale;  ///< (1)
  };

  std::size_t dim_ = 0;
  weight table_, projection_;
  norm_weights norm_;
  std::vector<layer> layers_;
};

template <class Step>
per_layer_input::prepared per_layer_input::begin(Step& s, activations x) const NIBBLE_NOEXCEPT {
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

inline void per_layer_input::input_of(compute& c, std::size_t i, const prepared& p, activations x,
                                      activations out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  const activations gates = c.scratch(x.tokens, dim_);
  linear(c, x, {{layers_[i].gate, gates}});
  nibble::detail::for_each_token(
      c, gates, [&](std::size_t t) { c.kernels().gate(gates.row(t), p.row(t) + i * dim_, dim_, activation::gelu_tanh); });
  linear(c, gates, {{layers_[i].out, out}});
  apply(c, layers_[i].post_norm, out, out);
}

template <class Step>
void per_layer_input::end_layer(Step& s, std::size_t i, const prepared& p, const step_rows& rows,
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
