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
    c.embedding_scale = h.factor_or("embedding_scale", 12);
    c.residual_scale = h.factor_or("residual_scale", 1.4f / std::sqrt(float(c.layers)));
    // A divisor. Files without it were written for runtimes that divide by this, though the publisher multiplies: the order
    // of logits is the same.
    c.logit_scale = 1 / h.factor_or("logit_scale", 256 / float(c.width));
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
