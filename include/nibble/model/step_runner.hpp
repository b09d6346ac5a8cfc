/// step_runner: runs a model's steps for some sequences, with all the memory that this takes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nibble/attention/attention.hpp"
#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/pool.hpp"
#include "nibble/kv/saved_prefixes.hpp"
#include "nibble/kv/saved_sequence.hpp"
#include "nibble/kv/sequence.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/feed_outcome.hpp"
#include "nibble/model/options.hpp"
#include "nibble/tensor/scratch.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
inline bool are_tokens(std::span<const token> ids, std::size_t vocabulary) noexcept {
  return std::all_of(ids.begin(), ids.end(), [&](token id) { return id >= 0 && static_cast<std::size_t>(id) < vocabulary; });
}
/// Whether these are places among `count` things, each larger than the one before.
inline bool ascend_below(std::span<const std::uint32_t> places, std::size_t count) noexcept {
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i] >= count || (i > 0 && places[i] <= places[i - 1])) return false;
  }
  return true;
}
}  // namespace detail

/// What evaluators are built on. All memory is taken when it is made; a step allocates nothing.
class step_runner {
 public:
  /// @param   one_step  see kv_room
  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<step_runner> try_create(const any_model& model, session_options options, std::size_t sequences,
                                        bool one_step = false);
#if NIBBLE_EXCEPTIONS
  static step_runner create(const any_model& model, session_options options, std::size_t sequences) {
    return try_create(model, options, sequences).value();
  }
#endif

  /// A step_runner that was moved from can only be assigned to or destroyed: precondition of all its functions.
  step_runner(step_runner&&) noexcept = default;
  step_runner& operator=(step_runner&& other) noexcept {
    if (this == &other) return *this;
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }

  /// Another runner, whose one sequence is a fork of this one's: it has room of its own for its steps.
  /// @errors  out_of_memory: as many forks as session_options::forks are there; precondition: there is one sequence
  result<step_runner> try_fork() const;
#if NIBBLE_EXCEPTIONS
  step_runner fork() const { return try_fork().value(); }
#endif

  const any_model& model() const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(!sequences_.empty());
    return model_;
  }
  const session_options& options() const noexcept { return options_; }
  std::size_t sequences() const noexcept { return sequences_.size(); }
  const nibble::sequence& sequence(std::size_t i) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(i < sequences_.size());
    return sequences_[i];
  }
  /// Tokens of a step at most: session_options::prefill_chunk, or as many as there are sequences.
  std::size_t step_tokens() const noexcept { return positions_.size(); }
  /// Those that a sequence may take in its next step: session_options::prefill_chunk at most, and up to where it chooses what
  /// it keeps, see context_policy::heavy_hitters.
  std::size_t tokens_of_step(std::size_t sequence) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(sequence < sequences_.size());
    return sequences_[sequence].tokens_of_step();
  }
  /// Whether a sequence has room for `count` more.
  bool fits(std::size_t sequence, std::size_t count) const NIBBLE_NOEXCEPT;

  struct outcome {
    feed_outcome how;
    activations rows;  ///< one for each that is wanted; valid until the next step
  };
  /// One forward pass: run i takes runs[i].count of the ids, in order, to the end of its sequence; its other fields are filled
  /// in. A step that a sequence has no room for is not begun; one that is cancelled is rolled back in all of them: see
  /// sequence::rollback.
  /// @param   wanted  which of the ids' outputs are wanted, ascending
  /// @param   hidden  of step_output::draft: (ids, width)
  /// @errors  what the model's executor throws: the step is rolled back; precondition: each sequence has one run at most, of no
  ///          more than tokens_of_step(); there are no more ids than step_tokens(), and no more wanted
  ///          than session_options::output_rows, or than sequences
  outcome run(std::span<const token> ids, std::span<token_run> runs, std::span<const std::uint32_t> wanted, stop_token cancel,
              activations hidden = {});

  /// Hidden states of the rows of the last step, where session_options::keep_hidden: as long as its outcome is valid.
  activations hidden() const noexcept { return hidden_; }

  /// Room for the arguments of run(), for who calls it: a run for each sequence, as many ids as a step may have, and as many
  /// places as may be wanted.
  struct arguments {
    std::vector<token_run> runs;
    std::vector<token> ids;
    std::vector<std::uint32_t> wanted;
  };
  arguments& room() noexcept { return room_; }

  /// See sequence::mark.
  void mark(std::size_t sequence) NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(sequence < sequences_.size());
    sequences_[sequence].mark();
  }
  /// The last position, no later than `position`, from which a sequence can go on; see sequence::resumable.
  std::size_t resumable(std::size_t sequence, std::size_t position) const NIBBLE_NOEXCEPT;
  /// Cuts a sequence back to its first `position` tokens. False, and no change, if it cannot go on from there.
  bool truncate(std::size_t sequence, std::size_t position) NIBBLE_NOEXCEPT;
  /// Makes one sequence a fork of another.
  void fork(std::size_t from, std::size_t to) NIBBLE_NOEXCEPT;

  /// See sequence::recall and ::remember: what sequences with the same adapters share.
  std::size_t recall(std::size_t sequence, std::span<const token> tokens) NIBBLE_NOEXCEPT;
  void remember(std::size_t sequence, std::span<const token> tokens) NIBBLE_NOEXCEPT;

  /// See saved_prefixes.
  result<void> try_save_prefixes(byte_sink& out) const;
  result<void> try_load_prefixes(std::span<const std::byte> from);
  result<void> try_load_prefixes(const std::filesystem::path& path);
#if NIBBLE_EXCEPTIONS
  void save_prefixes(byte_sink& out) const { try_save_prefixes(out).value(); }
  void load_prefixes(std::span<const std::byte> from) { try_load_prefixes(from).value(); }
  void load_prefixes(const std::filesystem::path& path) { try_load_prefixes(path).value(); }
#endif

  /// See saved_sequence::try_load.
  result<void> try_load(std::size_t sequence, std::size_t length, std::span<const std::byte> state);
#if NIBBLE_EXCEPTIONS
  void load(std::size_t sequence, std::size_t length, std::span<const std::byte> state) {
    try_load(sequence, length, state).value();
  }
#endif
  /// A row of output that stays until the next step, as if a step had made it.
  activations keep(std::span<const float> row) NIBBLE_NOEXCEPT;

  /// How much a sequence takes of session_options::adapters, in their order, instead of what the options say.
  /// @errors  none; precondition: it is empty, and there are as many scales, all finite
  void adapt(std::size_t sequence, std::span<const float> scales) NIBBLE_NOEXCEPT;
  /// What a sequence's keys and values depend on beside its tokens: the model, and adapters.
  std::uint64_t fingerprint(std::size_t sequence) const NIBBLE_NOEXCEPT;

  /// Bytes that are allocated, and those that its forks take.
  memory_plan memory() const NIBBLE_NOEXCEPT;
  /// See kv_pool::used.
  kv_pool::plan used() const NIBBLE_NOEXCEPT;
  /// See kv_pool::cached.
  kv_pool::plan cached() const NIBBLE_NOEXCEPT;
  /// See kv_pool::free_pages.
  std::size_t free_pages(std::size_t window) const NIBBLE_NOEXCEPT;
  /// The most scratch that a step has used so far.
  std::size_t scratch_peak() const noexcept { return scratch_.peak(); }

 private:
  step_runner(const any_model& model, const session_options& o, kv_pool_ref pool, const memory_plan& plan)
      : model_(model), options_(o), pool_(std::move(pool)), plan_(plan) {}
  result<void> take_room(std::vector<nibble::sequence> sequences, std::size_t scratch_bytes);
  bool may_run(std::span<const token> ids, std::span<const token_run> runs,
               std::span<const std::uint32_t> wanted) const noexcept;
  std::span<const active_adapter> adapters_of(std::span<const token_run> runs, std::span<const token_run> wanted) noexcept;
  std::span<const token_run> runs_of(std::span<const token_run> runs, std::span<const std::uint32_t> wanted) noexcept;

  any_model model_;
  session_options options_;
  kv_pool_ref pool_;
  memory_plan plan_;
  std::vector<nibble::sequence> sequences_;
  std::vector<nibble::sequence*> borrowed_;  // the same, as a step wants them
  scratch_arena scratch_;
  activations hidden_;
  std::vector<std::uint32_t> positions_, near_;  // near_: see step::near_positions, where the context slides
  std::vector<token_run> wanted_runs_;
  std::vector<float> scales_;      // (sequences, adapters)
  std::vector<float> row_scales_;  // (adapters, tokens and wanted rows of a step)
  std::vector<active_adapter> active_;
  arguments room_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
