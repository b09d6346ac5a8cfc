/// evaluator: tokens in, logits or hidden states out, for one sequence. What a session is built on; use it directly for
/// scoring.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

#include "nibble/core/stop_token.hpp"
#include "nibble/error.hpp"
#include "nibble/file/byte_sink.hpp"
#include "nibble/kv/saved_sequence.hpp"
#include "nibble/model/step_runner.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Feeds tokens to a model, one sequence. Owned by one thread at a time.
///
/// All memory is taken when it is made; feeding allocates nothing.
/// @example  auto e = nibble::evaluator::try_create(model).value();
///           if (e.feed(tokens) == nibble::feed_outcome::done) use(e.logits());  // those after the last token
class evaluator {
 public:
  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<evaluator> try_create(const any_model& model, const session_options& options = {});
#if NIBBLE_EXCEPTIONS
  static evaluator create(const any_model& model, const session_options& options = {}) {
    return try_create(model, options).value();
  }
#endif

  /// Processes tokens at the next positions, step by step; logits() are then those after the last one.
  ///
  /// Tokens that do not fit are not begun: context_full, and the sequence is as it was. So is more text for a model whose
  /// tokens see what comes behind them: all of it goes in at once. A cancelled call leaves the sequence at the last whole step;
  /// so does memory_full.
  /// @errors  what the model's executor throws: the sequence is at the last whole step, too; precondition: every token is in
  ///          [0, vocabulary); session_options::output is not step_output::draft
  feed_outcome feed(std::span<const token> tokens, stop_token cancel = {});
  /// The same, with the output of every token: on_row(index in tokens, row). Steps are session_options::output_rows long.
  /// @errors  what on_row and the executor throw; precondition: those of feed()
  template <class F>
  feed_outcome feed_each(std::span<const token> tokens, F&& on_row, stop_token cancel = {});
  /// The same, with the outputs of some tokens. @param wanted  indices in `tokens`, each larger than the one before
  /// @errors  those of feed_each()
  template <class F>
  feed_outcome feed_some(std::span<const token> tokens, std::span<const std::uint32_t> wanted, F&& on_row,
                         stop_token cancel = {});

  /// Drafts: of an evaluator with step_output::draft. Token t + 1 and the hidden state of token t, which another evaluator
  /// gives (step_output::hidden), foretell token t + 2: on_row(index in tokens, logits). Steps are session_options::output_rows
  /// long.
  /// @shape   hidden (tokens, model().width()): row i belongs to the token before tokens[i]
  /// @errors  what on_row and the executor throw; precondition: see above
  template <class F>
  feed_outcome draft_each(std::span<const token> tokens, std::span<const float> hidden, F&& on_row, stop_token cancel = {});

  /// One step of drafts, of which logits() are then those behind the last token. What hidden() is then may be fed with a token
  /// that was drafted, for a draft of the one behind that.
  /// @shape   hidden (tokens, model().width())
  /// @errors  what the executor throws; precondition: those of draft_each(), and 1 to session_options::prefill_chunk tokens
  feed_outcome draft(std::span<const token> tokens, std::span<const float> hidden, stop_token cancel = {});

  /// An evaluator that was moved from can only be assigned to or destroyed: precondition of all its functions.
  evaluator(evaluator&&) noexcept = default;
  evaluator& operator=(evaluator&& other) noexcept = default;

  /// The model that it runs.
  const any_model& model() const& NIBBLE_NOEXCEPT { return runner_.model(); }
  const any_model& model() const&& = delete;
  /// Tokens that it was fed, those included that a sliding context has forgotten.
  std::size_t position() const NIBBLE_NOEXCEPT { return runner_.sequence(0).length(); }
  /// What it forgets of a text that is longer than its context; nothing where that stops. Of heavy hitters, how much.
  const sliding_context& sliding() const NIBBLE_NOEXCEPT { return runner_.sequence(0).sliding(); }
  const heavy_hitters& hitters() const NIBBLE_NOEXCEPT { return runner_.sequence(0).hitters(); }
  std::size_t context() const noexcept { return runner_.options().context; }
  /// With what they are where nothing was said.
  const session_options& options() const noexcept { return runner_.options(); }
  /// What its keys and values depend on beside its tokens: the model, and adapters.
  std::uint64_t fingerprint() const NIBBLE_NOEXCEPT { return runner_.fingerprint(0); }
  /// The output of the last token fed: its logits, or its hidden state, see session_options::output. Valid until the next call.
  std::span<float> logits() & noexcept { return last_row_; }
  /// The i-th output of the last step, where some were asked for: see feed_some, of which a step is
  /// session_options::output_rows long. Valid until the next call.
  /// @errors  none; precondition: the last step had so many
  std::span<float> output(std::size_t i) & NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(i < rows_.tokens);
    return row(i);
  }
  /// The hidden states of the outputs of the last step: see session_options::keep_hidden. Without rows where there are none.
  /// Valid until the next call.
  activations hidden() const noexcept { return runner_.hidden(); }

  /// Another evaluator, which goes on from the same place: it shares keys, values and states, and has the same logits().
  /// @errors  out_of_memory: there are as many as session_options::forks; or there is no room for its steps
  /// @cost    takes scratch; copies the logits, and in its first step a page of each layer
  result<evaluator> try_fork() const;
#if NIBBLE_EXCEPTIONS
  evaluator fork() const { return try_fork().value(); }
#endif

  /// What it needs to go on from here: see saved_sequence.
  /// @errors  none; precondition: `out` has saved_bytes(position())
  void save(std::span<std::byte> out) const NIBBLE_NOEXCEPT { saved_sequence::save(runner_.sequence(0), out); }
  /// The same, page by page: see saved_sequence::try_save.
  result<void> try_save(byte_sink& out) const { return saved_sequence::try_save(runner_.sequence(0), out); }
#if NIBBLE_EXCEPTIONS
  void save(byte_sink& out) const { try_save(out).value(); }
#endif
  /// What save() writes of a sequence of `position` tokens.
  std::size_t saved_bytes(std::size_t position) const NIBBLE_NOEXCEPT {
    return saved_sequence::bytes(runner_.sequence(0), position);
  }
  /// Goes on from what one of the same model and format wrote of a sequence of `position` tokens.
  /// @param   logits  those after its last token, or nothing
  /// @errors  out_of_memory: nothing has changed; precondition: `state` has saved_bytes(position), which is within the context
  result<void> try_load(std::size_t position, std::span<const std::byte> state, std::span<const float> logits);
#if NIBBLE_EXCEPTIONS
  void load(std::size_t position, std::span<const std::byte> state, std::span<const float> logits) {
    try_load(position, state, logits).value();
  }
#endif

  /// Bytes that are allocated: what any_model::plan() said of the same session_options::marks and ::state_interval, but for
  /// `sampling` and `guessing`, which are a session's. Those of its forks are included, whether they are there or not.
  memory_plan memory() const NIBBLE_NOEXCEPT { return runner_.memory(); }
  /// The most scratch that a step has used so far.
  std::size_t scratch_peak() const noexcept { return runner_.scratch_peak(); }

  /// See batch_evaluator::recall and ::remember: an evaluator shares a prefix cache with its forks.
  std::size_t recall(std::span<const token> tokens) NIBBLE_NOEXCEPT { return runner_.recall(0, tokens); }
  void remember(std::span<const token> tokens) NIBBLE_NOEXCEPT { runner_.remember(0, tokens); }

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

  /// Keeps what layers with a window see at the end of the sequence as it is now, and recurrent states, until another place is
  /// marked or the sequence is cut back further: resumable() gives this position, then, however much was fed. Needs
  /// session_options::marks = true, where there are windows or states; without it nothing is kept.
  void mark() NIBBLE_NOEXCEPT { runner_.mark(0); }
  bool has_mark() const NIBBLE_NOEXCEPT { return runner_.sequence(0).has_mark(); }
  /// The last position, no later than `position`, from which the sequence can go on: the same one, or an earlier one where a
  /// sliding window has forgotten what comes before it, or no copy of recurrent states stands there: then the last copy, see
  /// session_options::state_interval.
  std::size_t resumable(std::size_t position) const NIBBLE_NOEXCEPT { return runner_.resumable(0, position); }
  /// Cuts the sequence back to its first `position` tokens. False, and no change, if it cannot go on from there: then cut it
  /// back to resumable(position), and feed what comes behind that again.
  bool truncate(std::size_t position) NIBBLE_NOEXCEPT { return runner_.truncate(0, position); }

 private:
  explicit evaluator(step_runner runner) : runner_(std::move(runner)) {}
  /// One step, of tokens that fit. The rows of `wanted` are in rows() then.
  feed_outcome step(std::span<const token> tokens, std::span<const std::uint32_t> wanted, const stop_token& cancel,
                    activations hidden = {});
  void keep(std::span<const float> row) NIBBLE_NOEXCEPT;
  /// Steps with the output of every token; `hidden` is empty, or a row for each.
  template <class F>
  feed_outcome each(std::span<const token> tokens, std::span<const float> hidden, F& on_row, const stop_token& cancel);
  bool drafts() const noexcept { return runner_.options().output == step_output::draft; }
  bool fits(std::size_t count) const NIBBLE_NOEXCEPT { return runner_.fits(0, count); }
  std::span<float> row(std::size_t i) noexcept { return {rows_.row(i), rows_.width}; }

  step_runner runner_;
  activations rows_;
  std::span<float> last_row_;
};

template <class F>
feed_outcome evaluator::feed_each(std::span<const token> tokens, F&& on_row, stop_token cancel) {
  NIBBLE_ASSERT(!drafts());
  return each(tokens, {}, on_row, cancel);
}

template <class F>
feed_outcome evaluator::draft_each(std::span<const token> tokens, std::span<const float> hidden, F&& on_row,
                                   stop_token cancel) {
  NIBBLE_ASSERT(drafts() && hidden.size() == tokens.size() * model().width());
  return each(tokens, hidden, on_row, cancel);
}

template <class F>
feed_outcome evaluator::each(std::span<const token> tokens, std::span<const float> hidden, F& on_row,
                             const stop_token& cancel) {
  const std::size_t width = hidden.empty() ? 0 : model().width();
  NIBBLE_ASSERT(detail::are_tokens(tokens, model().vocabulary()));
  if (!fits(tokens.size())) return feed_outcome::context_full;
  const std::size_t most = runner_.options().output_rows;
  const std::span<std::uint32_t> indices = runner_.room().wanted;
  for (std::size_t i = 0; i < tokens.size();) {
    const std::size_t count = std::min({most, runner_.tokens_of_step(0), tokens.size() - i});
    for (std::size_t k = 0; k < count; ++k) indices[k] = static_cast<std::uint32_t>(k);
    const activations before(const_cast<float*>(hidden.data()) + i * width, width > 0 ? count : 0, width);  // only read
    const auto how = step(tokens.subspan(i, count), indices.first(count), cancel, before);
    if (how != feed_outcome::done) return how;
    for (std::size_t k = 0; k < count; ++k) on_row(i + k, row(k));
    i += count;
  }
  return feed_outcome::done;
}

template <class F>
feed_outcome evaluator::feed_some(std::span<const token> tokens, std::span<const std::uint32_t> wanted, F&& on_row,
                                  stop_token cancel) {
  NIBBLE_ASSERT(!drafts() && detail::are_tokens(tokens, model().vocabulary()) && detail::ascend_below(wanted, tokens.size()));
  if (!fits(tokens.size())) return feed_outcome::context_full;
  const session_options& o = runner_.options();
  const std::span<std::uint32_t> indices = runner_.room().wanted;
  for (std::size_t i = 0, at = 0; i < tokens.size();) {
    // As many tokens as a step may have, up to one whose output would be one too many.
    std::size_t rows = 0, count = std::min(runner_.tokens_of_step(0), tokens.size() - i);
    for (; at + rows < wanted.size() && wanted[at + rows] < i + count; ++rows) {
      if (rows == o.output_rows) count = wanted[at + rows] - i;
      if (rows == o.output_rows) break;
      indices[rows] = static_cast<std::uint32_t>(wanted[at + rows] - i);
    }
    const auto how = step(tokens.subspan(i, count), indices.first(rows), cancel);
    if (how != feed_outcome::done) return how;
    for (std::size_t k = 0; k < rows; ++k) on_row(std::size_t{wanted[at + k]}, row(k));
    i += count, at += rows;
  }
  return feed_outcome::done;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
