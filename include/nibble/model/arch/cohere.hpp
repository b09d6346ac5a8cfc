/// command-r, cohere2: Command R, Command R+, Command R7B, Command A.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Attention and SwiGLU side by side, behind one layer norm; interleaved rotary pairs; scaled logits. The large ones norm
/// queries and keys, each head with a gain of its own.
/// @source  Cohere 2024
struct command_r : decoder<> {
  static constexpr std::string_view name = "command-r";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved, norm_kind::layer);
    c.parallel = true;
    c.feed_forward_norm = "";
    c.head_norms = head_norm::own, c.head_norms_optional = true;
    c.logit_scale = h.factor_or("logit_scale", 1);
    return c;
  }
};

/// Three of four layers see a window; the fourth sees all, and does not rotate.
/// @source  Cohere 2025, "Command A"
struct cohere2 : decoder<> {
  static constexpr std::string_view name = "cohere2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = command_r::read(h);
    c.head_norms = head_norm::none;
    for (const char* key : {"logit_scale", "attention.sliding_window"}) h.need(key);
    c.read_windows(h, 0, 4);
    c.turn_windows_alone();
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
