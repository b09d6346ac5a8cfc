/// bailingmoe2: Ling and Ring 2.0.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs of a part of each head, whose queries and keys are normed head by head. Behind
/// dense layers come experts by a sigmoid, in groups, and one that all tokens share.
/// @source  Ling Team 2025, "Every Activation Boosted"
struct bailingmoe2 : mixed_expert_decoder {
  static constexpr std::string_view name = "bailingmoe2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.head_norms = head_norm::shared;
    c.router.by = router_spec::gating::sigmoid;
    c.read_experts_behind_dense(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
