/// lockstep: replies that advance together, a token of each in every step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/generate_each.hpp"
#include "nibble/generate/in_sight.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The replies of one call, each with the bits of one alone. What callbacks, samplers and the model's executor throw goes
/// through.
class lockstep {
 public:
  lockstep(const nibble::tokenizer& tokenizer, batch_evaluator evaluator, const reply_callback& on_event)
      : tokenizer_(tokenizer), evaluator_(std::move(evaluator)), on_event_(on_event), scratch_(tokenizer_.size()) {
    replies_.reserve(evaluator_.sequences());
    now_.reserve(evaluator_.sequences()), next_.reserve(evaluator_.sequences());
  }

  /// Reads a prompt, and makes the first token of its reply.
  void begin(std::vector<token> prompt, generate_options options) {
    const std::size_t i = add(std::move(prompt), std::move(options));
    const finish early = read(i);
    early == finish::none ? choose(i, evaluator_.logits(0)) : end(i, early);
  }

  /// The same for `count` replies to a prompt that is read once. The i-th draws with options.seed + i.
  void begin_alike(std::span<const token> prompt, std::size_t count, generate_options options) {
    for (std::size_t i = 0; i < count; ++i, ++options.seed) add({prompt.begin(), prompt.end()}, options);
    const finish early = read(0);
    if (early != finish::none) {
      for (std::size_t i = 0; i < count; ++i) end(i, early);
      return;
    }
    for (std::size_t i = 1; i < count; ++i) {
      evaluator_.fork(0, i);
      replies_[i].tokens = replies_[0].tokens;
    }
    const std::vector<float> logits(evaluator_.logits(0).begin(), evaluator_.logits(0).end());
    std::vector<float> own;  // a sampler changes them
    for (std::size_t i = 0; i < count; ++i) {
      own = logits;
      choose(i, own);
    }
  }

  /// One more token for all replies that are not at their end; false if none is left. Where memory is too little for all of
  /// them, the last ones end.
  bool step(const stop_token& cancel) {
    now_.clear();
    std::swap(now_, next_);
    feed_outcome how = feed_outcome::memory_full;
    while (!now_.empty() && (how = evaluator_.step(now_, cancel)) == feed_outcome::memory_full) {
      end(now_.back().sequence, finish_of(how));
      now_.pop_back();
    }
    for (std::size_t row = 0; row < now_.size(); ++row) {
      const std::size_t i = now_[row].sequence;
      how == feed_outcome::done ? choose(i, evaluator_.logits(row)) : end(i, finish_of(how));
    }
    return !next_.empty();
  }

  /// How a reply ended.
  finish reason(std::size_t i) const { return replies_[i].left ? finish::cancelled : replies_[i].builder.reason(); }

 private:
  struct reply {
    event_builder builder;
    std::vector<token> tokens;  // its prompt's too, but for those that are forgotten
    bool left = false;          // by who is called with its events
    std::size_t forgotten = 0;
  };
  /// Tokens that a reply has at most: where the context slides, the newest is not processed.
  std::size_t tokens_in_sight() const { return evaluator_.context() + evaluator_.sliding().slides(); }

  std::size_t add(std::vector<token> prompt, generate_options options) {
    reply& r = replies_.emplace_back(reply{event_builder(tokenizer_, std::move(options)), std::move(prompt)});
    const std::size_t all = sum_of_sizes(std::max<std::size_t>(r.tokens.size(), 1), r.builder.remaining());
    r.tokens.reserve(std::min(all, tokens_in_sight()));
    return replies_.size() - 1;
  }
  /// Reads the prompt of a reply. Why it ends instead, or finish::none.
  finish read(std::size_t i) {
    reply& r = replies_[i];
    const std::size_t room = evaluator_.most_tokens(), most = r.builder.remaining();
    const finish early = end_before_prompt(tokenizer_, room, 0, r.tokens.size(), most);
    if (early != finish::none) return early;
    if (r.tokens.empty()) r.tokens.push_back(*beginning_of_text(tokenizer_));
    const stop_token& cancel = r.builder.options().cancel;
    if (cancel.stop_requested()) return finish::cancelled;
    const finish behind = end_behind_prompt(room - r.tokens.size(), most);
    if (behind != finish::none) return behind;  // nobody goes on from such a prompt: it is not processed
    return finish_of(evaluator_.feed(i, r.tokens, cancel));
  }

  void choose(std::size_t i, std::span<float> logits) {
    reply& r = replies_[i];
    r.forgotten = take_out_forgotten(r.tokens, r.forgotten, evaluator_.sliding(), evaluator_.position(i));
    show(i, r.builder.next(logits, r.tokens, scratch_));
    if (r.builder.reason() != finish::none) return give_back(i);
    if (r.forgotten + r.tokens.size() == evaluator_.most_tokens()) return end(i, finish::context_full);
    next_.push_back({i, r.tokens.back()});
  }
  void end(std::size_t i, finish reason) {
    show(i, replies_[i].builder.end(reason));
    give_back(i);
  }
  /// The keys and values of a reply that is over are memory for others.
  void give_back(std::size_t i) { evaluator_.truncate(i, 0); }
  void show(std::size_t i, const std::optional<token_event>& event) {
    if (!event) return;
    reply& r = replies_[i];
    if (event->id != no_token) r.tokens.push_back(event->id);
    r.left = !on_event_(i, *event);
    if (r.left) r.builder.end(finish::cancelled);
  }

  const nibble::tokenizer& tokenizer_;
  batch_evaluator evaluator_;
  const reply_callback& on_event_;
  sampling_scratch scratch_;
  std::vector<reply> replies_;
  /// The newest token of each reply that goes on: in this step, and in the next.
  std::vector<batch_evaluator::entry> now_, next_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
