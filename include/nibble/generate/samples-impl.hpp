/// The definitions behind samples.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/generate/samples.hpp"
#include "nibble/generate/score-impl.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

class sample_drawer {
 public:
  sample_drawer(const any_model& model, batch_evaluator evaluator, std::size_t count, generate_options options)
      : evaluator_(std::move(evaluator)), out_(count), scratch_(model.vocabulary()) {
    options.logprobs = true;
    cancel_ = options.cancel;
    for (std::size_t i = 0; i < count; ++i) {
      builders_.emplace_back(model.tokenizer(), options);
      ++options.seed;
    }
  }

  std::vector<sample> run(std::span<const token> prompt) {
    texts_.assign(out_.size(), {prompt.begin(), prompt.end()});
    feed_outcome how = evaluator_.feed(0, prompt, cancel_);
    if (how != feed_outcome::done) end_all(how);
    if (how == feed_outcome::done) begin();
    while (!next_.empty()) step();
    for (std::size_t i = 0; i < out_.size(); ++i) out_[i].reason = builders_[i].reason();
    std::stable_sort(out_.begin(), out_.end(),
                     [](const sample& a, const sample& b) { return a.mean_logprob() > b.mean_logprob(); });
    return std::move(out_);
  }

 private:
  /// The first token of each, from the same logits.
  void begin() {
    const std::vector<float> logits(evaluator_.logits(0).begin(), evaluator_.logits(0).end());
    for (std::size_t i = 1; i < out_.size(); ++i) evaluator_.fork(0, i);
    std::vector<float> own;
    for (std::size_t i = 0; i < out_.size(); ++i) {
      if (builders_[i].remaining() == 0) {
        show(i, builders_[i].end(finish::max_tokens));
        continue;
      }
      own = logits;
      choose(i, own);
    }
  }

  /// One more token for each that is not at its end; where memory is too little for all, the last ones end.
  void step() {
    now_.clear();
    std::swap(now_, next_);
    feed_outcome how = feed_outcome::memory_full;
    while (!now_.empty() && (how = evaluator_.step(now_, cancel_)) == feed_outcome::memory_full) {
      end(now_.back().sequence, finish_of(how));
      now_.pop_back();
    }
    for (std::size_t row = 0; row < now_.size(); ++row) {
      const std::size_t i = now_[row].sequence;
      how == feed_outcome::done ? choose(i, evaluator_.logits(row)) : end(i, finish_of(how));
    }
  }

  void choose(std::size_t i, std::span<float> logits) {
    show(i, builders_[i].next(logits, texts_[i], scratch_));
    if (builders_[i].reason() != finish::none) {
      evaluator_.truncate(i, 0);
    } else if (texts_[i].size() == evaluator_.context()) {
      end(i, finish::context_full);
    } else {
      next_.push_back({i, texts_[i].back()});
    }
  }
  void show(std::size_t i, const std::optional<token_event>& event) {
    if (!event) return;
    sample& s = out_[i];
    s.text += event->text;
    if (event->id == no_token) return;
    s.tokens.push_back(event->id), texts_[i].push_back(event->id);
    s.logprob += double(event->logprob);
  }
  void end(std::size_t i, finish reason) {
    show(i, builders_[i].end(reason));
    evaluator_.truncate(i, 0);
  }
  void end_all(feed_outcome how) {
    for (std::size_t i = 0; i < out_.size(); ++i) end(i, finish_of(how));
  }

  batch_evaluator evaluator_;
  std::vector<sample> out_;
  sampling_scratch scratch_;
  stop_token cancel_;
  std::vector<event_builder> builders_;
  std::vector<std::vector<token>> texts_;  // the prompt, too
  std::vector<batch_evaluator::entry> now_, next_;
};

}  // namespace detail

result<std::vector<sample>> try_samples(const any_model& model, std::span<const token> prompt, std::size_t count,
                                        const generate_options& options, const session_options& room) {
  session_options o = room;
  o.speculation = {}, o.marks = false, o.state_interval = 0, o.when_full = {};
  NIBBLE_TRY(detail::check_generates(model, o));
  NIBBLE_TRY(detail::check_tokens(prompt, model.vocabulary()));
  if (prompt.empty()) return error(errc::invalid_argument, "samples: expected a prompt, found no token");
  auto evaluator = batch_evaluator::try_create(model, count, o);
  if (!evaluator) return std::move(evaluator).failure();
  return detail::sample_drawer(model, *std::move(evaluator), count, options).run(prompt);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
