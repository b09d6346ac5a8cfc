/// delta_net: the gated delta rule: a state for each head from which a token takes back what its key found, before it adds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "nibble/layers/linear.hpp"
#include "nibble/layers/recurrent.hpp"
#include "nibble/model/decoder/config.hpp"
#include "nibble/model/decoder/step_context.hpp"
#include "nibble/model/step.hpp"
#include "nibble/model/tensor_source.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Queries, keys and values pass through a convolution and SiLU; queries and keys get the length 1. What a head's state gives
/// is normed, gated, and goes through "ssm_out".
///
/// Files have queries, keys and values in one matrix ("attn_qkv") and the gate in another ("attn_gate"), or all of them in one
/// ("ssm_in"), key head by key head; and for each value head a strength and a time step, in two matrices ("ssm_beta",
/// "ssm_alpha") or in one ("ssm_ba"), key head by key head.
/// @source  Yang et al. 2024, "Gated Delta Networks"
class delta_net {
 public:
  delta_net(const decoder_config& c, std::size_t layer, tensor_source& t);

  /// The last inputs of the convolution, and a matrix for each head.
  kv_shape keeps() const noexcept { return {.state = first_of_heads() + shape_.state()}; }

  /// @shape   x (tokens, width); out (rows.count, width)
  void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  std::size_t keys() const noexcept { return shape_.key_heads * shape_.rows; }
  std::size_t values() const noexcept { return shape_.heads * shape_.columns; }
  std::size_t first_of_heads() const noexcept { return round_up(convolution_.state(), scan_args::strip); }
  /// What the step's tokens ask for. @shape  qkv (tokens, 2 keys + values), gate (tokens, values), strength, step (tokens,
  /// heads)
  void project(compute& c, const layer_input& x, activations qkv, activations gate, activations strength,
               activations step) const NIBBLE_NOEXCEPT;

  weight qkv_, gate_, strength_, step_;  // of qkv and gate, or of strength and step, one holds both where the other is empty
  weight output_;
  convolution_weights convolution_;
  scan_shape shape_;
  std::span<const float> step_bias_, rate_;
  norm_weights norm_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
