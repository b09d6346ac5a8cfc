/// stablelm: StableLM 2 and 3B.
#pragma once

#include <string_view>

#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Layer norms; half-split rotary pairs of the first numbers of each head; SwiGLU. Where layers have one norm (12B), attention
/// and feed-forward stand side by side behind it, and each head of queries and keys is normed with a gain of its own.
/// @source  Bellagente et al. 2024, "Stable LM 2 1.6B"
struct stablelm : decoder<> {
  static constexpr std::string_view name = "stablelm";
  stablelm(config c, tensor_source& t) : decoder(as_it_is(c, t), t) {}

  static config read(hyperparameters& h) {
    h.ignore("use_parallel_residual");  // as the tensors say
    config c = config::read(h, rope_pairs::halves, norm_kind::layer);
    c.head_norms = head_norm::own, c.head_norms_optional = true;
    return c;
  }

 private:
  static const config& as_it_is(config& c, const tensor_source& t) {
    if (!t.has("blk.0.ffn_norm.weight")) c.parallel = true, c.feed_forward_norm = "";
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
