/// adaptive_p: tokens about as likely as a target, which moves so that a text keeps to it.
#pragma once

#include <string_view>

#include "nibble/sample/candidates.hpp"
#include "nibble/sample/own_draw.hpp"
#include "nibble/sample/parameters.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Draws one candidate, which is left alone, by the softmax of
///
///     5 - 10 * d^2 / (1 + d)      where d = |probability - wanted| / 0.3
///
/// `wanted` is 2 * target less the mean probability of the tokens that were drawn, in which each counts `decay` times as much
/// as the one behind it; it stays within [0, 1], and is the target at first. A target below 0, or NaN: nothing happens; above
/// 1: 1. A decay above 0.99: 0.99; below 0, or NaN: 0.
///
/// A step that belongs behind all others, and behind one that takes unlikely tokens away (min_p), which would have a share of
/// the draw. It uses a random number more than the draw that follows.
/// @cost    four passes
/// @source  MrJackSpade 2025; llama.cpp's adaptive-p
struct adaptive_p {
  float target = 0.55f;
  float decay = 0.9f;
  detail::own_draw drawn = {};              ///< what the step remembers
  double weighted_sum = 0, weight_sum = 0;  ///< of probabilities so far, and their weights; 0 before the first

  static constexpr std::string_view name = "adaptive_p";
  /// "target:0.55,decay:0.9", or one of these.
  static result<adaptive_p> from_text(std::string_view value);

  void operator()(candidates& c, sample_context& context);

  /// Takes note of the probability of a token that was drawn.
  void learn(double probability) noexcept;
  /// The probability that is wanted now.
  double wanted() const noexcept;
  /// The logit that a probability has at a wanted one.
  static float adapted(double probability, double wanted) noexcept;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
