/// penalties: less of what was said before.
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/error.hpp"
#include "nibble/sample/candidates.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Lowers the logits of tokens that occur among the last ones:
///
///     logit = (logit > 0 ? logit / repetition : logit * repetition) - frequency * occurrences - presence
///
/// A repetition that is not positive, and anything that is not finite, has no effect. last_n is at most 4,096.
/// @cost    O(n log n) in the last tokens while all ids are there
/// @source  Keskar et al. 2019 (CTRL), section 4.1, for the repetition
struct penalties {
  float repetition = 1;
  float frequency = 0;
  float presence = 0;
  std::size_t last_n = 64;

  static constexpr std::size_t most_tokens = 4096;
  static constexpr std::string_view name = "penalties";
  /// "repetition:1.1,frequency:0.2,presence:0.1,last_n:64", or some of these.
  static result<penalties> from_text(std::string_view value);

  void operator()(candidates& c, sample_context& context) const;

 private:
  float lowered(float logit, std::ptrdiff_t occurrences) const noexcept;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
