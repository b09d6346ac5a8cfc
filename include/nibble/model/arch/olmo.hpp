/// olmo2, olmoe: OLMo 2 and 3, OLMoE.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Norms stand behind the branches alone; queries and keys are normed as a whole. Half-split rotary pairs, SwiGLU. In OLMo 3
/// most layers see a window, and rotate without what makes the others reach further.
/// @source  OLMo Team 2024, "2 OLMo 2 Furious"
struct olmo2 : decoder<> {
  static constexpr std::string_view name = "olmo2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.mixer_norm = c.feed_forward_norm = "";
    c.norm_branches();
    c.head_norms = head_norm::whole;
    c.read_windows(h, 0, 4);
    // Files with YaRN state the whole factor of cosines and sines here, and not one more.
    const float whole = h.positive_or_zero("rope.scaling.attn_factor", 0);
    if (whole > 0 && c.ropes[0].yarn.positions > 0) c.ropes[0].magnitude = double(whole);
    c.turn_windows_by(c.ropes[0].unscaled());
    return c;
  }
};

/// Pre-norm decoder with half-split rotary pairs and experts in every layer, whose shares do not add up to 1; queries and keys
/// are normed as a whole.
/// @source  Muennighoff et al. 2024, "OLMoE"
struct olmoe : expert_decoder {
  static constexpr std::string_view name = "olmoe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.head_norms = head_norm::whole;
    c.read_experts(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
