/// score: how likely a model finds a text, token by token.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a model gives a text.
struct text_score {
  std::vector<token> tokens;
  std::vector<float> logprobs;  ///< of each token, behind those before it; NaN of the first, behind which there is nothing

  /// The sum of all but the first.
  double total() const noexcept;
  /// e to the mean surprise of a token; NaN of less than two tokens.
  double perplexity() const noexcept;
};

/// Scores tokens, or the text that they are encoded from, as a session would begin with it.
/// @param    room  of the evaluator that reads them; context 0: as many positions as there are tokens
/// @errors   invalid_argument: a token that is not in the vocabulary, a model that makes no text, more tokens than the context;
///           out_of_memory
/// @cost     a prefill, and a pass over the logits of each token
/// @example  const double p = nibble::score(model, "The capital of France is Paris.").perplexity();
result<text_score> try_score(const any_model& model, std::span<const token> tokens, const session_options& room = {});
result<text_score> try_score(const any_model& model, std::string_view text, const session_options& room = {});
#if NIBBLE_EXCEPTIONS
inline text_score score(const any_model& model, std::span<const token> tokens, const session_options& room = {}) {
  return try_score(model, tokens, room).value();
}
inline text_score score(const any_model& model, std::string_view text, const session_options& room = {}) {
  return try_score(model, text, room).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
