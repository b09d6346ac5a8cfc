/// glm4moe: GLM-4.5 and 4.6.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs of a part of each head; biases of queries, keys and values, and norms of heads
/// where a file has them. Behind dense layers come experts by a sigmoid, and one that all tokens share.
/// @source  GLM-4.5 Team 2025, "GLM-4.5"
struct glm4moe : decoder<type_list<self_attention>, type_list<gated_feed_forward, expert_feed_forward>> {
  static constexpr std::string_view name = "glm4moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.biases = true;
    c.head_norms = head_norm::shared, c.head_norms_optional = true;
    c.feed_forward_norm = "post_attention_norm";
    c.router.by = router_spec::gating::sigmoid;
    c.read_experts(h);
    c.read_expert_layers(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
