/// arcee: AFM 4.5B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and a plain feed-forward with squared ReLU.
/// @source  Arcee AI 2025
struct arcee : plain_decoder {
  static constexpr std::string_view name = "arcee";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.ropes[0].has_factors = true;
    c.gate = activation::relu_squared;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
