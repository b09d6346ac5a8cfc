/// The definitions behind generate_each.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/generate_each.hpp"
#include "nibble/generate/in_sight.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/scratch_plan.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The replies of one call.
class each_replies {
 public:
  each_replies(const any_model& model, batch_evaluator evaluator, const each_callback& on_event)
      : tokenizer_(model.tokenizer()), evaluator_(std::move(evaluator)), on_event_(on_event), scratch_(tokenizer_.size()) {
    replies_.reserve(evaluator_.sequences());
    now_.reserve(evaluator_.sequences()), next_.reserve(evaluator_.sequences());
  }

  /// Reads a prompt, and makes the first token of its reply.
  void begin(std::string_view prompt, generate_options options) {
    const std::size_t i = replies_.size();
    const stop_token cancel = options.cancel;
    std::vector<token> tokens = tokenizer_.encode(prompt, {.special = options.parse_special});
    reply& r = replies_.emplace_back(reply{event_builder(tokenizer_, std::move(options)), std::move(tokens)});
    const std::size_t room = evaluator_.most_tokens(), most = r.builder.remaining();
    const finish early = end_before_prompt(tokenizer_, room, 0, r.tokens.size(), most);
    if (early != finish::none) return end(i, early);
    if (r.tokens.empty()) r.tokens.push_back(*beginning_of_text(tokenizer_));
    const finish behind = end_behind_prompt(room - r.tokens.size(), most);
    if (cancel.stop_requested()) return end(i, finish::cancelled);
    if (behind != finish::none) return end(i, behind);  // nobody goes on from such a prompt: it is not processed
    r.tokens.reserve(std::min(sum_of_sizes(r.tokens.size(), most), tokens_in_sight()));
    const feed_outcome how = evaluator_.feed(i, r.tokens, cancel);
    how == feed_outcome::done ? make_event(i, evaluator_.logits(0)) : end(i, finish_of(how));
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
      how == feed_outcome::done ? make_event(i, evaluator_.logits(row)) : end(i, finish_of(how));
    }
    return !next_.empty();
  }

  std::vector<finish> reasons() const {
    std::vector<finish> out;
    for (const reply& r : replies_) out.push_back(r.left ? finish::cancelled : r.builder.reason());
    return out;
  }

 private:
  struct reply {
    event_builder builder;
    std::vector<token> tokens;  // its prompt's too, but for those that are forgotten
    bool left = false;          // by who is called with its events
    std::size_t forgotten = 0;
  };
  /// Tokens that a reply has at most: where the context slides, the newest is not processed.
  std::size_t tokens_in_sight() const { return evaluator_.context() + evaluator_.sliding().slides(); }

  void make_event(std::size_t i, std::span<float> logits) {
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
  const each_callback& on_event_;
  sampling_scratch scratch_;
  std::vector<reply> replies_;
  std::vector<batch_evaluator::entry> now_,
      next_;  // the newest token of each reply that goes on: in this step, and in the next
};

result<std::vector<finish>> generate_each(const any_model& model, std::span<const std::string> prompts,
                                          const generate_options& options, const each_callback& on_event,
                                          session_options room) {
  if (prompts.empty()) return std::vector<finish>();
  room.marks = false, room.state_interval = 0;  // none is cut back
  NIBBLE_TRY(check_generates(model, room));
  auto evaluator = batch_evaluator::try_create(model, prompts.size(), room);
  if (!evaluator) return std::move(evaluator).failure();
  memory_plan plan = model.plan(room, prompts.size());
  plan.sampling = sum_of_sizes(sampling_scratch::planned_bytes(model.vocabulary()),
                               product_of_sizes(prompts.size(), evaluator->context() + room.when_full.slides, sizeof(token)));
  NIBBLE_TRY(check_cap("model and replies", plan.total(), model.memory_cap()));
  each_replies replies(model, *std::move(evaluator), on_event);
  generate_options of_one = options;
  for (const std::string& prompt : prompts) {
    replies.begin(prompt, of_one);
    ++of_one.seed;
  }
  while (replies.step(options.cancel)) continue;
  return replies.reasons();
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
