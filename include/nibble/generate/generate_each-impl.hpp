/// The definitions behind generate_each.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/generate_each.hpp"
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
      : tokenizer_(model.tokenizer()), evaluator_(std::move(evaluator)), on_event_(on_event), scratch_(tokenizer_.size()) {}

  /// Reads a prompt, and makes the first token of its reply.
  void begin(std::string_view prompt, generate_options options) {
    const std::size_t i = replies_.size();
    const std::stop_token cancel = options.cancel;
    std::vector<token> tokens = tokenizer_.encode(prompt, {.special = options.parse_special});
    reply& r = replies_.emplace_back(reply{event_builder(tokenizer_, std::move(options)), std::move(tokens)});
    const auto first = tokenizer_.bos() ? tokenizer_.bos() : tokenizer_.eos();
    if (r.tokens.empty() && !first) return end(i, finish::end_of_text);
    if (r.tokens.empty()) r.tokens.push_back(*first);
    if (r.builder.remaining() == 0) return end(i, finish::max_tokens);
    if (r.tokens.size() >= evaluator_.context()) return end(i, finish::context_full);
    if (evaluator_.feed(i, r.tokens, cancel) != feed_outcome::done) return end(i, finish::cancelled);
    make_event(i, evaluator_.logits(0));
  }

  /// One more token for all replies that are not at their end; false if none is left.
  bool step(const std::stop_token& cancel) {
    const std::vector<batch_evaluator::entry> now = std::exchange(next_, {});
    const bool done = !now.empty() && evaluator_.step(now, cancel) == feed_outcome::done;
    for (std::size_t row = 0; row < now.size(); ++row) {
      const std::size_t i = now[row].sequence;
      done ? make_event(i, evaluator_.logits(row)) : end(i, finish::cancelled);
    }
    return !next_.empty();
  }

  std::vector<finish> reasons() const {
    std::vector<finish> out;
    for (const reply& r : replies_) out.push_back(r.builder.reason());
    return out;
  }

 private:
  struct reply {
    event_builder builder;
    std::vector<token> tokens;  // its prompt's too
  };

  void make_event(std::size_t i, std::span<float> logits) {
    reply& r = replies_[i];
    show(i, r.builder.next(logits, r.tokens, scratch_));
    if (r.builder.reason() != finish::none) return;
    if (r.tokens.size() == evaluator_.context()) return end(i, finish::context_full);
    next_.push_back({i, r.tokens.back()});
  }
  void end(std::size_t i, finish reason) { show(i, replies_[i].builder.end(reason)); }
  void show(std::size_t i, const std::optional<token_event>& event) {
    if (!event) return;
    if (event->id != no_token) replies_[i].tokens.push_back(event->id);
    if (!on_event_(i, *event)) replies_[i].builder.end(finish::cancelled);
  }

  const nibble::tokenizer& tokenizer_;
  batch_evaluator evaluator_;
  const each_callback& on_event_;
  sampling_scratch scratch_;
  std::vector<reply> replies_;
  std::vector<batch_evaluator::entry> next_;  // the newest token of each reply that goes on
};

result<std::vector<finish>> generate_each(const any_model& model, std::span<const std::string> prompts,
                                          const generate_options& options, const each_callback& on_event,
                                          session_options room) {
  if (prompts.empty()) return std::vector<finish>();
  room.marks = false;  // none is cut back
  NIBBLE_TRY(check_generates(model, room));
  auto evaluator = batch_evaluator::try_create(model, prompts.size(), room);
  if (!evaluator) return std::move(evaluator).failure();
  memory_plan plan = model.plan(room, prompts.size());
  plan.sampling = sampling_scratch::planned_bytes(model.vocabulary());
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
