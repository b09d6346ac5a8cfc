/// Definitions of model/decoder/short_convolution.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/short_convolution.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

short_convolution::short_convolution(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const std::string at = layer_prefix(layer) + "shortconv.";
  input_ = t.matrix(at + "in_proj.weight", 3 * c.width, c.width);
  convolution_ = {t.columns(at + "conv.weight", c.width, c.recurrent.taps), {}, c.recurrent.taps};
  output_ = t.matrix(at + "out_proj.weight", c.width, c.width);
}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
