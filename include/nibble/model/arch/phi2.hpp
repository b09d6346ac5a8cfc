/// phi2: Phi-1, Phi-1.5 and Phi-2.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Attention and a plain feed-forward with GELU side by side, behind one layer norm; half-split rotary pairs of the first
/// numbers of each head; biases everywhere.
/// @source  Gunasekar et al. 2023, "Textbooks Are All You Need"
struct phi2 : plain_decoder {
  static constexpr std::string_view name = "phi2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::halves, norm_kind::layer);
    c.parallel = true;
    c.feed_forward_norm = "";
    c.gate = activation::gelu_tanh;
    c.biases = c.all_biases = c.output_bias = true;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
