/// beam_search: the most likely answers, rather than one that is drawn.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// How beams are followed.
struct beam_options {
  std::size_t beams = 4;        ///< answers that are followed at once, and given at most
  std::size_t max_tokens = 64;  ///< of an answer
  /// An answer's score is its log probability divided by its length to the power of this, which is finite; the token that ends
  /// it counts.
  double length_penalty = 1;
  std::size_t groups = 1;  ///< that share the beams, and differ: see diversity; divides `beams`
  /// What a token loses, in log probability, for each beam of an earlier group that takes it in the same step. It only decides
  /// which are followed: scores are the model's.
  double diversity = 0.5;
  bool early_stop = false;  ///< a group ends with its last answer that it has room for; else, when none can be better
  std::vector<token> stop_tokens = {};  ///< end an answer as the model's own end does
  stop_token cancel = {};               ///< looked at between layers
};

/// One answer.
struct beam {
  std::vector<token> tokens;  ///< without the one that ends it
  std::string text;
  double logprob = 0;  ///< of all tokens together, the one that ends it included
  double score = 0;    ///< see beam_options::length_penalty
  finish reason = finish::none;
};

/// Follows several answers to a prompt, which share what they have in common and the steps of the model, and gives the best
/// that it finds, best first. The same bits for any number of threads; equal scores are in the order of ids.
/// A beam behind which the model gives nothing above -infinity ends: finish::not_a_number.
/// @param    room  of each beam: its `context`, and the `kv_bytes` of all of them
/// @errors   invalid_argument: no prompt, or a token that is not in the vocabulary; no beams, or groups that do not divide
///           them; a speculation; out_of_memory. What the model's executor throws
/// @cost     a step for all beams a token, and a sort of a few candidates of each
/// @source   Vijayakumar et al. 2016, "Diverse Beam Search"
/// @example  auto best = nibble::beam_search(model, model.tokenizer().encode("Once upon a time"), {.beams = 4});
///           show(best[0].text, best[0].score);
result<std::vector<beam>> try_beam_search(const any_model& model, std::span<const token> prompt,
                                          const beam_options& options = {}, const session_options& room = {});
#if NIBBLE_EXCEPTIONS
inline std::vector<beam> beam_search(const any_model& model, std::span<const token> prompt, const beam_options& options = {},
                                     const session_options& room = {}) {
  return try_beam_search(model, prompt, options, room).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
