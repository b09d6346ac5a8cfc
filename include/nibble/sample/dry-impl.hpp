/// The definitions behind dry.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/fused.hpp"
#include "nibble/core/portable_math.hpp"
#include "nibble/sample/dry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<dry> dry::from_text(std::string_view value) {
  dry made;
  std::vector<token> single;
  NIBBLE_TRY(detail::parse_fields(value, {{"multiplier", &made.multiplier},
                                          {"base", &made.base},
                                          {"allowed_length", &made.allowed_length},
                                          {"last_n", &made.last_n},
                                          {"breaker", &single}}));
  std::vector<std::vector<token>> sequences;
  for (const token id : single) sequences.push_back({id});
  made.breakers = sequence_breakers(std::move(sequences));
  return made;
}

void dry::operator()(candidates& c, sample_context& context) {
  if (multiplier == 0 || !std::isfinite(multiplier) || !(base >= 1) || !std::isfinite(base)) return;
  const std::size_t room = std::min(last_n, most_tokens), n = std::min(room, context.recent.size());
  repeated.reserve(room);
  if (n <= allowed_length) return;
  const auto recent = context.recent.last(n);
  const std::size_t most = breakers.tokens_behind(recent);
  if (most < allowed_length) return;
  repeated.find(recent, allowed_length, most);
  if (repeated.empty()) return;
  if (c.complete()) {
    repeated.for_each([&](token id, std::size_t length) {
      if (float* logit = c.find(id); logit && !breakers.contains(id)) *logit = lowered(*logit, length);
    });
  } else {
    std::size_t length = 0;
    for (candidate& x : c)
      if (repeated.contains(x.id, length) && !breakers.contains(x.id)) x.logit = lowered(x.logit, length);
  }
}

float dry::lowered(float logit, std::size_t length) const noexcept {
  if (!std::isfinite(logit)) return logit;
  constexpr double most = std::numeric_limits<float>::max();
  const double power = detail::portable_pow(double(base), double(length - allowed_length));
  return float(std::clamp(fused(-double(multiplier), std::min(power, 1e300), double(logit)), -most, most));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
