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

  /// out = attention(x): keys and values of all tokens are stored; only `rows` attend, but where the layer weighs its keys.
  /// @shape   x (tokens, width); out (rows.count, width)
  void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  void take_projections(const decoder_config& c, const layer_config& l, const std::string& at, tensor_source& t);
  void project(compute& s, const layer_input& x, const layer_input& picked, activations queries, activations keys,
               activations values, activations gates) const NIBBLE_NOEXCEPT;
  void norm_heads(compute& s, const norm_weights& by, activations x) const NIBBLE_NOEXCEPT;

  weight q_, k_, v_, o_, gate_;
  std::span<const float> q_bias_, k_bias_, v_bias_, o_bias_;
  norm_weights q_norm_, k_norm_, v_norm_;
  attention_spec spec_;
  std::size_t rope_ = 0, keys_of_ = layer_config::own_keys;
  head_norm norms_ = head_norm::none;
  std::optional<activation> gates_;
  bool norms_behind_rope_ = false, tempered_ = false, gates_in_queries_ = false;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
