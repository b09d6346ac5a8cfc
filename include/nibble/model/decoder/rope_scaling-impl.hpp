/// What files state of a rotary embedding beside its base: what makes it reach past the positions that a model was trained on,
/// and sections of pairs. A part of model/decoder/config-impl.hpp.
#pragma once

#include <cstddef>
#include <numeric>
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

/// Pairs of each section: of the fourth, text has the position 0, so it would not turn them.
inline void read_sections(hyperparameters& h, rope_config& r) {
  constexpr std::string_view key = "rope.dimension_sections";
  if (!h.has(key)) return;
  const std::size_t pairs = r.dimensions / 2, count = h.elements(key);
  if (count == 0 || count > 4) {
    return h.reject(key, "expected an array of 1 to 4 counts", count == 0 ? "none" : std::to_string(count));
  }
  const auto wide = h.counts(key, count, 0, pairs);
  const std::size_t sum = std::accumulate(wide.begin(), wide.end(), std::size_t{0});
  if (sum > pairs) h.reject(key, "expected at most " + std::to_string(pairs) + " pairs together", std::to_string(sum));
  if (count == 4 && wide[3] > 0) h.reject(key, "expected 0 pairs in the fourth section", std::to_string(wide[3]));
  r.has_sections = count > 1 && wide[0] > 0 && wide[1] > 0;
}

}  // namespace detail
}  // namespace arch
}  // namespace NIBBLE_ABI
}  // namespace nibble
