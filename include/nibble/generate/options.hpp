/// What a caller may say about one generation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// All have defaults: name the ones that differ.
/// @example  session.generate("Once", {.max_tokens = 64, .sampler = temperature{0.8f} | top_k{40}, .seed = 7})
struct generate_options {
  std::size_t max_tokens = 256;                 ///< 0: only reads the prompt
  any_sampler sampler = any_sampler::greedy();  ///< how each token is chosen
  std::uint64_t seed = 0;                       ///< of the random numbers: see any_sampler for what it reproduces
  /// Texts that end the generation and are not shown; empty ones do not count. The name of a control token in one, like
  /// "<|im_end|>", stands for the token as well as for its letters.
  std::vector<std::string> stop = {};
  std::vector<token> stop_tokens = {};  ///< end it as the model's own end does: no event, not in the session
  stop_token cancel = {};               ///< looked at between layers, while the prompt is read too; by schedulers between steps
  bool parse_special = false;           ///< text like "<|im_end|>" in the prompt is the control token, not its letters
  bool show_special = false;            ///< control tokens appear in the text of events
  bool speculate = true;                ///< as session_options::speculation says; the tokens are the same without
  bool logprobs = false;                ///< events carry the log probability; costs a pass over all logits
  std::size_t alternatives = 0;         ///< events carry so many of the most likely tokens; costs two passes
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
