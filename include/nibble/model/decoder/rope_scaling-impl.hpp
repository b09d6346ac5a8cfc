/// What makes a rotary embedding reach past the positions that a model was trained on, as files state it: a part of
/// model/decoder/config-impl.hpp.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "nibble/core/fused.hpp"
#include "nibble/core/portable_math.hpp"
#include "nibble/model/decoder/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace arch {
namespace detail {

/// How far YaRN reaches. Its factor is at least 1: a logarithm of it becomes a factor of cosines and sines.
inline void read_yarn(hyperparameters& h, rope_config& r) {
  const float factor = h.positive_or("rope.scaling.factor", 1);
  const float times = h.positive_or_zero("rope.scaling.yarn_log_multiplier", 0);
  if (factor < 1) h.reject("rope.scaling.factor", "expected 1 or more, as YaRN has", std::to_string(factor));
  r.scale = 1 / double(factor);
  r.yarn.positions = double(r.trained);
  r.yarn.fast = double(h.positive_or("rope.scaling.yarn_beta_fast", 32));
  r.yarn.slow = double(h.positive_or("rope.scaling.yarn_beta_slow", 1));
  constexpr std::string_view mix = "rope.scaling.yarn_ext_factor";
  const float kept = h.number_or(mix, -1);  // -1 stands for no number
  if (kept < 0 && kept != -1) h.reject(mix, "expected 0 or more, or -1", std::to_string(kept));
  if (kept >= 0) r.yarn.kept = double(kept);
  const double logarithm = nibble::detail::portable_log(double(factor));
  r.magnitude = fused(0.1, logarithm, 1.0) / fused(double(times), 0.1 * logarithm, 1.0);
  // What publishers state is the whole of it, and 1 at least; below 1, it is multiplied by.
  if (!h.has("rope.scaling.yarn_attn_factor")) return;
  const auto stated = double(h.positive_or("rope.scaling.yarn_attn_factor", 1));
  r.magnitude = stated < 1 ? r.magnitude * stated : stated;
}
/// None, linear, YaRN or longrope.
inline void read_scaling(hyperparameters& h, rope_config& r, std::size_t context) {
  const auto kind = h.text_or("rope.scaling.type", "linear");
  r.trained = h.count_or("rope.scaling.original_context_length", context, 0, h.limits().context);
  if (r.trained == 0) r.trained = context;
  if (kind == "yarn") {
    read_yarn(h, r);
  } else if (kind == "linear") {
    for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
      const float factor = h.positive_or_zero(key, 0);  // 0: none
      if (factor > 0) {
        r.scale = 1 / double(factor);
        break;
      }
    }
  } else if (kind != "none" && kind != "longrope") {
    h.reject("rope.scaling.type", "expected none, linear, yarn or longrope", nibble::detail::quoted(kind));
  }
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) h.ignore(key);
  r.magnitude *= double(h.factor_or("rope.scaling.attn_factor", 1));
}

}  // namespace detail
}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
