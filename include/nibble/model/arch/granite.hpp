/// granite, granite_swa: Granite 3 and 4 without experts and states.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU, whose embeddings, scores, branches and logits are scaled.
/// @source  Granite Team 2024, "Granite 3.0 Language Models"
struct granite : decoder<> {
  static constexpr std::string_view name = "granite";
  using decoder::decoder;

  /// @param   least  see decoder_config::read
  static config read(hyperparameters& h, std::size_t least = 1) {
    config c = config::read(h, rope_pairs::interleaved, norm_kind::rms, least);
    c.ropes[0].has_factors = true;
    const auto scale = [&](const char* key) {  // 0: none
      const float found = h.positive_or_zero(key, 1);
      return found > 0 ? found : 1;
    };
    c.embedding_scale = scale("embedding_scale");
    c.residual_scale = scale("residual_scale");
    c.logit_scale = 1 / scale("logit_scale");
    c.attention_scale = h.positive_or_zero("attention.scale", 0);
    if (!h.flag_or("rope.scaling.finetuned", true)) c.rotate_nothing();
    return c;
  }
};

/// Some layers see a window, some do not rotate, and each head has a sink.
struct granite_swa : decoder<> {
  static constexpr std::string_view name = "granite_swa";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = granite::read(h);
    c.sinks = true;
    c.read_windows(h, 0, 1);
    if (const auto turned = h.flags_or_none("attention.rope_pattern", c.layers)) {
      for (std::size_t i = 0; i < c.layers; ++i) {
        if (!(*turned)[i]) c.layer[i].rope = layer_config::no_rope;
      }
    }
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
