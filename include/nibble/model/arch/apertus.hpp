/// apertus: Apertus 8B and 70B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs; queries and keys are normed head by head; a plain feed-forward with xIELU,
/// whose numbers differ from layer to layer.
/// @source  Swiss AI 2025, "Apertus"
struct apertus : plain_decoder {
  static constexpr std::string_view name = "apertus";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.ropes[0].has_factors = true;
    c.head_norms = head_norm::shared;
    const auto alpha_p = h.shared_numbers("xielu.alpha_p", c.layers), alpha_n = h.shared_numbers("xielu.alpha_n", c.layers),
               beta = h.shared_numbers("xielu.beta", c.layers), eps = h.shared_numbers("xielu.eps", c.layers);
    for (std::size_t i = 0; i < c.layers; ++i) c.xielu.push_back({alpha_p[i], alpha_n[i], beta[i], eps[i]});
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
