/// mistral3: Ministral 3 and Mistral Small 3.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// A llama with YaRN, whose queries grow with their positions.
/// @source  Mistral AI 2025
struct mistral3 : decoder<> {
  static constexpr std::string_view name = "mistral3";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h, rope_pairs::interleaved);
    c.ropes[0].has_factors = true;
    c.attention_scale = h.positive_or_zero("attention.scale", 0.0f);
    c.read_query_temperature(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
