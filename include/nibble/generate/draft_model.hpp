/// draft_model: a smaller model guesses what a larger one will say.
#pragma once

#include <cstddef>

#include "nibble/model/any_model.hpp"
#include "nibble/model/speculation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A model of the same vocabulary says its most likely tokens, as far as it is sure. It reads no more than the last tokens of
/// what was there before it is asked first, so that it costs little where it is of no use.
///
/// A guess is taken where it is the token that the session's own sampler draws from its own logits. The rule of the sources, to
/// take it with probability min(1, p / q), takes more of them at a temperature, and says other tokens of the same distribution.
/// @errors   invalid_argument, when a session is made: its vocabulary is another, or it makes no text; as an evaluator on it
/// @source   Leviathan et al. 2023; Chen et al. 2023, "Accelerating Large Language Model Decoding with Speculative Sampling"
/// @example  nibble::session session(large, {.speculation = nibble::draft_model{small}});
struct draft_model {
  any_model model;
  std::size_t guesses = 7;  ///< of a step, at most: 1 to most_guesses; each takes a row of logits
  bool always = false;      ///< see prompt_lookup

  /// For session_options::speculation.
  operator speculation() const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
