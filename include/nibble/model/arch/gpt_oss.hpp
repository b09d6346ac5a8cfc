/// gpt-oss: gpt-oss of 20B and 120B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs and YaRN; every second layer sees a window; each head has a sink. Everything
/// has biases, routers and experts too, whose gates are clamped.
/// @source  OpenAI 2025, "gpt-oss-120b and gpt-oss-20b Model Card"
struct gpt_oss : expert_decoder {
  static constexpr std::string_view name = "gpt-oss";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.biases = c.sinks = c.expert_biases = true;
    c.feed_forward_norm = "post_attention_norm";
    h.need("attention.sliding_window");
    c.read_windows(h, 0, 2);
    c.gate = activation::silu_clamped;
    c.router.by = router_spec::gating::softmax_of_used;
    c.read_experts(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
