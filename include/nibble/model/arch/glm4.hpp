/// glm4, glm4moe: GLM-4 of 2025 (9B and 32B), GLM-4.5 to 4.7 with experts.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Norms before and behind each branch; interleaved rotary pairs of the first numbers of each head; SwiGLU, whose gate stands
/// in ffn_up.
/// @source  Team GLM 2024, "ChatGLM"
struct glm4 : decoder<> {
  static constexpr std::string_view name = "glm4";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.norm_branches();
    c.fused_gate = true;
    if (c.ropes[0].has_sections) c.ropes[0].order = rope_pairs::halves;  // models that see: their rows are ordered otherwise
    return c;
  }
};

/// Pre-norm decoder with half-split rotary pairs of a part of each head; biases of queries, keys and values, and norms of heads
/// where a file has them. Behind dense layers come experts by a sigmoid, and one that all tokens share.
/// @source  GLM-4.5 Team 2025, "GLM-4.5"
struct glm4moe : mixed_expert_decoder {
  static constexpr std::string_view name = "glm4moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.biases = true;
    c.head_norms = head_norm::shared, c.head_norms_optional = true;
    c.feed_forward_norm = "post_attention_norm";
    c.router.by = router_spec::gating::sigmoid;
    c.read_experts_behind_dense(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
