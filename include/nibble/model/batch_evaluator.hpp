/// batch_evaluator: tokens in, logits or hidden states out, for several sequences, any mix of which shares a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

#include "nibble/core/stop_token.hpp"
#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/model/step_runner.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Feeds tokens to a model, several sequences: their keys and values are of one pool, and one step for all of them reads the
/// weights once. A sequence's logits have the same bits as if it were alone. Owned by one thread at a time.
///
/// All memory is taken when it is made; feeding allocates nothing.
/// @example  auto b = nibble::batch_evaluator::try_create(model, 2).value();
///           using enum nibble::feed_outcome;
///           bool fed = b.feed(0, question) == done && b.feed(1, other) == done;  // prompts, one after the other
///           const std::array next{entry{0, 17}, entry{1, 42}};
///           fed = fed && b.step(next) == done;   // one token each: b.logits(0), b.logits(1)
///           const std::array mixed{chunk{0, question}, chunk{1, one}};
///           fed = fed && b.step(mixed) == done;  // a part of a prompt beside a token of an answer
class batch_evaluator {
 public:
  /// One more token for a sequence.
  struct entry {
    std::size_t sequence;
    token id;
  };

  /// What a sequence goes on with: a token, or a part of a prompt.
  struct chunk {
    std::size_t sequence;
    std::span<const token> tokens;
    bool wanted = true;  ///< whether the logits after the last of them are
  };

  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<batch_evaluator> try_create(const any_model& model, std::size_t sequences, const session_options& options = {});
#if NIBBLE_EXCEPTIONS
  static batch_evaluator create(const any_model& model, std::size_t sequences, const session_options& options = {}) {
    return try_create(model, sequences, options).value();
  }
#endif
  static constexpr std::size_t most_sequences = nibble::most_sequences;

  /// Processes tokens of one sequence at its next positions, step by step; logits(0) are then those after the last one.
  ///
  /// Tokens that do not fit are not begun: context_full, and the sequence is as it was. A cancelled call leaves the sequence
  /// at the last whole step; so does memory_full.
  /// @errors  what the model's executor throws, as if cancelled; precondition: every token is in [0, vocabulary)
  feed_outcome feed(std::size_t sequence, std::span<const token> tokens, stop_token cancel = {});

  /// One token for each of some sequences, in one pass over the weights; logits(i) are then those of entries[i].
  ///
  /// If one of them is full, or finds no memory, none has been fed. A cancelled call leaves all as they were.
  /// @errors  what the model's executor throws, as if cancelled; precondition: no sequence comes twice; every token is in
  ///          [0, vocabulary)
  feed_outcome step(std::span<const entry> entries, stop_token cancel = {});
  /// The same with any number of tokens for each, of prompts and of answers: logits(i) are then those after the i-th of the
  /// chunks that want them.
  /// @errors  as above; precondition: no sequence comes twice; no chunk is empty, nor longer than tokens_of_step();
  ///          all together have no more than step_tokens() tokens, each in [0, vocabulary)
  feed_outcome step(std::span<const chunk> chunks, stop_token cancel = {});
  /// Tokens of all sequences in one step, at most: session_options::prefill_chunk, but no less than there are sequences.
  std::size_t step_tokens() const noexcept { return runner_.step_tokens(); }
  /// Those that one may take in its next step: session_options::prefill_chunk, but where it keeps heavy hitters no more than to
  /// the place where it chooses them.
  std::size_t tokens_of_step(std::size_t sequence) const NIBBLE_NOEXCEPT { return runner_.tokens_of_step(sequence); }

  /// A batch_evaluator that was moved from can only be assigned to or destroyed: precondition of all its functions.
  batch_evaluator(batch_evaluator&&) noexcept = default;
  batch_evaluator& operator=(batch_evaluator&& other) noexcept = default;

  /// After the last call; valid until the next.
  std::span<float> logits(std::size_t i) & NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(i < rows_.tokens);
    return {rows_.row(i), rows_.width};
  }

  /// How many there are, and how many tokens each has room for.
  std::size_t sequences() const noexcept { return runner_.sequences(); }
  std::size_t context() const noexcept { return runner_.options().context; }
  /// What each forgets of a text that is longer than its context; nothing where that stops.
  const sliding_context& sliding() const NIBBLE_NOEXCEPT { return runner_.sequence(0).sliding(); }
  /// Tokens that each can be fed in all: its context, or where that slides 2^31.
  std::size_t most_tokens() const NIBBLE_NOEXCEPT { return runner_.sequence(0).length() + runner_.sequence(0).room(); }
  /// With what they are where nothing was said.
  const session_options& options() const noexcept { return runner_.options(); }
  /// Tokens that a sequence holds, or has forgotten.
  std::size_t position(std::size_t sequence) const NIBBLE_NOEXCEPT { return runner_.sequence(sequence).length(); }
  /// See evaluator::mark.
  void mark(std::size_t sequence) NIBBLE_NOEXCEPT { runner_.mark(sequence); }
  /// See evaluator::resumable.
  std::size_t resumable(std::size_t sequence, std::size_t position) const NIBBLE_NOEXCEPT {
    return runner_.resumable(sequence, position);
  }
  /// Cuts a sequence back to its first `position` tokens. False, and no change, if it cannot go on from there: see resumable.
  bool truncate(std::size_t sequence, std::size_t position) NIBBLE_NOEXCEPT { return runner_.truncate(sequence, position); }
  /// Makes sequence `to` a fork of `from`: both go on on their own, and share what they have.
  /// @cost    copies no keys and values; in their next steps a page of each layer
  void fork(std::size_t from, std::size_t to) NIBBLE_NOEXCEPT { runner_.fork(from, to); }

  /// Makes an empty sequence hold the longest beginning of `tokens` that is in the prefix cache, and says how long it is: a
  /// multiple of 64, or 0. What is behind it is to be fed, one token at least where logits are wanted.
  /// @errors  none; precondition: position(sequence) == 0
  std::size_t recall(std::size_t sequence, std::span<const token> tokens) NIBBLE_NOEXCEPT {
    return runner_.recall(sequence, tokens);
  }
  /// Leaves what a sequence has processed to the prefix cache, where there is one: see session_options::prefix_cache. To be
  /// called when a step has passed a multiple of 64 tokens; states are kept where it ended at one.
  /// @param   tokens  all that the sequence holds
  /// @errors  none; precondition: tokens.size() == position(sequence)
  void remember(std::size_t sequence, std::span<const token> tokens) NIBBLE_NOEXCEPT { runner_.remember(sequence, tokens); }

  /// What the prefix cache holds, as bytes that outlive it: see saved_prefixes.
  /// @errors  what the sink says; invalid_argument: there is none; std::bad_alloc
  result<void> try_save_prefixes(byte_sink& out) const { return runner_.try_save_prefixes(out); }
  /// Adds what one of the same model and format has written, as far as there is memory that nobody has and nothing is kept in:
  /// what was used last comes first. What was made with adapters is found by those with the same.
  /// @errors  those of saved_prefixes::try_load: nothing has changed
  result<void> try_load_prefixes(std::span<const std::byte> from) { return runner_.try_load_prefixes(from); }
  /// @errors  io, too
  /// @cost    memory for the whole file until it is done
  result<void> try_load_prefixes(const std::filesystem::path& path) { return runner_.try_load_prefixes(path); }
#if NIBBLE_EXCEPTIONS
  void save_prefixes(byte_sink& out) const { try_save_prefixes(out).value(); }
  void load_prefixes(std::span<const std::byte> from) { try_load_prefixes(from).value(); }
  void load_prefixes(const std::filesystem::path& path) { try_load_prefixes(path).value(); }
#endif

  /// How much a sequence takes of session_options::adapters, in their order, instead of what the options say; 0: nothing.
  /// Others keep their bits.
  /// @errors  none; precondition: position(sequence) == 0, and there are as many scales as adapters, all finite
  void adapt(std::size_t sequence, std::span<const float> scales) NIBBLE_NOEXCEPT { runner_.adapt(sequence, scales); }

  /// Bytes of keys, values and states that sequences have now: a page that some share counts once.
  kv_pool::plan used() const NIBBLE_NOEXCEPT { return runner_.used(); }
  /// Bytes that the prefix cache alone has: sequences get them as soon as they need them.
  kv_pool::plan cached() const NIBBLE_NOEXCEPT { return runner_.cached(); }
  /// Pages of 64 positions that no sequence has, of the layers that see a window, or all of the context: 0.
  std::size_t free_pages(std::size_t window) const NIBBLE_NOEXCEPT { return runner_.free_pages(window); }
  /// Bytes that are allocated: KV for all sequences.
  memory_plan memory() const NIBBLE_NOEXCEPT { return runner_.memory(); }

 private:
  explicit batch_evaluator(step_runner runner) : runner_(std::move(runner)) {}
  feed_outcome run(std::span<const token> ids, std::size_t runs, std::span<const std::uint32_t> wanted,
                   const stop_token& cancel);

  step_runner runner_;
  activations rows_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
