/// granite, granite_swa, granitemoe: Granite 3 and 4 without states.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

namespace detail {
/// What all of them have in common, those with states too. @param  least  see decoder_config::read
inline decoder_config read_granite(hyperparameters& h, std::size_t least) {
  decoder_config c = decoder_config::read(h, rope_pairs::interleaved, norm_kind::rms, least);
  c.ropes[0].has_factors = true;
  c.embedding_scale = h.factor_or("embedding_scale", 1);
  c.residual_scale = h.factor_or("residual_scale", 1);
  c.logit_scale = 1 / h.factor_or("logit_scale", 1);
  c.attention_scale = h.positive_or_zero("attention.scale", 0);
  if (!h.flag_or("rope.scaling.finetuned", true)) c.rotate_nothing();
  return c;
}
}  // namespace detail

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU, whose embeddings, scores, branches and logits are scaled.
/// @source  Granite Team 2024, "Granite 3.0 Language Models"
struct granite : decoder<> {
  static constexpr std::string_view name = "granite";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    h.need("logit_scale");
    return detail::read_granite(h, 1);
  }
};

/// Some layers see a window, some do not rotate, and each head has a sink. Feed-forwards are dense, or experts beside one that
/// all tokens may share.
/// @source  IBM 2026
struct granite_swa : mixed_expert_decoder {
  static constexpr std::string_view name = "granite_swa";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = granite::read(h);
    c.sinks = true;
    c.router.renormalized = true;
    c.read_experts_if_any(h);
    h.need("attention.sliding_window");
    c.read_windows(h, 0, 1);
    if (const auto turned = h.flags_or_none("attention.rope_pattern", c.layers, c.drafts)) {
      for (std::size_t i = 0; i < c.layers; ++i) {
        if (!(*turned)[i]) c.layer[i].rope = layer_config::no_rope;
      }
    }
    return c;
  }
};

/// granite with experts in every layer, and in some models one that all tokens share.
/// @source  Granite Team 2024, "Granite 3.0 Language Models"
struct granitemoe : expert_decoder {
  static constexpr std::string_view name = "granitemoe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = granite::read(h);
    c.router.renormalized = true;
    c.read_experts(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
