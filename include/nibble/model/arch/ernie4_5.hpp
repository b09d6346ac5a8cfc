/// ernie4_5: ERNIE 4.5 without experts.
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

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
