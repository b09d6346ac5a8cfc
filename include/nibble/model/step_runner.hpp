/// step_runner: runs a model's steps for some sequences: their KV caches, and the scratch that a step takes.
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

namespace nibble {
inline namespace NIBBLE_ABI {

/// How feeding tokens ended.
enum class feed_outcome : std::uint8_t { done, context_full, cancelled };

/// What evaluator and batch_evaluator are built on. All memory is taken when it is made; a step allocates nothing.
template <class Model>
class step_runner {
 public:
  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<step_runner> try_create(const Model& model, session_options options, std::size_t sequences) {
    if (options.context > most_positions) {
      return error(errc::invalid_argument, "session_options::context: expected at most " + std::to_string(most_positions) +
                                               ", found " + std::to_string(options.context));
    }
    step_runner made(model, nibble::detail::complete(model, options));
    const session_options& o = made.options_;
    memory_plan plan = model.plan(o);
    plan.kv *= sequences;
    if (sequences > 1) plan.scratch = std::max(plan.scratch, nibble::detail::measure_scratch(model, sequences, sequences));
    if (model.memory_cap() > 0 && plan.total() > model.memory_cap()) {
      return error(errc::out_of_memory, "weights and session take " + std::to_string(plan.total()) +
                                            " bytes, above the cap of " + std::to_string(model.memory_cap()));
    }
    for (std::size_t i = 0; i < sequences; ++i) {
      result<void> cached = error(errc::invalid_argument, "session_options::kv: expected f32, f16, bf16 or q8_0");
      nibble::detail::visit_kv_format<typename Model::kv_type>(o, [&]<class Format>(std::type_identity<Format>) {
        auto fresh = kv_cache<Format>::try_create(model.kv(), o.context, o.prefill_chunk);
        cached = fresh ? result<void>() : result<void>(fresh.failure());
        if (fresh) made.caches_.push_back(std::make_unique<kv_cache<Format>>(*std::move(fresh)));
      });
      if (!cached) return std::move(cached).failure();
      made.borrowed_.push_back(made.caches_.back().get());
    }
    auto scratch = scratch_arena::try_create(plan.scratch);
    if (!scratch) return std::move(scratch).failure();
    made.scratch_ = *std::move(scratch);
    made.lengths_.resize(sequences);
    made.positions_.resize(std::max(o.prefill_chunk, sequences));
    made.rows_.resize(made.positions_.size());
    return made;
  }

  const session_options& options() const noexcept { return options_; }
  std::size_t sequences() const noexcept { return caches_.size(); }
  /// Positions of a sequence that are taken.
  std::size_t length(std::size_t sequence) const noexcept { return lengths_[sequence]; }
  /// Whether a sequence has room for `count` more.
  bool fits(std::size_t sequence, std::size_t count) const noexcept { return count <= options_.context - lengths_[sequence]; }

  struct outcome {
    feed_outcome how;
    activations logits;  ///< a row for each token wanted; valid until the next step
  };
  /// One forward pass: run i takes runs[i].count of the ids, in order, to the end of its sequence. Logits of the last `wanted`.
  /// A cancelled step leaves all sequences as they were.
  /// @errors  none; precondition: the runs fit, each sequence has one at most, and the ids are no more than a step may have
  outcome run(std::span<const token> ids, std::span<token_run> runs, std::size_t wanted, std::stop_token cancel) noexcept {
    std::size_t first = 0;
    for (token_run& r : runs) {
      r.first = first, r.position = lengths_[r.sequence];
      caches_[r.sequence]->reserve(r.position, r.count);
      for (std::size_t i = 0; i < r.count; ++i) positions_[first + i] = static_cast<std::uint32_t>(r.position + i);
      first += r.count;
    }
    for (std::size_t i = 0; i < wanted; ++i) rows_[i] = static_cast<std::uint32_t>(ids.size() - wanted + i);
    const step_input in{ids, std::span(positions_).first(ids.size()), runs, std::span(rows_).first(wanted), borrowed_, cancel};
    scratch_.rewind(0);
    step s(kernels(), model_.executor(), scratch_, in);
    const activations logits = s.scratch(wanted, model_.vocabulary());
    model_.forward(s, logits);
    const bool cancelled = cancel.stop_requested();
    for (const token_run& r : runs) {
      if (cancelled) {
        caches_[r.sequence]->truncate(r.position);
      } else {
        lengths_[r.sequence] += r.count;
      }
    }
    return {cancelled ? feed_outcome::cancelled : feed_outcome::done, logits};
  }

  /// Cuts a sequence back to its first `length` tokens. False, and no change, if a sliding window no longer holds what
  /// continuing there would need: then start over from 0.
  bool truncate(std::size_t sequence, std::size_t length) noexcept {
    if (length > lengths_[sequence] || (length > 0 && length < caches_[sequence]->oldest())) return false;
    caches_[sequence]->truncate(length);
    lengths_[sequence] = length;
    return true;
  }

  /// Bytes that are allocated.
  memory_plan memory() const noexcept {
    memory_plan p{model_.weight_bytes(), 0, scratch_.capacity()};
    for (const auto& c : caches_) p.kv += c->bytes();
    return p;
  }
  /// The most scratch that a step has used so far.
  std::size_t scratch_peak() const noexcept { return scratch_.peak(); }

 private:
  step_runner(const Model& model, const session_options& o) : model_(model), options_(o) {}

  Model model_;
  session_options options_;
  std::vector<std::unique_ptr<kv_storage>> caches_;
  std::vector<kv_storage*> borrowed_;  // the same, as a step wants them
  scratch_arena scratch_;
  std::vector<std::size_t> lengths_;
  std::vector<std::uint32_t> positions_, rows_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
