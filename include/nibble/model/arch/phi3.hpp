/// phi3: Phi-3, Phi-3.5 and Phi-4, the mini ones among them.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs of the first numbers of each head, and SwiGLU; the gate stands in ffn_up.
/// Frequencies have factors, others where a session's context is longer than the model was first trained on. The window that
/// files state is not seen: the models are run without it everywhere.
/// @source  Abdin et al. 2024, "Phi-3 Technical Report"
struct phi3 : decoder<> {
  static constexpr std::string_view name = "phi3";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.ropes[0].has_factors = true;
    c.fused_gate = true;
    h.ignore("attention.sliding_window");
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
