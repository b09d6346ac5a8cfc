/// laguna: Poolside's Laguna XS, 33B with 3B at work.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs, whose queries and keys are normed and whose heads have gates. Three of four
/// layers see a window and rotate by a base of their own; the first of four sees all, with YaRN. Behind dense layers come
/// experts by a sigmoid, and one that all tokens share.
/// @source  Poolside 2026, "Laguna XS.2"
struct laguna : mixed_expert_decoder {
  static constexpr std::string_view name = "laguna";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.head_norms = head_norm::shared;
    c.head_gates = activation::softplus;
    c.read_windows(h, 0, 4, 0);
    c.turn_windows_by(c.read_window_rope(h, c.layer[0].key_dim));
    c.router.by = router_spec::gating::sigmoid;
    c.read_experts_behind_dense(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
