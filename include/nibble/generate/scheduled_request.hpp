/// What a scheduler knows of a request between its submission and its end.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "nibble/generate/answer.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/scheduler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

using schedule_clock = std::chrono::steady_clock;

/// Somebody who waits for an answer.
struct answer_reader {
  answer_reader(request& r, std::shared_ptr<answer_state> to)
      : state(std::move(to)),
        on_event(std::move(r.on_event)),
        deadline(r.deadline),
        cancel(r.options.cancel),
        prompt_tokens(r.prompt.size()) {
    state->reports = r.options.logprobs;
  }

  /// Why it does not wait any more, or finish::none.
  finish over(schedule_clock::time_point now) const {
    if (cancel.stop_requested() || state->is_cancelled()) return finish::cancelled;
    return deadline && *deadline <= now ? finish::too_late : finish::none;
  }

  std::shared_ptr<answer_state> state;
  std::function<void(const token_event&)> on_event;
  std::optional<schedule_clock::time_point> deadline;
  stop_token cancel;
  std::size_t prompt_tokens;
  schedule_clock::time_point came = schedule_clock::now();
};

/// A request, or some that are the same.
struct scheduled_request {
  scheduled_request(const nibble::tokenizer& tokenizer, request r, std::shared_ptr<answer_state> to,
                    std::chrono::nanoseconds aging)
      : shared(r.coalesce),
        due(double(schedule_clock::now().time_since_epoch() / std::chrono::nanoseconds(1)) -
            double(r.priority) * double(aging.count())) {
    readers.emplace_back(r, std::move(to));
    tokens = std::move(r.prompt);
    prompt_tokens = tokens.size();
    adapters = std::move(r.adapters);
    builder.emplace(tokenizer, std::move(r.options));
  }

  /// Tokens that its sequence does not have yet.
  std::size_t left() const noexcept { return tokens.size() - fed; }
  bool ended() const noexcept { return builder->reason() != finish::none; }
  bool before(const scheduled_request& other) const noexcept {
    return due != other.due ? due < other.due : number < other.number;
  }
  /// Whether its answer, which has not begun, will be that to `other`, too.
  bool answers(const scheduled_request& other) const {
    const generate_options &a = builder->options(), &b = other.builder->options();
    return shared && other.shared && generated == 0 && prompt_tokens == other.prompt_tokens && a.seed == b.seed &&
           a.max_tokens == b.max_tokens && a.stop == b.stop && a.stop_tokens == b.stop_tokens &&
           a.show_special == b.show_special && a.logprobs == b.logprobs && a.alternatives == b.alternatives &&
           adapters == other.adapters && std::equal(other.tokens.begin(), other.tokens.end(), tokens.begin());
  }

  std::optional<event_builder> builder;
  std::vector<token> tokens;  // its prompt, and its answer so far
  std::vector<answer_reader> readers;
  std::vector<float> adapters;               // scales of them
  bool shared;                               // with others that ask the same
  double due;                                // nanoseconds: who has less is more urgent
  std::size_t number = 0;                    // those before it: the first of those that are as urgent
  std::size_t prompt_tokens = 0;             // as they were given
  std::size_t fed = 0;                       // tokens that its sequence has
  std::optional<std::size_t> sequence = {};  // while it runs
  std::size_t given = 0;                     // tokens in the step that is made
  std::size_t most_new = 0;                  // tokens of its answer that there is memory for

  std::size_t generated = 0, cached = 0, processed = 0, preemptions = 0;
  std::optional<schedule_clock::time_point> started = {}, first_token = {}, last_token = {};
  std::exception_ptr thrown = {};
};

/// What there is to tell a reader about its request.
inline request_stats stats_of(const scheduled_request& r, const answer_reader& reader) {
  const auto since = [&](const std::optional<schedule_clock::time_point>& then) {
    return then && *then > reader.came ? *then - reader.came : std::chrono::nanoseconds(0);
  };
  request_stats s;
  s.prompt_tokens = reader.prompt_tokens, s.generated_tokens = r.generated;
  s.cached_tokens = r.cached, s.processed_tokens = r.processed, s.preemptions = r.preemptions;
  s.queue_time = since(r.started), s.first_token_time = since(r.first_token), s.total_time = since(schedule_clock::now());
  return s;
}

using request_list = std::vector<std::unique_ptr<scheduled_request>>;

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
