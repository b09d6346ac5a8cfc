/// llama-embed, eurobert: decoders' layers that see in both directions.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// llama without a causal mask (Nemotron embed).
/// @source  NVIDIA 2025, "Llama-Embed-Nemotron-8B"
struct llama_embed : decoder<> {
  static constexpr std::string_view name = "llama-embed";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h, rope_pairs::interleaved);
    c.ropes[0].has_factors = true;
    c.see_both_ways(h);
    return c;
  }
};

/// llama_embed with half-split rotary pairs.
/// @source  Boizard et al. 2025, "EuroBERT"
struct eurobert : decoder<> {
  static constexpr std::string_view name = "eurobert";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = decoder_config::read(h);
    c.see_both_ways(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
