/// falcon: Falcon 7B and 40B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Attention and a plain feed-forward with GELU side by side, behind layer norms: one for both, or one for each (40B).
/// Half-split rotary pairs; no biases but those of norms.
/// @source  Almazrouei et al. 2023, "The Falcon Series of Open Language Models"
struct falcon : plain_decoder {
  static constexpr std::string_view name = "falcon";
  falcon(config c, tensor_source& t) : decoder(with_norms(c, t), t) {}

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::halves, norm_kind::layer);
    c.rotate_whole_heads(h);
    c.parallel = true;
    c.feed_forward_norm = "";
    c.gate = activation::gelu_tanh;
    return c;
  }

 private:
  static const config& with_norms(config& c, const tensor_source& t) {
    if (t.has("blk.0.attn_norm_2.weight")) c.mixer_norm = "attn_norm_2", c.feed_forward_norm = "attn_norm";
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
