/// generation: the tokens of one reply, as a range of events that are made while it is read.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/generate/sequence.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/generate/stop_strings.hpp"
#include "nibble/sample/sampler.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// What a generation begins with.
struct prompt {
  std::vector<token> tokens;
  bool whole = false;  ///< the whole sequence, not what comes next: the beginning that both share is kept
};
}  // namespace detail

/// One reply of a session: an input range of token_event. Nothing is computed before begin(), which processes the prompt; each
/// step then makes one event.
///
/// Every token that joins the session has one event, with the text that is whole by now: the bytes of an unfinished character,
/// and what may be the beginning of a stop string, wait for a later event. What waits at the end comes with the last token, or
/// with an event of no token. A token that ends the text has no event and does not join the session; those of a stop string do.
/// A sampler that leaves no candidate ends the text too.
///
/// Leaving the range at any event leaves the session behind that event's token, ready to go on. A generation must not outlive
/// its session; when a later one of the same session begins, the earlier one is over (finish::cancelled).
/// @errors   none but what a user's own sampler throws: the session then stands behind the last event's token
/// @example  auto reply = session.generate("Once upon a time", {.max_tokens = 100});
///           for (auto& event : reply) show(event.text);
///           if (reply.reason() == nibble::finish::context_full) tell_the_user();
class generation {
 public:
  class iterator;

  /// Processes the prompt, and makes the first event. Once: later calls give the event that the range stands at.
  iterator begin();
  std::default_sentinel_t end() const noexcept { return {}; }

  /// How it ended; finish::none as long as it has not.
  finish reason() const noexcept { return reason_; }
  const generation_stats& stats() const noexcept { return stats_; }

 private:
  template <class Model>
  friend class basic_session;

  generation(detail::sequence& sequence, detail::prompt prompt, generate_options options)
      : sequence_(&sequence),
        prompt_(std::move(prompt)),
        options_(std::move(options)),
        stop_filter_(options_.stop),
        random_(options_.seed) {}

  void advance();
  bool make_event();
  finish prefill();
  finish take_last_token();
  token choose();
  void take_text(token id);
  void flush_text();
  bool end_with(finish reason);

  detail::sequence* sequence_;
  detail::prompt prompt_;
  generate_options options_;
  stop_filter stop_filter_;
  utf8_stream characters_;
  std::string piece_, whole_, text_;  // of one token: its bytes, its characters, and those that no stop string holds back
  rng random_;
  std::vector<float> unchanged_;  // the model's own logits, where log-probabilities are asked for
  token_event event_{};
  finish reason_ = finish::none;
  generation_stats stats_;
  std::size_t number_ = 0;  // among those of the session that have begun; 0: not begun
  bool has_event_ = false;
};

/// Points into its generation, which must stay where it is.
class generation::iterator {
 public:
  using value_type = token_event;
  using difference_type = std::ptrdiff_t;

  iterator() noexcept = default;
  /// Its text is valid until the next event.
  const token_event& operator*() const noexcept { return generation_->event_; }
  const token_event* operator->() const noexcept { return &generation_->event_; }
  iterator& operator++() {
    generation_->advance();
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const noexcept { return !generation_->has_event_; }

 private:
  friend class generation;
  explicit iterator(generation& g) noexcept : generation_(&g) {}
  generation* generation_ = nullptr;
};

inline generation::iterator generation::begin() {
  if (number_ == 0) {
    number_ = ++sequence_->generations;
    const std::size_t longest = sequence_->longest_piece() + 16;
    piece_.reserve(longest);
    whole_.reserve(3 * longest);  // a byte that is no UTF-8 becomes three
    std::size_t held = 0;
    for (const std::string& stop : options_.stop) held = std::max(held, stop.size());
    text_.reserve(3 * longest + held);
    if (options_.logprobs) unchanged_.resize(sequence_->words().size());
    advance();
  }
  return iterator(*this);
}

/// The next event, or the end.
/// @cost  one forward pass; no allocation after the first
inline void generation::advance() {
  const bool first = stats_.generated_tokens == 0;
  const auto began = std::chrono::steady_clock::now();
  has_event_ = reason_ == finish::none && make_event();
  (first ? stats_.prompt_time : stats_.generation_time) += std::chrono::steady_clock::now() - began;
  if (sequence_->generations == number_) sequence_->stats = stats_;
}

inline bool generation::make_event() {
  detail::sequence& s = *sequence_;
  if (s.generations != number_) return end_with(finish::cancelled);
  const finish hindrance = stats_.generated_tokens == 0 ? prefill() : take_last_token();
  if (hindrance != finish::none) return end_with(hindrance);
  const token id = choose();
  if (stats_.generated_tokens > 0) ++stats_.generation_steps;
  if (id == no_token || s.words().is_end(id)) return end_with(finish::end_of_text);
  s.append(id);
  ++stats_.generated_tokens;
  take_text(id);
  if (stop_filter_.stopped()) {
    reason_ = finish::stop_string;
  } else if (stats_.generated_tokens == options_.max_tokens) {
    flush_text();
    reason_ = finish::max_tokens;
  }
  event_.id = id;
  event_.text = text_;
  event_.logprob = options_.logprobs ? log_probability(unchanged_, id) : std::numeric_limits<float>::quiet_NaN();
  return true;
}

/// Appends the prompt to the sequence and processes it; finish::none if a token can be chosen then.
inline finish generation::prefill() {
  detail::sequence& s = *sequence_;
  const detail::prompt prompt = std::exchange(prompt_, {});
  std::size_t kept = s.tokens().size();
  if (prompt.whole) {
    const auto has = s.tokens();
    const auto differ = std::mismatch(has.begin(), has.end(), prompt.tokens.begin(), prompt.tokens.end());
    kept = static_cast<std::size_t>(differ.first - has.begin());
  }
  const std::span<const token> added = std::span(prompt.tokens).subspan(prompt.whole ? kept : 0);
  if (added.size() > s.context() - kept) return finish::context_full;
  s.truncate(kept);
  s.append(added);
  if (s.tokens().empty()) {
    const auto first = s.words().bos() ? s.words().bos() : s.words().eos();
    if (options_.max_tokens == 0 || !first) return options_.max_tokens == 0 ? finish::max_tokens : finish::end_of_text;
    s.append(*first);
  }
  const std::size_t processed = s.processed();
  const feed_outcome outcome = s.process(options_.cancel);
  stats_.prompt_tokens = s.processed() - processed;
  if (outcome == feed_outcome::cancelled) {
    s.forget_unprocessed(kept);
    return finish::cancelled;
  }
  if (options_.max_tokens == 0) return finish::max_tokens;
  return s.room() == 0 ? finish::context_full : finish::none;
}

/// Processes the token of the last event.
inline finish generation::take_last_token() {
  if (sequence_->room() == 0) return finish::context_full;
  return sequence_->process(options_.cancel) == feed_outcome::cancelled ? finish::cancelled : finish::none;
}

inline token generation::choose() {
  const std::span<float> logits = sequence_->take_logits();
  if (options_.logprobs) std::copy(logits.begin(), logits.end(), unchanged_.begin());
  sequence_->choices.assign(logits);
  sample_context context{sequence_->tokens(), random_};
  return options_.sampler.choose(sequence_->choices, context);
}

inline void generation::take_text(token id) {
  piece_.clear();
  whole_.clear();
  if (options_.show_special && sequence_->words().is_control(id)) {
    piece_ = sequence_->words().piece(id);
  } else {
    sequence_->words().append_piece(id, piece_);
  }
  characters_.feed(piece_, whole_);
  text_ = stop_filter_.feed(whole_);
}

/// Appends what was held back to the text, an unfinished character as U+FFFD.
inline void generation::flush_text() {
  whole_.clear();
  characters_.finish(whole_);
  text_ += stop_filter_.feed(whole_);
  text_ += stop_filter_.flush();
}

/// The end, behind one more event if text was held back.
inline bool generation::end_with(finish reason) {
  reason_ = reason;
  text_.clear();
  flush_text();
  event_ = {no_token, text_, std::numeric_limits<float>::quiet_NaN()};
  return !text_.empty();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
