/// smollm3: SmolLM3 3B of Hugging Face.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU; every fourth layer does not rotate.
/// @source  Yang et al. 2025, "Rope to Nope and Back Again"
struct smollm3 : decoder<> {
  static constexpr std::string_view name = "smollm3";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    for (std::size_t i = 3; i < c.layer.size(); i += 4) c.layer[i].rope = layer_config::no_rope;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
