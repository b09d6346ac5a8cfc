/// exaone4: EXAONE 4, 1.2B and 32B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Norms stand behind the branches alone; queries and keys are normed head by head. Half-split rotary pairs, SwiGLU. In the
/// 32B three of four layers see a window, and they alone rotate.
/// @source  LG AI Research 2025, "EXAONE 4.0"
struct exaone4 : decoder<> {
  static constexpr std::string_view name = "exaone4";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.ropes[0].has_factors = true;
    c.mixer_norm = c.feed_forward_norm = "";
    c.norm_branches();
    c.head_norms = head_norm::shared;
    if (c.layers == 64) {  // 32B
      c.read_windows(h, 4096, 4);
      c.turn_windows_alone();
    }
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
