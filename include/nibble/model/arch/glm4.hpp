/// glm4: GLM-4 of 2025, 9B and 32B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Norms before and behind each branch; interleaved rotary pairs of the first numbers of each head; SwiGLU, whose gate stands
/// in ffn_up.
/// @source  Team GLM 2024, "ChatGLM"
struct glm4 : decoder<> {
  static constexpr std::string_view name = "glm4";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.norm_branches();
    c.fused_gate = true;
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
