/// batch_evaluator: tokens in, logits out, for several sequences that advance together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/model/step_runner.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Feeds tokens to a model, several sequences: each has a KV cache of its own, and one step for all of them reads the weights
/// once. A sequence's logits have the same bits as if it were alone. Owned by one thread at a time.
///
/// All memory is taken when it is made; feeding allocates nothing.
/// @example  auto b = nibble::batch_evaluator<nibble::any_model>::try_create(model, 2).value();
///           b.feed(0, question), b.feed(1, other);  // prompts, one after the other
///           const std::array next{entry{0, 17}, entry{1, 42}};
///           b.step(next);                           // one token each: b.logits(0), b.logits(1)
template <class Model>
class batch_evaluator {
 public:
  /// One more token for a sequence.
  struct entry {
    std::size_t sequence;
    token id;
  };

  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<batch_evaluator> try_create(const Model& model, std::size_t sequences, session_options options = {}) {
    if (sequences == 0 || sequences > most_sequences) {
      return error(errc::invalid_argument, "batch_evaluator: expected 1 to " + std::to_string(most_sequences) +
                                               " sequences, found " + std::to_string(sequences));
    }
    auto runner = step_runner<Model>::try_create(model, options, sequences);
    if (!runner) return std::move(runner).failure();
    return batch_evaluator(*std::move(runner));
  }
  static constexpr std::size_t most_sequences = 4096;

  /// Processes tokens of one sequence at its next positions, step by step; logits(0) are then those after the last one.
  ///
  /// Tokens that do not fit are not begun: context_full, and the sequence is as it was. A cancelled call leaves the sequence
  /// at the last whole step.
  /// @errors  none; precondition: every token is in [0, vocabulary)
  feed_outcome feed(std::size_t sequence, std::span<const token> tokens, std::stop_token cancel = {}) noexcept {
    if (!runner_.fits(sequence, tokens.size())) return feed_outcome::context_full;
    for (std::size_t i = 0; i < tokens.size();) {
      const std::size_t count = std::min(runner_.options().prefill_chunk, tokens.size() - i);
      runs_[0] = {0, count, 0, sequence};
      const auto how = run(tokens.subspan(i, count), 1, i + count == tokens.size() ? 1 : 0, cancel);
      if (how != feed_outcome::done) return how;
      i += count;
    }
    return feed_outcome::done;
  }

  /// One token for each of some sequences, in one pass over the weights; logits(i) are then those of entries[i].
  ///
  /// If one of them is full, none has been fed. A cancelled call leaves all as they were.
  /// @errors  none; precondition: no sequence comes twice; every token is in [0, vocabulary)
  feed_outcome step(std::span<const entry> entries, std::stop_token cancel = {}) noexcept {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!runner_.fits(entries[i].sequence, 1)) return feed_outcome::context_full;
      runs_[i] = {i, 1, 0, entries[i].sequence};
      ids_[i] = entries[i].id;
    }
    return run(std::span(ids_).first(entries.size()), entries.size(), entries.size(), std::move(cancel));
  }

  /// After the last call; valid until the next.
  std::span<float> logits(std::size_t i) noexcept { return {logits_.row(i), logits_.width}; }

  std::size_t sequences() const noexcept { return runner_.sequences(); }
  std::size_t context() const noexcept { return runner_.options().context; }
  /// Tokens that a sequence holds.
  std::size_t position(std::size_t sequence) const noexcept { return runner_.length(sequence); }
  /// Cuts a sequence back to its first `position` tokens. False, and no change, if a sliding window no longer holds what
  /// continuing there would need: then start over from 0.
  bool truncate(std::size_t sequence, std::size_t position) noexcept { return runner_.truncate(sequence, position); }

  /// Bytes that are allocated: KV for all sequences.
  memory_plan memory() const noexcept { return runner_.memory(); }

 private:
  explicit batch_evaluator(step_runner<Model> runner)
      : runner_(std::move(runner)), runs_(runner_.sequences()), ids_(runner_.sequences()) {}

  feed_outcome run(std::span<const token> ids, std::size_t runs, std::size_t wanted, std::stop_token cancel) noexcept {
    const auto [how, logits] = runner_.run(ids, std::span(runs_).first(runs), wanted, std::move(cancel));
    if (how == feed_outcome::done) logits_ = logits;
    return how;
  }

  step_runner<Model> runner_;
  std::vector<token_run> runs_;
  std::vector<token> ids_;
  activations logits_{};
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
