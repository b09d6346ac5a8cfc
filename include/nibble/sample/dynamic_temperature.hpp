/// dynamic_temperature: a temperature that is higher where the model is less certain.
#pragma once

#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Divides all logits by a temperature between t - range (at least 0) and t + range:
///
///     (t - range) + 2 * range * (entropy / most)^exponent
///
/// where `most` is the entropy of as many candidates that are equally likely. What then happens is said at `temperature`. A
/// single candidate stays as it is. A range that is not positive, and an exponent of NaN: t alone.
/// @cost    three passes
/// @source  kalomaze 2023, koboldcpp; llama.cpp's temp_ext
struct dynamic_temperature {
  float t = 0.8f;
  float range = 0.5f;
  float exponent = 1;

  static constexpr std::string_view name = "dynamic_temperature";
  /// "t:0.8,range:0.5,exponent:1", or some of these.
  static result<dynamic_temperature> from_text(std::string_view value);

  void operator()(candidates& c) const;

  /// The temperature for these candidates; t, if they are fewer than two.
  float temperature_for(const candidates& c) const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
