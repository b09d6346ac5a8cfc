/// check_generates: whether a model can generate text with these options.
#pragma once

#include <string>

#include "nibble/error.hpp"
#include "nibble/kv/shape.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

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

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
