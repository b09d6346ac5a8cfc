/// llama: Llama 1 to 3, Mistral, TinyLlama, SmolLM, Yi, and what else has this shape.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU. Optional: attention biases, frequency factors (Llama 3), linear
/// scaling, an output matrix of its own.
/// @source  Touvron et al. 2023
struct llama : decoder<> {
  static constexpr std::string_view name = "llama";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h, rope_pairs::interleaved);
    if (h.count_or("expert_count", 0, 0, 1u << 16) > 0) h.reject("expert_count", "expected a model without experts", "some");
    c.ropes[0].has_factors = true;
    c.attention_scale = h.positive_or("attention.scale", 0.0f);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
