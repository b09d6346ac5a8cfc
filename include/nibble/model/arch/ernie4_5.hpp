/// ernie4_5, ernie4_5-moe: ERNIE 4.5 of 0.3B, and with experts.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with interleaved rotary pairs and SwiGLU.
/// @source  ERNIE Team 2025, "ERNIE 4.5 Technical Report"
struct ernie4_5 : decoder<> {
  static constexpr std::string_view name = "ernie4_5";
  using decoder::decoder;

  static config read(hyperparameters& h) { return config::read(h, rope_pairs::interleaved); }
};

/// Pre-norm decoder with interleaved rotary pairs. Behind dense layers, each of some has experts and one that all tokens share.
/// @source  ERNIE Team 2025, "ERNIE 4.5 Technical Report"
struct ernie4_5_moe : mixed_expert_decoder {
  static constexpr std::string_view name = "ernie4_5-moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.router.renormalized = true;
    c.read_experts_behind_dense(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
