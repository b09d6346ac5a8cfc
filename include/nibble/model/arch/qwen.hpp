/// qwen2, qwen2moe, qwen3, qwen3moe: the Qwen models from 2 on; qwen2vl, qwen3vl, qwen3vlmoe: those that see, as far as they
/// read.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs and SwiGLU; queries, keys and values have biases, in all layers or in none.
/// @source  Qwen Team 2024, "Qwen2 Technical Report"
struct qwen2 : decoder<> {
  static constexpr std::string_view name = "qwen2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h);
    c.biases = c.biases_optional = true;
    return c;
  }
};

/// Qwen 2 with experts in every layer, and one that all tokens share, weighed by a gate of its own.
/// @source  Qwen Team 2024, "Qwen1.5-MoE"
struct qwen2moe : expert_decoder {
  static constexpr std::string_view name = "qwen2moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = qwen2::read(h);
    c.read_experts(h);
    if (!h.has("expert_feed_forward_length")) c.expert_hidden /= c.router.used;
    if (c.shared_hidden == 0) c.shared_hidden = c.layer[0].hidden;
    c.shared_share = true;
    return c;
  }
};

/// No biases; queries and keys are normed head by head instead. Rerankers score the last token.
/// @source  Qwen Team 2025, "Qwen3 Technical Report"
struct qwen3 : decoder<> {
  static constexpr std::string_view name = "qwen3";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h);
    c.head_norms = head_norm::shared;
    c.pooling.scored = pooling_config::read_scored(h, pooling::last), c.pooling.probabilities = true;
    return c;
  }
};

/// Qwen 2 VL and 2.5 VL. Positions in pictures have sections of their own; those of text are alike in all of them.
/// @source  Qwen Team 2024, "Qwen2-VL"
struct qwen2vl : qwen2 {
  static constexpr std::string_view name = "qwen2vl";
  using qwen2::qwen2;
};
/// Qwen 3 VL, likewise.
/// @source  Qwen Team 2025, "Qwen3-VL Technical Report"
struct qwen3vl : qwen3 {
  static constexpr std::string_view name = "qwen3vl";
  using qwen3::qwen3;
};

/// Qwen 3 with experts in every layer.
/// @source  Qwen Team 2025, "Qwen3 Technical Report"
struct qwen3moe : expert_decoder {
  static constexpr std::string_view name = "qwen3moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = qwen3::read(h);
    c.router.renormalized = true;
    c.read_experts(h);
    return c;
  }
};

/// The text part of Qwen 3 VL with experts: positions of text have one number, so all sections rotate alike.
/// @source  Qwen Team 2025, "Qwen3-VL Technical Report"
struct qwen3vlmoe : qwen3moe {
  static constexpr std::string_view name = "qwen3vlmoe";
  using qwen3moe::qwen3moe;
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
