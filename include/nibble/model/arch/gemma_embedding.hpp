/// gemma-embedding: EmbeddingGemma.
#pragma once

#include <string_view>

#include "nibble/model/arch/gemma.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// gemma3 that sees in both directions, within windows too.
/// @source  Vera et al. 2025, "EmbeddingGemma"
struct gemma_embedding : decoder<> {
  static constexpr std::string_view name = "gemma-embedding";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = gemma3::read(h);
    c.see_both_ways(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
