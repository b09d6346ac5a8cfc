/// muse-glimmer: Meta's Muse Glimmer of 30B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Embeddings are normed without weights; norms before and behind each branch; queries and keys are normed head by head, and a
/// gate closes what each number of a head gives. Three of four layers see a window, and they alone rotate, in interleaved
/// pairs. SwiGLU; scaled and capped logits.
/// @source  Meta 2026, "Muse Glimmer 30B"
struct muse_glimmer : decoder<> {
  static constexpr std::string_view name = "muse-glimmer";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.embedding_norm = config::unit_norm;
    c.norm_branches();
    c.post_eps = 1e-8f;
    c.head_norms = head_norm::shared;
    c.head_gates = activation::sigmoid;
    for (const char* key : {"logit_scale", "attention.sliding_window"}) h.need(key);
    c.read_windows(h, 0, 4);
    c.turn_windows_alone();
    c.logit_scale = h.factor_or("logit_scale", 1);
    c.output_softcap = h.positive_or_zero("final_logit_softcapping", 30);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
