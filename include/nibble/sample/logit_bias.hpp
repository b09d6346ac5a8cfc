/// logit_bias: a caller's opinion on single tokens.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/sample/candidates.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Adds to the logits of some tokens: -infinity bans, +infinity forces. Ids that are not there, and NaN, are passed over.
/// @example  nibble::logit_bias{{{13, -2.0f}, {42, -std::numeric_limits<float>::infinity()}}}
struct logit_bias {
  std::vector<std::pair<token, float>> biases;

  static constexpr std::string_view name = "logit_bias";
  /// "13:-2,42:-inf"
  static result<logit_bias> from_text(std::string_view value);

  void operator()(candidates& c) const {
    for (const auto& [id, bias] : biases)
      if (float* logit = c.find(id); logit && bias == bias) *logit += bias;
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
