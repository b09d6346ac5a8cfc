/// Definitions of model/decoder/alternating_updates.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <string>

#include "nibble/model/decoder/alternating_updates.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {

alternating_updates::alternating_updates(const decoder_config& c, std::size_t layer, tensor_source& t) {
  const std::string at = layer_prefix(layer) + "altup_";
  router_ = t.matrix(at + "router.weight", count, c.width);
  predict_ = t.matrix(at + "predict_coef.weight", count * count, count);
  correct_ = t.matrix(at + "correct_coef.weight", count, count);
  norm_ = {t.vector(at + "router_norm.weight", c.width), {}, c.eps, c.norm};
  output_scale_ = t.vector(at + "correct_scale.weight", c.width);
}

parallel_streams::parallel_streams(const decoder_config& c, tensor_source& t)
    : to_(t.stack("altup_proj.weight", alternating_updates::count - 1, c.width, c.width)),
      from_(t.stack("altup_unembd_proj.weight", alternating_updates::count - 1, c.width, c.width)) {}

}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
