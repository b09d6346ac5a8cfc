/// What is asked of options and tokens before text is generated with them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Whether a model can generate text with these options.
/// @errors  invalid_argument; unknown_tokenizer: there is none
inline result<void> check_generates(const any_model& model, const session_options& options) {
  if (options.output != step_output::logits) {
    return error(errc::invalid_argument, "session_options::output: expected logits, from which a session chooses tokens");
  }
  if (model.makes_vectors()) return {};  // an evaluator says so
  if (!model.has_tokenizer()) {
    return error(errc::unknown_tokenizer, std::string(model.architecture_name()) +
                                              ": the file has no tokenizer, so no text can be generated; an " +
                                              "evaluator takes tokens");
  }
  for (const kv_shape& layer : model.kv()) {
    if (layer.looks_ahead) {
      return error(errc::invalid_argument,
                   std::string(model.architecture_name()) + ": tokens see what comes behind them, so no text can be generated");
    }
  }
  return {};
}

/// Whether tokens are of a vocabulary.
/// @errors  invalid_argument
inline result<void> check_tokens(std::span<const token> tokens, std::size_t vocabulary) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (static_cast<std::size_t>(tokens[i]) < vocabulary) continue;  // a negative one is huge
    return error(errc::invalid_argument, "token " + std::to_string(i) + ": expected 0 to " + std::to_string(vocabulary - 1) +
                                             ", found " + std::to_string(tokens[i]));
  }
  return {};
}

/// @errors  invalid_argument: a kind of guessing, of which sequences that advance together have no use
inline result<void> check_no_guesses(const session_options& o) {
  if (!o.speculation) return {};
  return error(errc::invalid_argument,
               "session_options::speculation: expected none, for steps that sequences share are full without");
}

/// Options of sequences that advance together: none of them guesses, or is cut back but to its beginning.
inline session_options room_of_batch(session_options o) {
  o.marks = false, o.state_interval = 0, o.forks = 0, o.speculation = {}, o.keep_hidden = false;
  return o;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
