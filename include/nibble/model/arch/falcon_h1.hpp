/// falcon-h1: Falcon-H1, attention and Mamba-2 side by side in every layer.
#pragma once

#include <string_view>

#include "nibble/model/decoder/attention_beside.hpp"
#include "nibble/model/decoder/decoder.hpp"
#include "nibble/model/decoder/mamba2_mixer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs and SwiGLU, whose attention and recurrence read the same norm.
/// @source  Zuo et al. 2025, "Falcon-H1"
struct falcon_h1 : decoder<type_list<attention_beside<mamba2_mixer>>> {
  static constexpr std::string_view name = "falcon-h1";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.recurrent = recurrent_config::read(h);
    c.recurrent.always_normed = false;
    c.feed_forward_norm = "ffn_norm.";
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
