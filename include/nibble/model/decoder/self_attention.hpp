/// self_attention: the mixer of most decoders: projections, optional biases and norms of heads, rotation, attention, gates.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "nibble/layers/deal.hpp"
#include "nibble/layers/gates.hpp"
#include "nibble/layers/linear.hpp"
#include "nibble/layers/norm.hpp"
#include "nibble/layers/rope.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/step_context.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Weights of one layer. Queries, keys and values are three tensors or one ("attn_qkv"), whose rows are all queries, then all
/// keys, then all values.
class self_attention {
 public:
  self_attention(const decoder_config& c, std::size_t layer, tensor_source& t);

  kv_shape keeps() const noexcept;

  /// out = attention(x): keys and values of all tokens are stored; only `rows` attend.
  /// @shape   x (tokens, width); out (rows.count, width)
  template <class Step>
  void forward(Step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  void take_projections(const decoder_config& c, const layer_config& l, const std::string& at, tensor_source& t);
  void project(compute& s, const layer_input& x, const layer_input& picked, activations queries, activations keys,
               activations values) const NIBBLE_NOEXCEPT;
  void norm_heads(compute& s, activations queries, activations keys) const NIBBLE_NOEXCEPT;

  weight q_, k_, v_, o_, gate_;
  std::span<const float> q_bias_, k_bias_, v_bias_, o_bias_;
  norm_weights q_norm_, k_norm_, v_norm_;
  attention_spec spec_;
  std::size_t rope_ = 0, keys_of_ = layer_config::own_keys;
  head_norm norms_ = head_norm::none;
  std::optional<activation> gates_;
  bool norms_behind_rope_ = false, tempered_ = false, gates_in_queries_ = false;
};

template <class Step>
void self_attention::forward(Step& s, std::size_t layer, const step_context& context, const layer_input& x,
                             const step_rows& rows, layer_output out) const NIBBLE_NOEXCEPT {
  const scratch_scope scope(s);
  const activations asked = s.compute::scratch(rows.count, q_.rows()), keys = s.scratch(k_.rows()),
                    values = s.scratch(spec_.kv_heads * spec_.value_dim * (k_.empty() ? 0 : 1)),
                    mixed = s.compute::scratch(rows.count, o_.columns());
  const activations queries = gates_in_queries_ ? s.compute::scratch(rows.count, q_.rows() / 2) : asked,
                    gates = gates_in_queries_ ? s.compute::scratch(rows.count, q_.rows() / 2) : activations();
  const bool all = rows.count == s.tokens();
  {
    const auto watched = s.watch(operation::projection, layer);
    project(s, x, all ? x : x.with(s.pick(rows, x.x)), asked, keys, values);
    add_bias(s, asked, q_bias_);
    add_bias(s, keys, k_bias_);
    add_bias(s, values, v_bias_);
    if (gates_in_queries_) {
      deal_out(s, asked, spec_.heads, {{queries, 0, spec_.key_dim}, {gates, 0, spec_.key_dim}});
    }
    if (!norms_behind_rope_) norm_heads(s, queries, keys);
    if (!v_norm_.gain.empty()) apply_to_heads(s, v_norm_, values, spec_.value_dim);
    if (rope_ != layer_config::no_rope) {
      const rope_angles& angles = context.angles[rope_];
      if (!k_.empty()) context.ropes[rope_].rotate(s, keys, spec_.key_dim, angles);
      context.ropes[rope_].rotate(s, queries, spec_.key_dim, all ? angles : angles.of(rows.of_tokens));
    }
    if (norms_behind_rope_) norm_heads(s, queries, keys);
    if (tempered_)
      scale_rows(s, queries, all ? context.query_scales : context.query_scales.subset(rows.of_tokens.data(), rows.count));
    if (!k_.empty()) s.store_kv(layer, spec_, keys, values);
  }
  {
    const auto watched = s.watch(operation::attention, layer);
    s.attend(k_.empty() ? keys_of_ : layer, spec_, rows, queries, mixed);
  }
  const auto watched = s.watch(operation::mixing, layer);
  if (gates_in_queries_) close_gates(s, gates, activation::sigmoid, mixed);
  if (gates_) {
    const activations opened = s.compute::scratch(rows.count, gate_.rows());
    linear(s, all ? x : x.with(s.pick(rows, x.x)), {{gate_, opened}});
    close_gates(s, opened, *gates_, mixed);
  }
  linear(s, mixed, {{o_, out}});
  add_bias(s, out.y, o_bias_);
}

/// Queries of some rows, keys and values of all; a layer that reads another's has none of its own.
inline void self_attention::project(compute& s, const layer_input& x, const layer_input& picked, activations queries,
                                    activations keys, activations values) const NIBBLE_NOEXCEPT {
  const bool all = picked.x.tokens == x.x.tokens;
  if (k_.empty()) {
    linear(s, picked, {{q_, queries}});
  } else if (v_.empty()) {
    linear(s, x, {{k_, keys}});
    linear(s, picked, {{q_, queries}});
    copy(s, keys, values);
  } else if (all) {
    linear(s, x, {{q_, queries}, {k_, keys}, {v_, values}});
  } else {
    linear(s, x, {{k_, keys}, {v_, values}});
    linear(s, picked, {{q_, queries}});
  }
}

inline void self_attention::norm_heads(compute& s, activations queries, activations keys) const NIBBLE_NOEXCEPT {
  if (norms_ == head_norm::none) return;
  const auto norm = [&](const norm_weights& by, activations x) {
    norms_ == head_norm::whole ? apply(s, by, x, x) : apply_to_heads(s, by, x, spec_.key_dim);
  };
  norm(q_norm_, queries);
  if (!k_norm_.gain.empty()) norm(k_norm_, keys);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
