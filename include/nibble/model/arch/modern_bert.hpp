/// modern-bert: ModernBERT, Granite Embedding R2.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm encoder with GeGLU and norms without biases; two of three layers see a window, with a rotary base of their own.
/// The first layer's attention takes the embeddings, which are normed, as they are.
/// @source  Warner et al. 2024
struct modern_bert : decoder<> {
  static constexpr std::string_view name = "modern-bert";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h, rope_pairs::halves, norm_kind::layer);
    c.read_windows(h, 0, 3, 0);
    c.turn_windows_by(c.read_window_rope(h));
    c.see_both_ways(h);
    c.embedding_norm = "token_embd_norm", c.layer[0].mixer_normed = false;
    c.fused_gate = true;
    const auto named = h.text_or("hidden_activation", "gelu");
    if (named != "gelu" && named != "silu")
      h.reject("hidden_activation", "expected gelu or silu", nibble::detail::quoted(named));
    c.gate = named == "silu" ? activation::silu : activation::gelu_tanh;
    c.pooling.scored = pooling_config::read_scored(h, pooling::mean);
    c.pooling.between = activation::gelu_tanh, c.pooling.eps = c.eps;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
