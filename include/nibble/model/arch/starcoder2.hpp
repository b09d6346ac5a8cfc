/// starcoder2: StarCoder2.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Layer norms; half-split rotary pairs; a plain feed-forward with GELU; biases everywhere. The window that files state is not
/// seen: the models are run without it everywhere.
/// @source  Lozhkov et al. 2024, "StarCoder 2 and The Stack v2"
struct starcoder2 : plain_decoder {
  static constexpr std::string_view name = "starcoder2";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::halves, norm_kind::layer);
    c.gate = activation::gelu_tanh;
    c.biases = c.all_biases = true;
    h.ignore("attention.sliding_window");
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
