/// gemma, gemma2, gemma3: one forward pass, whose variants are data.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/layers/embedding.hpp"
#include "nibble/model/arch/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// What tells the three generations apart.
struct gemma_config : decoder_config {
  bool post_norms = false;    ///< branch outputs are normed before they are added (2, 3)
  bool head_norms = false;    ///< queries and keys are normed head by head (3)
  std::size_t window = 0;     ///< of local layers; 0: every layer is global
  std::size_t period = 1;     ///< the last of each `period` layers is global
  float local_rope_base = 0;  ///< of local layers, unscaled; 0: as global ones
  float attention_softcap = 0, output_softcap = 0;
  bool scale_by_width = false;  ///< scores / sqrt(width / heads), the largest models only, instead of sqrt(head_dim)

  bool local(std::size_t layer) const noexcept { return window > 0 && layer % period < period - 1; }
};

/// Pre-norm decoder with half-split rotary pairs, GeGLU, embeddings times sqrt(width), tied output. Generations 2 and 3 add
/// sliding windows on most layers and norms after each branch.
/// @source  Gemma Team 2024 (1, 2), 2025 (3)
class gemma_decoder {
 public:
  gemma_decoder(const gemma_config& c, tensor_source& t)
      : config_(c),
        embedding_(t.matrix("token_embd.weight", c.vocabulary, c.width)),
        output_norm_(t.vector("output_norm.weight", c.width)),
        output_(t.has("output.weight") ? t.matrix("output.weight", c.vocabulary, c.width) : embedding_),
        global_rope_(c.head_dim, c.rope_base, c.rope_scale, rope_pairs::halves),
        local_rope_(c.head_dim, c.local_rope_base > 0 ? c.local_rope_base : c.rope_base,
                    c.local_rope_base > 0 ? 1.0 : double(c.rope_scale), rope_pairs::halves) {
    for (std::size_t i = 0; i < c.layers; ++i) {
      const auto at = layer_prefix(i);
      layers_.push_back({t.vector(at + "attn_norm.weight", c.width),
                         self_attention(c, t, at),
                         {},
                         t.vector(at + "ffn_norm.weight", c.width),
                         gated_feed_forward(c, t, at),
                         {}});
      layer& l = layers_.back();
      l.attention.spec.window = c.local(i) ? c.window : 0;
      l.attention.spec.softcap = c.attention_softcap;
      if (c.scale_by_width) l.attention.spec.scale = 1 / std::sqrt(float(c.width) / float(c.heads));
      if (c.head_norms) {
        l.attention.q_norm = t.vector(at + "attn_q_norm.weight", c.head_dim);
        l.attention.k_norm = t.vector(at + "attn_k_norm.weight", c.head_dim);
      }
      if (c.post_norms) {
        l.attention_post_norm = t.vector(at + "post_attention_norm.weight", c.width);
        l.feed_forward_post_norm = t.vector(at + "post_ffw_norm.weight", c.width);
      }
    }
  }

  std::vector<kv_shape> kv() const {
    std::vector<kv_shape> shapes;
    for (std::size_t i = 0; i < config_.layers; ++i) {
      shapes.push_back({config_.kv_heads, config_.head_dim, config_.head_dim, config_.local(i) ? config_.window : 0});
    }
    return shapes;
  }

  void forward(step& s, activations logits) const noexcept {
    const activations x = s.scratch(config_.width), h = s.scratch(config_.width);
    const layer_output branch = config_.post_norms ? layer_output(h) : added_to(x);
    const rope_angles global = global_rope_.angles(s, s.positions()), local = local_rope_.angles(s, s.positions());
    embed(s, embedding_, s.ids(), x);
    scale(s, x, std::sqrt(float(config_.width)));
    for (std::size_t i = 0; i < layers_.size() && !s.cancelled(); ++i) {
      const layer& l = layers_[i];
      const bool windowed = config_.local(i);
      l.attention.forward(s, i, windowed ? local_rope_ : global_rope_, windowed ? local : global, config_.eps,
                          normed(x, l.attention_norm, config_.eps), branch);
      if (config_.post_norms) add_normed(s, x, h, l.attention_post_norm, config_.eps);
      l.feed_forward.forward(s, glu::gelu_tanh, normed(x, l.feed_forward_norm, config_.eps), branch);
      if (config_.post_norms) add_normed(s, x, h, l.feed_forward_post_norm, config_.eps);
    }
    linear(s, normed(s.wanted(x), output_norm_, config_.eps), {{output_, logits}});
    softcap(s, logits, config_.output_softcap);
  }

 private:
  struct layer {
    std::span<const float> attention_norm;
    self_attention attention;
    std::span<const float> attention_post_norm, feed_forward_norm;
    gated_feed_forward feed_forward;
    std::span<const float> feed_forward_post_norm;
  };

  gemma_config config_;
  weight embedding_;
  std::span<const float> output_norm_;
  weight output_;
  rope global_rope_, local_rope_;
  std::vector<layer> layers_;
};

/// Gemma 1: every layer global, no extra norms.
class gemma : public gemma_decoder {
 public:
  static constexpr std::string_view name = "gemma";
  struct config : gemma_config {
    static config read(hyperparameters& h) {
      config c{};
      static_cast<decoder_config&>(c) = decoder_config::read(h);
      return c;
    }
  };
  gemma(const config& c, tensor_source& t) : gemma_decoder(c, t) {}
};

/// Gemma 2: every second layer local, soft caps.
class gemma2 : public gemma_decoder {
 public:
  static constexpr std::string_view name = "gemma2";
  struct config : gemma_config {
    static config read(hyperparameters& h) {
      config c{};
      static_cast<decoder_config&>(c) = decoder_config::read(h);
      c.post_norms = true;
      c.window = h.count_or("attention.sliding_window", 4096, 0, h.limits().context);
      c.period = h.count_or("attention.sliding_window_pattern", 2, 1, h.limits().layers);
      c.attention_softcap = h.positive_or("attn_logit_softcapping", 50.0f);
      c.output_softcap = h.positive_or("final_logit_softcapping", 30.0f);
      c.scale_by_width = c.layers == 46;  // 27B
      return c;
    }
  };
  gemma2(const config& c, tensor_source& t) : gemma_decoder(c, t) {}
};

/// Gemma 3: five of six layers local with a rotary base of their own, norms of queries and keys.
class gemma3 : public gemma_decoder {
 public:
  static constexpr std::string_view name = "gemma3";
  struct config : gemma_config {
    static config read(hyperparameters& h) {
      config c{};
      static_cast<decoder_config&>(c) = decoder_config::read(h);
      c.post_norms = c.head_norms = true;
      c.window = h.count_or("attention.sliding_window", 0, 0, h.limits().context);
      c.period = h.count_or("attention.sliding_window_pattern", 6, 1, h.limits().layers);
      c.local_rope_base = h.positive_or("rope.freq_base_swa", 10000.0f);
      c.output_softcap = h.positive_or("final_logit_softcapping", 0.0f);
      c.scale_by_width = c.layers == 62;  // 27B
      return c;
    }
  };
  gemma3(const config& c, tensor_source& t) : gemma_decoder(c, t) {}
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
