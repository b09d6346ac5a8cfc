/// olmoe: OLMoE.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs and experts in every layer, whose shares do not add up to 1; queries and keys
/// are normed as a whole.
/// @source  Muennighoff et al. 2024, "OLMoE"
struct olmoe : decoder<type_list<self_attention>, type_list<expert_feed_forward>> {
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
