/// penalties: less of what was said before.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>

#include "nibble/core/token.hpp"
#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"
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
  static result<penalties> from_text(std::string_view value) {
    penalties made;
    const auto read = [&made](std::string_view key, std::string_view number) -> result<void> {
      if (key == "repetition") return detail::parse_number(number, made.repetition);
      if (key == "frequency") return detail::parse_number(number, made.frequency);
      if (key == "presence") return detail::parse_number(number, made.presence);
      if (key == "last_n") return detail::parse_number(number, made.last_n);
      return detail::unexpected_value("repetition, frequency, presence or last_n", key);
    };
    NIBBLE_TRY(detail::for_each_pair(value, read));
    return made;
  }

  void operator()(candidates& c, sample_context& context) const {
    const std::size_t n = std::min({last_n, context.recent.size(), most_tokens});
    std::array<token, most_tokens> sorted;  // equal tokens side by side
    const auto recent = context.recent.last(n);
    const auto end = std::copy(recent.begin(), recent.end(), sorted.begin());
    std::sort(sorted.begin(), end);
    if (c.complete()) {
      for (auto run = sorted.begin(); run != end;) {
        const auto next = std::upper_bound(run, end, *run);
        if (float* logit = c.find(*run)) *logit = lowered(*logit, next - run);
        run = next;
      }
    } else {
      for (candidate& x : c) {
        const auto [first, last] = std::equal_range(sorted.begin(), end, x.id);
        if (first != last) x.logit = lowered(x.logit, last - first);
      }
    }
  }

 private:
  float lowered(float logit, std::ptrdiff_t occurrences) const noexcept {
    if (std::isfinite(repetition) && repetition > 0) logit = logit > 0 ? logit / repetition : logit * repetition;
    // in double both products are exact, so it does not matter whether the compiler fuses them with the subtractions
    const double per_occurrence = std::isfinite(frequency) ? frequency : 0, once = std::isfinite(presence) ? presence : 0;
    return float(double(logit) - per_occurrence * double(occurrences) - once);
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
