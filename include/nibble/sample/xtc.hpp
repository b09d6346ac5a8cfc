/// xtc: now and then, not the likely tokens but the least likely of them (exclude top choices).
#pragma once

#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// With this probability takes away all candidates that are at least `threshold` likely, but the last of them by
/// ranks_before(). Nothing happens where fewer than two are. A threshold above a half, which no two can reach, a probability of
/// 0 and less, and NaN: nothing.
///
/// Uses one random number a token, whatever happens.
/// @cost    three passes
/// @source  pew 2024, text-generation-webui, pull request 6335
struct xtc {
  float probability = 0.5f;
  float threshold = 0.1f;

  static constexpr std::string_view name = "xtc";
  /// "probability:0.5,threshold:0.1", or some of these.
  static result<xtc> from_text(std::string_view value);

  void operator()(candidates& c, sample_context& context) const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
