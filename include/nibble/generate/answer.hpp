/// answer: what a scheduler makes of one request, to be read on any thread while it grows.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  finish reason = finish::none;
  request_stats stats;
  std::exception_ptr thrown;
  bool cancelled = false;

  void add(const token_event& event) {
    {
      const std::lock_guard lock(changing);
      text += event.text;
      if (event.id != no_token) ids.push_back(event.id);
    }
    if (!event.text.empty()) changed.notify_all();
  }
  bool is_cancelled() {
    const std::lock_guard lock(changing);
    return cancelled;
  }
  void end(finish how, const request_stats& s, std::exception_ptr what = nullptr) {
    {
      const std::lock_guard lock(changing);
      reason = how, stats = s, thrown = std::move(what);
    }
    changed.notify_all();
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
  /// Waits for the end, and says which it is.
  /// @errors  what the request's on_event or sampler threw
  finish wait() const {
    std::unique_lock lock(state_->changing);
    state_->changed.wait(lock, [&] { return state_->reason != finish::none; });
    rethrow();
    return state_->reason;
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

}  // namespace NIBBLE_ABI
}  // namespace nibble
