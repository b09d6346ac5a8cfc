/// latent_attention: multi-head latent attention (MLA), a mixer that keeps one short row a token for all heads, from which each
/// head makes its keys and values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

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

/// Head h's key is its matrix K_h times the latent row, beside a rotated part (rope) that all heads share; its value is V_h
/// times the latent row. Queries are multiplied by K_h and outputs by V_h instead, so that all heads read the same kept row:
/// attention with one head of keys, (rotated, latent), and values, (latent). The latent row is kept twice: keys lie as panels
/// of positions, which scores are multiplied with, and values as rows, which are added up.
/// @source  DeepSeek-AI 2024, "DeepSeek-V2", section 2.1 and appendix C
class latent_attention {
 public:
  latent_attention(const decoder_config& c, std::size_t layer, tensor_source& t);

  kv_shape keeps() const noexcept { return {1, spec_.key_dim, spec_.value_dim, 0, 0, spec_.mask.after > 0, true}; }

  /// out = attention(x): what is kept of all tokens is stored; only `rows` attend.
  /// @shape   x (tokens, width); out (rows.count, width)
  void forward(step& s, std::size_t layer, const step_context& context, const layer_input& x, const step_rows& rows,
               layer_output out) const NIBBLE_NOEXCEPT;

 private:
  void take_head_matrices(const std::string& at, tensor_source& t);
  void query(compute& c, const layer_input& x, activations queries) const NIBBLE_NOEXCEPT;
  void split(compute& c, activations joined, activations keys, activations values) const NIBBLE_NOEXCEPT;

  latent_shape shape_;
  weight q_a_, q_, kv_a_, k_, v_, o_;  ///< k (heads) x (latent, plain), v (heads) x (values, latent)
  norm_weights q_norm_, kv_norm_;
  attention_spec spec_;
  std::size_t rope_ = 0;
  bool tempered_ = false;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
