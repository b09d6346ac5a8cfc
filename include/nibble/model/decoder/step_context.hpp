/// step_context: what a decoder computes once a step for all of its layers.
#pragma once

#include <span>

#include "nibble/layers/rope.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Rotary embeddings by their index in decoder_config::ropes.
struct step_context {
  std::span<const rope> ropes;
  std::span<const rope_angles> angles;  ///< of each rope, (tokens, pairs)
  activations query_scales = {};        ///< (tokens, 1), where decoder_config::query_temperature is not 0
  /// Where step::forgets(): angles at step::near_positions().
  std::span<const rope_angles> near_angles = {};
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
