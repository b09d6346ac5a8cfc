/// evaluator: tokens in, logits out, for one sequence: the KV cache, the scratch memory and the position.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/kv/cache.hpp"
#include "nibble/model/model.hpp"

namespace nibble::inline NIBBLE_ABI {

/// How feeding tokens ended.
enum class feed_outcome : std::uint8_t { done, context_full, cancelled };

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
    if (options.context > most_positions) {
      return error(errc::invalid_argument, "session_options::context: expected at most " + std::to_string(most_positions) +
                                               ", found " + std::to_string(options.context));
    }
    const session_options o = nibble::detail::complete(model, options);
    std::unique_ptr<kv_storage> cache;
    result<void> made = error(errc::invalid_argument, "session_options::kv: expected f32, f16, bf16 or q8_0");
    const memory_plan plan = model.plan(o);
    if (model.memory_cap() > 0 && plan.total() > model.memory_cap()) {
      return error(errc::out_of_memory, "weights and session take " + std::to_string(plan.total()) +
                                            " bytes, above the cap of " + std::to_string(model.memory_cap()));
    }
    nibble::detail::visit_kv_format<typename Model::kv_type>(o, [&]<class Format>(std::type_identity<Format>) {
      auto fresh = kv_cache<Format>::try_create(model.kv(), o.context, o.step_tokens);
      made = fresh ? result<void>() : result<void>(fresh.failure());
      if (fresh) cache = std::make_unique<kv_cache<Format>>(*std::move(fresh));
    });
    if (!made) return std::move(made).failure();
    auto scratch = scratch_arena::try_create(plan.scratch);
    if (!scratch) return std::move(scratch).failure();
    return evaluator(model, o, std::move(cache), *std::move(scratch));
  }

  /// Processes tokens at the next positions, step by step; logits() are then those after the last one.
  ///
  /// Tokens that do not fit are not begun: context_full, and the sequence is as it was. A cancelled call leaves the sequence
  /// at the last whole step.
  /// @errors  none; precondition: every token is in [0, vocabulary)
  feed_outcome feed(std::span<const token> tokens, std::stop_token cancel = {}) noexcept {
    return feed_in_steps(tokens, options_.step_tokens, false, std::move(cancel), [](std::size_t, std::span<float>) {});
  }
  /// The same, with the logits after every token: on_logits(index in tokens, logits). Steps are session_options::logit_rows
  /// long.
  template <class F>
  feed_outcome feed_each(std::span<const token> tokens, F&& on_logits, std::stop_token cancel = {}) {
    return feed_in_steps(tokens, options_.logit_rows, true, std::move(cancel), std::forward<F>(on_logits));
  }

  const Model& model() const noexcept { return model_; }
  std::size_t position() const noexcept { return position_; }
  std::size_t context() const noexcept { return options_.context; }
  /// The logits after the last token fed; valid until the next call.
  std::span<float> logits() noexcept { return logits_; }

  /// Bytes that are allocated: what plan() said.
  memory_plan memory() const noexcept { return {model_.weight_bytes(), cache_->bytes(), scratch_.capacity()}; }
  /// The most scratch that a step has used so far.
  std::size_t scratch_peak() const noexcept { return scratch_.peak(); }

  /// Cuts the sequence back to its first `position` tokens. False, and no change, if a sliding window no longer holds what
  /// continuing there would need: then start over from 0.
  bool truncate(std::size_t position) noexcept {
    if (position > position_ || (position > 0 && position < cache_->oldest())) return false;
    cache_->truncate(position);
    position_ = position;
    return true;
  }

 private:
  evaluator(const Model& model, const session_options& o, std::unique_ptr<kv_storage> cache, scratch_arena scratch)
      : model_(model),
        options_(o),
        cache_(std::move(cache)),
        scratch_(std::move(scratch)),
        positions_(o.step_tokens),
        rows_(o.step_tokens) {}

  template <class F>
  feed_outcome feed_in_steps(std::span<const token> tokens, std::size_t step_tokens, bool all, std::stop_token cancel,
                             F&& on_logits) {
    if (tokens.size() > options_.context - position_) return feed_outcome::context_full;
    for (std::size_t i = 0; i < tokens.size();) {
      const std::size_t count = std::min(step_tokens, tokens.size() - i);
      const std::size_t wanted = all ? count : i + count == tokens.size() ? 1 : 0;
      const activations logits = run_step(tokens.subspan(i, count), wanted, cancel);
      if (cancel.stop_requested()) {
        cache_->truncate(position_);
        return feed_outcome::cancelled;
      }
      position_ += count;
      for (std::size_t row = 0; row < wanted; ++row) {
        logits_ = {logits.row(row), logits.width};
        on_logits(i + row, logits_);
      }
      i += count;
    }
    return feed_outcome::done;
  }

  /// One forward pass at the next positions; the logits of the last `wanted` tokens.
  activations run_step(std::span<const token> tokens, std::size_t wanted, const std::stop_token& cancel) noexcept {
    cache_->reserve(position_, tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      positions_[i] = static_cast<std::uint32_t>(position_ + i);
      rows_[i] = static_cast<std::uint32_t>(i);
    }
    const token_run run{0, tokens.size(), position_, 0};
    kv_storage* const cache = cache_.get();
    const step_input in{tokens,      std::span(positions_).first(tokens.size()),
                        {&run, 1},   std::span(rows_).subspan(tokens.size() - wanted, wanted),
                        {&cache, 1}, cancel};
    scratch_.rewind(0);
    step s(kernels(), model_.executor(), scratch_, in);
    const activations logits = s.scratch(wanted, model_.vocabulary());
    model_.forward(s, logits);
    return logits;
  }

  Model model_;
  session_options options_;
  std::unique_ptr<kv_storage> cache_;
  scratch_arena scratch_;
  std::vector<std::uint32_t> positions_, rows_;
  std::size_t position_ = 0;
  std::span<float> logits_;
};

}  // namespace nibble::inline NIBBLE_ABI
