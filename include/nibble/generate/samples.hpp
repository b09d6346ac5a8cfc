/// samples: several answers to one prompt, which is read once.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One answer.
struct sample {
  std::vector<token> tokens;
  std::string text;
  double logprob = 0;  ///< that the model gives its tokens, together; the one that ends it is not counted
  finish reason = finish::none;

  /// Of a token, by which answers of different lengths are compared; of an answer without tokens: 0.
  double mean_logprob() const noexcept { return tokens.empty() ? 0 : logprob / double(tokens.size()); }
};

/// Draws `count` answers to a prompt, which share it and the steps of the model: the i-th is what a session alone says with
/// options.seed + i. They come best first, by mean_logprob(); equal ones in the order of seeds.
/// @param    room  of each: its `context`, and the `kv_bytes` of all of them; where those are too little, the last ones end:
///                 finish::memory_full. Samples do not guess
/// @errors   invalid_argument: no prompt, a token that is not in the vocabulary, a count of 0 or above most_sequences;
///           out_of_memory. What the model's executor or a sampler throws
/// @example  const auto prompt = model.tokenizer().encode("Once");
///           auto answers = nibble::samples(model, prompt, 8, {.sampler = nibble::temperature{0.8f}});
///           show(answers.front().text);
result<std::vector<sample>> try_samples(const any_model& model, std::span<const token> prompt, std::size_t count,
                                        const generate_options& options = {}, const session_options& room = {});
#if NIBBLE_EXCEPTIONS
inline std::vector<sample> samples(const any_model& model, std::span<const token> prompt, std::size_t count,
                                   const generate_options& options = {}, const session_options& room = {}) {
  return try_samples(model, prompt, count, options, room).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
