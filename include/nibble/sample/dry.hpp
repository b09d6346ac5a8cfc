/// dry: less of what would repeat a sequence of tokens, the less the longer it is (don't repeat yourself).
#pragma once

#include <cstddef>
#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/repetitions.hpp"
#include "nibble/sample/sampler.hpp"
#include "nibble/sample/sequence_breakers.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Lowers the logit of each token that would go on with a sequence of `allowed_length` or more tokens that was said before:
///
///     logit = logit - multiplier * base^(length - allowed_length)
///
/// Only what stands behind the last breaker is a repetition, and a token that is a breaker is not lowered. No logit becomes
/// infinite. A multiplier of 0 or that is not finite, and a base below 1 or not finite: nothing happens. last_n is at most
/// 2^18.
/// @cost    O(n) in the last tokens; the first call takes 20 to 36 bytes for each
/// @source  pew 2024, text-generation-webui, pull request 5677; llama.cpp's dry
struct dry {
  float multiplier = 0.8f;
  float base = 1.75f;
  std::size_t allowed_length = 2;
  std::size_t last_n = 4096;
  sequence_breakers breakers = {};
  detail::repetitions repeated = {};  ///< what the step keeps to itself

  static constexpr std::size_t most_tokens = detail::repetitions::most_tokens;
  static constexpr std::string_view name = "dry";
  /// "multiplier:0.8,base:1.75,allowed_length:2,last_n:4096,breaker:13,breaker:198", or some of these; a breaker is an id.
  static result<dry> from_text(std::string_view value);

  void operator()(candidates& c, sample_context& context);

 private:
  float lowered(float logit, std::size_t length) const noexcept;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
