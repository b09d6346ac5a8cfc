/// step: one forward pass over some tokens, each with its sequence and position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "nibble/attention/attention.hpp"
#include "nibble/attention/weigh.hpp"
#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/kv/sequence.hpp"
#include "nibble/layers/compute.hpp"
#include "nibble/layers/elementwise.hpp"
#include "nibble/model/observer.hpp"
#include "nibble/model/step_output.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Rows of a step: all of its tokens, or those whose output is wanted.
struct step_rows {
  std::size_t count = 0;
  std::span<const token_run> runs;           ///< which of the rows follow each other in a sequence
  std::span<const std::uint32_t> of_tokens;  ///< which token a row is, ascending; empty: all tokens
};

/// What a step is made of, all of it borrowed.
struct step_input {
  std::span<const token> ids;                ///< the tokens of all runs, one after the other
  std::span<const std::uint32_t> positions;  ///< of each token in its sequence
  std::span<const token_run> runs;           ///< which tokens belong together
  step_rows wanted;                          ///< whose output is wanted
  std::span<sequence* const> sequences;      ///< by token_run::sequence
  stop_token cancel;
  step_output output = step_output::logits;
  activations hidden = {};       ///< of step_output::draft: (tokens, width), the hidden states of the tokens before these
  activations keep = {};         ///< (wanted rows, width): where their hidden states go beside logits; without rows: nowhere
  sliding_context sliding = {};  ///< of the sequences
  std::span<const std::uint32_t> near_positions = {};  ///< where the context slides: positions without what is forgotten
  bool forgets = false;                                ///< whether some of these are others than the positions
  heavy_hitters hitters = {};                          ///< what the sequences keep by what it receives
};

/// What an architecture's forward() sees: tokens, scratch, sequences. Layers take it as their `compute`.
class step : public compute {
 public:
  /// Borrows all of it.
  step(const kernel_table& kernels, executor_ref executor, scratch_arena& scratch, const step_input& in) noexcept
      : compute(kernels, executor, scratch), in_(&in) {}

  std::size_t tokens() const noexcept { return in_->ids.size(); }
  /// What step_input says.
  std::span<const token> ids() const noexcept { return in_->ids; }
  std::span<const std::uint32_t> positions() const noexcept { return in_->positions; }
  step_output output() const noexcept { return in_->output; }
  activations hidden() const noexcept { return in_->hidden; }
  activations keep() const noexcept { return in_->keep; }
  /// Whether the caller has given up, or the executor has: forward() returns at the next layer, and its output is not read.
  bool cancelled() const noexcept { return failed() || in_->cancel.stop_requested(); }

  using compute::scratch;
  /// Scratch for all tokens of the step.
  activations scratch(std::size_t width) NIBBLE_NOEXCEPT { return compute::scratch(tokens(), width); }

  /// All tokens, and those whose output is wanted: past the keys and values of its last layer, a pass needs only these.
  step_rows all() const noexcept { return {tokens(), in_->runs, {}}; }
  const step_rows& wanted() const noexcept { return in_->wanted; }
  /// These rows of x, copied side by side unless they are all of it.
  activations pick(const step_rows& rows, activations x) NIBBLE_NOEXCEPT {
    if (rows.count == x.tokens) return x;
    const activations out = compute::scratch(rows.count, x.width);
    copy(*this, x.subset(rows.of_tokens.data(), rows.count), out);
    return out;
  }

  /// Adds to rows of what a layer gives the directions that adapters have for it.
  void steer(std::size_t layer, activations x) NIBBLE_NOEXCEPT {
    for (const active_adapter& a : adapters()) {
      if (a.directions.empty()) continue;
      const scratch_scope scope(*this);
      const activations parts = compute::scratch(x.tokens, x.width);
      detail::for_each_token(*this, x, [&](std::size_t t) {
        if (a.scales(x.tokens)[t] == 0) return;
        std::memcpy(parts.row(t), a.directions.data() + layer * x.width, x.width * sizeof(float));
        kernels().scale(parts.row(t), a.scales(x.tokens)[t], x.width);
        kernels().add(x.row(t), parts.row(t), x.width);
      });
    }
  }

  /// Stores keys and values of all tokens in a layer of their sequences.
  void store_kv(std::size_t layer, const attention_spec& spec, activations k, activations v) NIBBLE_NOEXCEPT {
    nibble::store_kv(
        *this, spec, in_->runs, [&](std::size_t sequence) { return in_->sequences[sequence]->layer(layer); }, k, v);
  }
  /// Attends with the queries of some rows. A mixer that gives `kept_queries` where forgets() says so may state
  /// kv_shape::slides.
  void attend(std::size_t layer, const attention_spec& spec, const step_rows& rows, activations q, activations out,
              activations kept_queries = {}) NIBBLE_NOEXCEPT {
    nibble::attend(
        *this, spec, rows.runs, [&](std::size_t sequence) { return in_->sequences[sequence]->layer(layer); }, q, kept_queries,
        out);
  }
  /// Whether a layer with this mask chooses what it keeps by what it receives: then queries of all tokens are to be weighed, in
  /// any step alike. A mixer that does so where its own keys are stored may state kv_shape::weighs.
  bool weighs(const attention_mask& mask) const noexcept { return in_->hitters.chooses() && mask == attention_mask::causal(); }
  /// See nibble::weigh. @param q  of all tokens, behind attend()
  void weigh(std::size_t layer, const attention_spec& spec, activations q) NIBBLE_NOEXCEPT {
    nibble::weigh(
        *this, spec, in_->runs, [&](std::size_t sequence) { return in_->sequences[sequence]->layer(layer); },
        [&](const token_run& run) { return state(layer, run); }, in_->hitters.size, q);
  }
  /// Positions as a model may know them that is told how far a token is from the beginning: without what has been forgotten.
  std::span<const std::uint32_t> near_positions() const noexcept {
    return in_->near_positions.empty() ? positions() : in_->near_positions;
  }
  /// Whether tokens of this step see kept positions in front of forgotten ones, in layers with this mask.
  bool forgets(const attention_mask& mask) const noexcept { return forgets() && mask.before >= in_->sliding.size - 1; }
  bool forgets() const noexcept { return in_->forgets; }
  /// The context that a run's sequence was made for.
  std::size_t context(const token_run& run) const noexcept { return in_->sequences[run.sequence]->context(); }
  /// The recurrent state of a run's sequence in a layer: before this step, and where the step leaves it.
  sequence::state state(std::size_t layer, const token_run& run) const noexcept {
    return in_->sequences[run.sequence]->layer_state(layer);
  }

  /// From now on an observer is shown what is done.
  void show_to(observer_ref observer) noexcept { observer_ = observer; }
  /// Names what is done until the returned object ends.
  watch_scope watch(operation what, std::size_t layer) noexcept {
    return {measuring() ? observer_ref() : observer_, {what, layer, tokens(), {}}};
  }

 private:
  const step_input* in_;
  observer_ref observer_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
