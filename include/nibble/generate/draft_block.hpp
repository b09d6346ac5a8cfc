/// draft_block: a model guesses what it will say itself, by a block that some files have for that.
#pragma once

#include <cstddef>

#include "nibble/model/speculation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The block behind a model's layers that foretells the token after the next one (any_model::gives_drafts: qwen35 files with
/// "nextn." tensors). It costs about a layer and the output matrix a guess, and no other model. The first guess is what it was
/// trained for; the next ones it makes from its own hidden states, and they come true less often.
///
/// It begins behind the prompt, where it has seen nothing yet, and learns the context as the answer grows.
/// @errors   invalid_argument, when a session is made: the file has no such block; as an evaluator on it
/// @source   Gloeckle et al. 2024; DeepSeek-AI 2024, "DeepSeek-V3 Technical Report", section 2.2
/// @example  nibble::session session(model, {.speculation = nibble::draft_block{}});
struct draft_block {
  std::size_t guesses = 3;  ///< of a step, at most: 1 to most_guesses; each takes a row of logits
  bool always = false;      ///< see prompt_lookup

  /// For session_options::speculation.
  operator speculation() const;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
