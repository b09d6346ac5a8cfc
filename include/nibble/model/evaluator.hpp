/// evaluator: tokens in, logits out, for one sequence: the KV cache, the scratch memory and the position.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <stop_token>
#include <utility>

#include "nibble/error.hpp"
#include "nibble/model/step_runner.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Feeds tokens to a model, one sequence. What a session is built on; use it directly for scoring. Owned by one thread at a
/// time.
///
/// All memory is taken when it is made; feeding allocates nothing.
/// @example  auto e = nibble::evaluator<nibble::any_model>::try_create(model).value();
///           e.feed(tokens);                       // e.logits() are those after the last token
template <class Model>
class evaluator {
 public:
  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<evaluator> try_create(const Model& model, session_options options = {}) {
    auto runner = step_runner<Model>::try_create(model, options, 1);
    if (!runner) return std::move(runner).failure();
    return evaluator(model, *std::move(runner));
  }

  /// Processes tokens at the next positions, step by step; logits() are then those after the last one.
  ///
  /// Tokens that do not fit are not begun: context_full, and the sequence is as it was. A cancelled call leaves the sequence
  /// at the last whole step.
  /// @errors  none; precondition: every token is in [0, vocabulary)
  feed_outcome feed(std::span<const token> tokens, std::stop_token cancel = {}) noexcept {
    return feed_in_steps(tokens, runner_.options().prefill_chunk, false, std::move(cancel),
                         [](std::size_t, std::span<float>) {});
  }
  /// The same, with the logits after every token: on_logits(index in tokens, logits). Steps are session_options::logit_rows
  /// long.
  template <class F>
  feed_outcome feed_each(std::span<const token> tokens, F&& on_logits, std::stop_token cancel = {}) {
    return feed_in_steps(tokens, runner_.options().logit_rows, true, std::move(cancel), std::forward<F>(on_logits));
  }

  const Model& model() const noexcept { return model_; }
  std::size_t position() const noexcept { return runner_.length(0); }
  std::size_t context() const noexcept { return runner_.options().context; }
  /// The logits after the last token fed; valid until the next call.
  std::span<float> logits() noexcept { return logits_; }

  /// Bytes that are allocated: what plan() said.
  memory_plan memory() const noexcept { return runner_.memory(); }
  /// The most scratch that a step has used so far.
  std::size_t scratch_peak() const noexcept { return runner_.scratch_peak(); }

  /// Cuts the sequence back to its first `position` tokens. False, and no change, if a sliding window no longer holds what
  /// continuing there would need: then start over from 0.
  bool truncate(std::size_t position) noexcept { return runner_.truncate(0, position); }

 private:
  evaluator(const Model& model, step_runner<Model> runner) : model_(model), runner_(std::move(runner)) {}

  template <class F>
  feed_outcome feed_in_steps(std::span<const token> tokens, std::size_t prefill_chunk, bool all, std::stop_token cancel,
                             F&& on_logits) {
    if (!runner_.fits(0, tokens.size())) return feed_outcome::context_full;
    for (std::size_t i = 0; i < tokens.size();) {
      const std::size_t count = std::min(prefill_chunk, tokens.size() - i);
      const std::size_t wanted = all ? count : i + count == tokens.size() ? 1 : 0;
      token_run run{0, count, 0, 0};
      const auto [how, logits] = runner_.run(tokens.subspan(i, count), {&run, 1}, wanted, cancel);
      if (how != feed_outcome::done) return how;
      for (std::size_t row = 0; row < wanted; ++row) {
        logits_ = {logits.row(row), logits.width};
        on_logits(i + row, logits_);
      }
      i += count;
    }
    return feed_outcome::done;
  }

  Model model_;
  step_runner<Model> runner_;
  std::span<float> logits_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
