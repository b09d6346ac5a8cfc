/// answer: what a scheduler makes of one request, to be read on any thread while it grows.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/core/deadline.hpp"
#include "nibble/core/thrown_by.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/generate/event.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Counts and times of one request.
struct request_stats {
  std::size_t prompt_tokens = 0, generated_tokens = 0;
  std::size_t cached_tokens = 0;                 ///< of the prompt, that were there already: see session_options::prefix_cache
  std::size_t processed_tokens = 0;              ///< those that were not, and again after each time that it had to make room
  std::size_t preemptions = 0;                   ///< times that it had to
  std::chrono::nanoseconds queue_time{0};        ///< until it was first given room
  std::chrono::nanoseconds first_token_time{0};  ///< until its first token, from when it was submitted; 0 if there was none
  std::chrono::nanoseconds total_time{0};        ///< until its end
};

namespace detail {
/// What an answer and its scheduler share.
struct answer_state {
  std::mutex changing;
  std::condition_variable changed;
  std::string text;
  std::vector<token> ids;
  std::vector<float> logprobs;  // of each, where the request asked
  bool reports = false;
  finish reason = finish::none;
  request_stats stats;
  std::exception_ptr thrown;
  bool cancelled = false;
  std::vector<std::function<void()>> at_end;

  void add(const token_event& event) {
    {
      const std::lock_guard lock(changing);
      if (event.id != no_token) ids.push_back(event.id);
      if (event.id != no_token && reports) logprobs.push_back(event.logprob);
      text += event.text;
    }
    if (!event.text.empty()) changed.notify_all();
  }
  /// Room for so many tokens, so that adding them takes no memory unless their text is unusually long.
  void reserve(std::size_t tokens) {
    const std::lock_guard lock(changing);
    ids.reserve(tokens), text.reserve(product_of_sizes(tokens, 8));
    if (reports) logprobs.reserve(tokens);
  }
  bool is_cancelled() {
    const std::lock_guard lock(changing);
    return cancelled;
  }
  void end(finish how, const request_stats& s, std::exception_ptr what = nullptr) {
    std::vector<std::function<void()>> calls;
    {
      const std::lock_guard lock(changing);
      reason = how, stats = s, thrown = std::move(what);
      calls.swap(at_end);
    }
    changed.notify_all();
    for (const auto& call : calls) static_cast<void>(thrown_by(call));
  }
};
}  // namespace detail

/// A handle of a request; copies are the same one. It may outlive the scheduler, and may be let go of: the request goes on.
/// @example  auto answer = scheduler.submit({.prompt = ids});
///           while (auto text = answer.next()) show(*text);   // as it grows, while another thread runs the scheduler
class answer {
 public:
  /// Text that came since the last call, empty where there was none; never waits.
  std::string take() {
    const std::lock_guard lock(state_->changing);
    return rest();
  }
  /// Waits for more text. Nothing at the end.
  /// @errors  what the request's on_event or sampler threw
  std::optional<std::string> next() {
    std::unique_lock lock(state_->changing);
    state_->changed.wait(lock, [&] { return state_->text.size() > taken_ || state_->reason != finish::none; });
    if (state_->text.size() > taken_) return rest();
    rethrow();
    return std::nullopt;
  }
  /// The same as a range.
  /// @example  for (const std::string& text : answer.texts()) show(text);
  class text_range;
  text_range texts() &;
  /// Waits for the end, and says which it is.
  /// @errors  what the request's on_event or sampler threw; std::bad_alloc: there was no memory for it
  finish wait() const {
    std::unique_lock lock(state_->changing);
    state_->changed.wait(lock, [&] { return state_->reason != finish::none; });
    rethrow();
    return state_->reason;
  }
  /// Waits for the end, but no longer than this. @returns whether it has come
  bool wait_for(std::chrono::nanoseconds time) const {
    std::unique_lock lock(state_->changing);
    const auto until = detail::deadline_after(std::chrono::steady_clock::now(), time);
    return state_->changed.wait_until(lock, until, [&] { return state_->reason != finish::none; });
  }
  /// Calls f at the end, on the thread that runs the scheduler, where what it throws is dropped; at once where it has come. It
  /// must not destroy the scheduler.
  void on_end(std::function<void()> f) const {
    {
      const std::lock_guard lock(state_->changing);
      if (state_->reason == finish::none) return state_->at_end.push_back(std::move(f));
    }
    f();
  }
  /// finish::none until its end.
  finish reason() const {
    const std::lock_guard lock(state_->changing);
    return state_->reason;
  }
  /// All text and all tokens so far.
  std::string text() const {
    const std::lock_guard lock(state_->changing);
    return state_->text;
  }
  std::vector<token> ids() const {
    const std::lock_guard lock(state_->changing);
    return state_->ids;
  }
  /// The log probability of each of them, where generate_options::logprobs asked; else none. The alternatives of each token are
  /// in the events of request::on_event.
  std::vector<float> logprobs() const {
    const std::lock_guard lock(state_->changing);
    return state_->logprobs;
  }
  /// What the request's on_event or sampler threw, or nothing.
  std::exception_ptr thrown() const {
    const std::lock_guard lock(state_->changing);
    return state_->thrown;
  }
  /// Complete at the end.
  request_stats stats() const {
    const std::lock_guard lock(state_->changing);
    return state_->stats;
  }
  /// Ends it before the next step: finish::cancelled.
  void cancel() {
    const std::lock_guard lock(state_->changing);
    state_->cancelled = true;
  }

 private:
  friend class scheduler;
  explicit answer(std::shared_ptr<detail::answer_state> state) noexcept : state_(std::move(state)) {}
  std::string rest() {
    std::string more = state_->text.substr(taken_);
    taken_ = state_->text.size();
    return more;
  }
  void rethrow() const {
#if NIBBLE_EXCEPTIONS
    if (state_->thrown) std::rethrow_exception(state_->thrown);
#endif
  }

  std::shared_ptr<detail::answer_state> state_;
  std::size_t taken_ = 0;
};

/// The texts of an answer, each as it comes: to be read once, and no longer than the answer is there.
class answer::text_range {
 public:
  explicit text_range(answer& of) noexcept : answer_(&of) {}

  class iterator {
   public:
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    iterator() noexcept = default;
    explicit iterator(answer& of) : answer_(&of), text_(of.next()) {}
    const std::string& operator*() const noexcept { return *text_; }
    iterator& operator++() {
      text_ = answer_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !text_; }

   private:
    answer* answer_ = nullptr;
    std::optional<std::string> text_;
  };
  /// Waits for the first. @errors  as next(), and so does going on
  iterator begin() const { return iterator(*answer_); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  answer* answer_;
};
inline answer::text_range answer::texts() & { return text_range(*this); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
