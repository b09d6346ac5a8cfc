/// llama: Llama 1 to 3, Mistral, TinyLlama, SmolLM, Yi, and what else has this shape.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/layers/embedding.hpp"
#include "nibble/model/arch/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU. Optional: attention biases, frequency factors (Llama 3), linear
/// scaling, an output matrix of its own.
/// @source  Touvron et al. 2023
class llama {
 public:
  static constexpr std::string_view name = "llama";

  struct config : decoder_config {
    float attention_scale;  ///< 0: 1 / sqrt(head_dim)

    static config read(hyperparameters& h) {
      if (h.count_or("expert_count", 0, 0, 1u << 16) > 0) h.reject("expert_count", "expected a model without experts", "some");
      return {decoder_config::read(h), h.positive_or("attention.scale", 0.0f)};
    }
  };

  llama(const config& c, tensor_source& t)
      : config_(c),
        embedding_(t.matrix("token_embd.weight", c.vocabulary, c.width)),
        output_norm_(t.vector("output_norm.weight", c.width)),
        output_(t.has("output.weight") ? t.matrix("output.weight", c.vocabulary, c.width) : embedding_),
        rope_(c.head_dim, c.rope_base, c.rope_scale, rope_pairs::interleaved,
              t.vector_or_none("rope_freqs.weight", c.head_dim / 2)) {
    for (std::size_t i = 0; i < c.layers; ++i) {
      const auto at = layer_prefix(i);
      layers_.push_back({t.vector(at + "attn_norm.weight", c.width), self_attention(c, t, at),
                         t.vector(at + "ffn_norm.weight", c.width), gated_feed_forward(c, t, at)});
      if (c.attention_scale > 0) layers_.back().attention.spec.scale = c.attention_scale;
    }
  }

  std::vector<kv_shape> kv() const {
    return std::vector<kv_shape>(config_.layers, {config_.kv_heads, config_.head_dim, config_.head_dim});
  }

  void forward(step& s, activations logits) const noexcept {
    const activations x = s.scratch(config_.width);
    const rope_angles angles = rope_.angles(s, s.positions());
    embed(s, embedding_, s.ids(), x);
    for (std::size_t i = 0; i < layers_.size() && !s.cancelled(); ++i) {
      const layer& l = layers_[i];
      l.attention.forward(s, i, rope_, angles, config_.eps, normed(x, l.attention_norm, config_.eps), added_to(x));
      l.feed_forward.forward(s, glu::silu, normed(x, l.feed_forward_norm, config_.eps), added_to(x));
    }
    linear(s, normed(s.wanted(x), output_norm_, config_.eps), {{output_, logits}});
  }

 private:
  struct layer {
    std::span<const float> attention_norm;
    self_attention attention;
    std::span<const float> feed_forward_norm;
    gated_feed_forward feed_forward;
  };

  config config_;
  weight embedding_;
  std::span<const float> output_norm_;
  weight output_;
  rope rope_;
  std::vector<layer> layers_;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
