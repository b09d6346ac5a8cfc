/// deepseek2: DeepSeek V2, V3 and R1, Kimi K2, GLM-4.7-Flash, Mistral Large 3, and what else has this shape.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/latent_attention.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with latent attention. Behind dense layers come experts, by a softmax or a sigmoid, in groups or not, and
/// some that all tokens share, side by side as one. In some models queries grow with their positions.
/// @source  DeepSeek-AI 2024, "DeepSeek-V2", "DeepSeek-V3"
struct deepseek2 : decoder<type_list<latent_attention>, type_list<gated_feed_forward, expert_feed_forward>> {
  static constexpr std::string_view name = "deepseek2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.read_latent(h);
    c.read_query_temperature(h);
    if (h.count_or("expert_count", 0, 0, h.limits().experts) == 0) return c;
    const std::size_t blocks = c.layers + c.drafts;
    if (blocks == 47 || blocks == 48)
      c.router.by = router_spec::gating::sigmoid;  // GLM-4.7-Flash, whose first files are silent
    c.read_experts_behind_dense(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
