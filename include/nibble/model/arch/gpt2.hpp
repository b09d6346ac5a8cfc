/// gpt2: GPT-2 of OpenAI, 124M to 1.5B, and its kin.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Layer norms, learned positions, a plain feed-forward with GELU, biases everywhere. There are no positions past the context.
/// @source  Radford et al. 2019
struct gpt2 : plain_decoder {
  static constexpr std::string_view name = "gpt2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::halves, norm_kind::layer);
    c.learned_positions = true;
    c.rotate_nothing();
    c.gate = activation::gelu_tanh;
    c.biases = c.all_biases = true;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
