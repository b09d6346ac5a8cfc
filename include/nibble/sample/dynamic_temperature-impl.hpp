/// The definitions behind dynamic_temperature.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "nibble/core/fused.hpp"
#include "nibble/core/portable_math.hpp"
#include "nibble/sample/dynamic_temperature.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/sample/temperature.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The entropy of the softmax of two candidates or more, as a share of the most that so many can have.
inline double entropy_share(const candidates& c, float best) noexcept {
  std::uint64_t total = 0, surprises = 0;
  for (std::size_t i = 0; i < c.size(); ++i) {
    total += unnormalized_probability(c[i].logit, best);
    surprises += unnormalized_surprise(c[i].logit, best);
  }
  const double bits = portable_log2(double(total) * 0x1p-40) + double(surprises) / double(total) / ln_2;
  return std::clamp(bits / portable_log2(double(c.size())), 0.0, 1.0);
}

/// share^exponent for a share within [0, 1].
inline double power_of_share(double share, double exponent) noexcept {
  if (share == 1 || exponent == 0) return 1;
  if (share > 0) return portable_pow(share, exponent);
  return exponent > 0 ? 0 : HUGE_VAL;
}

}  // namespace detail

result<dynamic_temperature> dynamic_temperature::from_text(std::string_view value) {
  dynamic_temperature made;
  NIBBLE_TRY(detail::parse_fields(value, {{"t", &made.t}, {"range", &made.range}, {"exponent", &made.exponent}}));
  return made;
}

float dynamic_temperature::temperature_for(const candidates& c) const {
  const float best = c.empty() ? 0 : c.best().logit;
  if (c.size() < 2 || !(range > 0) || exponent != exponent || !(best > -std::numeric_limits<float>::infinity())) return t;
  const double share = detail::entropy_share(c, best), least = std::max(double(t) - double(range), 0.0);
  const double power = detail::power_of_share(share, double(exponent)), width = double(t) + double(range) - least;
  return float(power == 0 ? least : fused(width, power, least));  // the width may be infinite
}

void dynamic_temperature::operator()(candidates& c) const {
  if (c.size() > 1) temperature{temperature_for(c)}(c);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
