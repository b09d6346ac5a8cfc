/// hunyuan-dense, hunyuan-moe: Hunyuan of 0.5B to 7B, and A13B.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nibble/core/portable_math.hpp"
#include "nibble/model/decoder/decoder.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

/// Pre-norm decoder with half-split rotary pairs and SwiGLU; queries and keys are normed head by head, behind the rotation.
/// @source  Tencent 2025, "Hunyuan"
struct hunyuan_dense : decoder<> {
  static constexpr std::string_view name = "hunyuan-dense";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = config::read(h);
    c.head_norms = head_norm::shared, c.head_norms_behind_rope = true;
    if (const float alpha = h.positive_or_zero("rope.scaling.alpha", 0); alpha > 0) {
      const std::size_t dim = c.ropes[0].dimensions;
      if (dim <= 2) h.reject("rope.dimension_count", "expected more than 2, where alpha scales the base", std::to_string(dim));
      c.ropes[0].base *= nibble::detail::portable_pow(double(alpha), double(dim) / (double(dim) - 2));
    }
    return c;
  }
};

/// hunyuan-dense with experts in every layer, and one that all tokens share.
/// @source  Tencent 2025, "Hunyuan-A13B"
struct hunyuan_moe : expert_decoder {
  static constexpr std::string_view name = "hunyuan-moe";
  using decoder::decoder;

  static config read(hyperparameters& h) {
    config c = hunyuan_dense::read(h);
    c.router.renormalized = true;
    c.read_experts(h);
    return c;
  }
};

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
