/// llama: Llama 1 to 3, Mistral, Mixtral, TinyLlama, SmolLM, Yi, and what else has this shape.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU, or experts of it (Mixtral). Optional: biases of attention and
/// feed-forwards, frequency factors (Llama 3), linear scaling or YaRN, a window (Mistral 7B of 2023), an output matrix of its
/// own.
/// @source  Touvron et al. 2023; Jiang et al. 2024
struct llama : mixed_expert_decoder {
  static constexpr std::string_view name = "llama";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.rotate_whole_heads(h);
    c.ropes[0].has_factors = true;
    c.attention_scale = h.positive_or_zero("attention.scale", 0.0f);
    c.read_windows(h, 0, c.layers + 1);  // in every layer, if the file does not say which
    if (h.count_or("expert_count", 0, 0, h.limits().experts) > 0) {
      c.router.renormalized = true;
      c.read_experts_behind_dense(h);
    }
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
