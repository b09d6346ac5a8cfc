/// gptneox: GPT-NeoX and Pythia.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Layer norms; half-split rotary pairs of the first numbers of each head; a plain feed-forward with GELU, beside attention or
/// behind it as the file says, with a norm of its own; biases everywhere.
/// @source  Black et al. 2022, "GPT-NeoX-20B"
struct gptneox : plain_decoder {
  static constexpr std::string_view name = "gptneox";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::halves, norm_kind::layer);
    c.parallel = h.flag("use_parallel_residual");
    c.gate = activation::gelu_tanh;
    c.biases = c.all_biases = true;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
