/// minicpm: MiniCPM 1 and 2.
#pragma once

#include <cmath>
#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU, whose embeddings, branches and logits are scaled.
/// @source  Hu et al. 2024
struct minicpm : decoder<> {
  static constexpr std::string_view name = "minicpm";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.ropes[0].has_factors = true;
    const auto scale = [&](const char* key, float fallback) {  // 0: none
      const float found = h.positive_or_zero(key, fallback);
      return found > 0 ? found : 1;
    };
    c.embedding_scale = scale("embedding_scale", 12);
    c.residual_scale = scale("residual_scale", 1.4f / std::sqrt(float(c.layers)));
    c.logit_scale = 1 / scale("logit_scale", 256 / float(c.width));
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
