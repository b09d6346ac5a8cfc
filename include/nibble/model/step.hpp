/// step: one forward pass over some tokens, each with its sequence and position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stop_token>

#include "nibble/attention/attention.hpp"
#include "nibble/core/token.hpp"
#include "nibble/kv/cache.hpp"
#include "nibble/layers/compute.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a step is made of, all of it borrowed.
struct step_input {
  std::span<const token> ids;                ///< the tokens of all runs, one after the other
  std::span<const std::uint32_t> positions;  ///< of each token in its sequence
  std::span<const token_run> runs;           ///< which tokens belong together
  std::span<const std::uint32_t> wanted;     ///< tokens whose logits are wanted, in ascending order
  std::span<kv_storage* const> caches;       ///< by token_run::sequence
  std::stop_token cancel;
};

/// What an architecture's forward() sees: tokens, scratch, caches. Layers take it as their `compute`.
class step : public compute {
 public:
  step(const kernel_table& kernels, executor_ref executor, scratch_arena& scratch, const step_input& in) noexcept
      : compute(kernels, executor, scratch), in_(in) {}

  std::size_t tokens() const noexcept { return in_.ids.size(); }
  std::span<const token> ids() const noexcept { return in_.ids; }
  std::span<const std::uint32_t> positions() const noexcept { return in_.positions; }
  /// Whether the caller has given up: forward() returns at the next layer, and its logits are not read.
  bool cancelled() const noexcept { return in_.cancel.stop_requested(); }

  using compute::scratch;
  /// Scratch for all tokens of the step.
  activations scratch(std::size_t width) noexcept { return compute::scratch(tokens(), width); }

  /// The rows of x whose logits are wanted.
  activations wanted(activations x) noexcept {
    if (in_.wanted.size() == x.tokens) return x;
    const activations out = compute::scratch(in_.wanted.size(), x.width);
    for_each(1, [&](std::size_t) {
      for (std::size_t i = 0; i < in_.wanted.size(); ++i) {
        std::memcpy(out.row(i), x.row(in_.wanted[i]), x.width * sizeof(float));
      }
    });
    return out;
  }

  /// Causal self-attention of one layer: stores k and v in the caches, attends with q.
  void attend(std::size_t layer, const attention_spec& spec, activations q, activations k, activations v,
              activations out) noexcept {
    nibble::attend(
        *this, spec, in_.runs, [&](std::size_t sequence) { return in_.caches[sequence]->layer(layer); }, q, k, v, out);
  }

 private:
  const step_input& in_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
