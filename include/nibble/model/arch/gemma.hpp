/// gemma, gemma2, gemma3, gemma-embedding: generations, each the one before and more, and an embedder of the last.
#pragma once

#include <cmath>
#include <cstddef>
#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs and GeGLU, embeddings times sqrt(width), tied output.
/// @source  Gemma Team 2024
struct gemma : decoder<> {
  static constexpr std::string_view name = "gemma";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h);
    c.embedding_scale = std::sqrt(float(c.width));
    c.gate = activation::gelu_tanh;
    return c;
  }
};

/// Norms behind each branch, too; every second layer sees a window; soft caps.
/// @source  Gemma Team 2024, "Gemma 2"
struct gemma2 : decoder<> {
  static constexpr std::string_view name = "gemma2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = gemma::read(h);
    c.norm_branches();
    c.read_windows(h, 4096, 2);
    c.attention_softcap = h.positive_or_zero("attn_logit_softcapping", 50.0f);
    c.output_softcap = h.positive_or_zero("final_logit_softcapping", 30.0f);
    if (c.layers == 46) c.scale_scores_by_width();  // 27B
    return c;
  }
};

/// Five of six layers see a window, with a rotary base of their own; queries and keys are normed; no cap of scores. A file may
/// say that it sees in both directions, as gemma_embedding does.
/// @source  Gemma Team 2025
struct gemma3 : decoder<> {
  static constexpr std::string_view name = "gemma3";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = gemma::read(h);
    c.norm_branches();
    c.head_norms = head_norm::shared;
    c.read_windows(h, 0, 6);
    c.ropes[0].base = double(h.positive_of({"rope.freq_base", "rope.global.freq_base"}, 1e6f));
    rope_config local = c.ropes[0].unscaled();
    local.base = double(h.positive_of({"rope.freq_base_swa", "rope.local.freq_base"}, 1e4f));
    c.turn_windows_by(local);
    c.output_softcap = h.positive_or_zero("final_logit_softcapping", 0.0f);
    if (c.layers == 62) c.scale_scores_by_width();  // 27B
    if (!h.flag_or("attention.causal", true)) c.see_both_ways(h);
    return c;
  }
};

/// gemma3 that sees in both directions, within windows too.
/// @source  Vera et al. 2025, "EmbeddingGemma"
struct gemma_embedding : decoder<> {
  static constexpr std::string_view name = "gemma-embedding";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = gemma3::read(h);
    h.need("attention.sliding_window");
    if (!c.pooling.only_hidden) c.see_both_ways(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
