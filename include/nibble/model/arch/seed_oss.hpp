/// seed_oss: Seed-OSS 36B of ByteDance.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs and SwiGLU; queries, keys and values have biases.
/// @source  ByteDance Seed 2025
struct seed_oss : decoder<> {
  static constexpr std::string_view name = "seed_oss";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.biases = true;
    c.feed_forward_norm = "post_attention_norm";  // the norm before it
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
