/// How a caller ends a call from another thread. The standard's own is taken too, where the standard library has one.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <version>

#ifdef __cpp_lib_jthread
#include <stop_token>
#endif

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Whether a call shall end early. Calls that take one look at it between layers, from any thread. Copies see the same.
class stop_token {
 public:
  /// Nobody asks to stop.
  stop_token() noexcept = default;
  /// Stops when the flag is true. The flag is the host's: it outlives the calls that look at it.
  explicit stop_token(const std::atomic<bool>& flag) noexcept : flag_(std::shared_ptr<void>(), &flag) {}
#ifdef __cpp_lib_jthread
  stop_token(std::stop_token other) noexcept : standard_(std::move(other)) {}
#endif

  /// Whether it is time to end.
  bool stop_requested() const noexcept {
#ifdef __cpp_lib_jthread
    if (standard_.stop_requested()) return true;
#endif
    return flag_ && flag_->load(std::memory_order_acquire);
  }

 private:
  friend class stop_source;
  explicit stop_token(std::shared_ptr<const std::atomic<bool>> flag) noexcept : flag_(std::move(flag)) {}

  std::shared_ptr<const std::atomic<bool>> flag_;
#ifdef __cpp_lib_jthread
  std::stop_token standard_;
#endif
};

/// The other end: whoever holds it may stop the calls that were given its token. Copies stop the same calls.
/// @example  nibble::stop_source cancel;  // another thread: cancel.request_stop()
///           session.generate("Once", {.cancel = cancel.get_token()});
class stop_source {
 public:
  stop_source() : flag_(std::make_shared<std::atomic<bool>>(false)) {}

  /// What calls are given, any number of them.
  stop_token get_token() const noexcept { return stop_token(std::shared_ptr<const std::atomic<bool>>(flag_)); }
  /// Whether it was asked already.
  bool stop_requested() const noexcept { return flag_->load(std::memory_order_acquire); }
  /// Touches a flag and nothing else: it may be called where little else may, such as in a signal handler.
  /// @returns  whether this was the first call
  bool request_stop() const noexcept { return !flag_->exchange(true, std::memory_order_acq_rel); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
