/// Observers: what a forward pass did, operation by operation. A typed model has one as a template parameter, or none.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The steps of a forward pass.
enum class operation : std::uint8_t {
  embedding,
  projection,
  attention,
  recurrence,
  mixing,
  feed_forward,
  experts,
  residual,
  output
};

/// "embedding" and so on.
constexpr std::string_view name_of(operation what) noexcept {
  constexpr std::string_view names[] = {"embedding",    "projection", "attention", "recurrence", "mixing",
                                        "feed_forward", "experts",    "residual",  "output"};
  return names[static_cast<std::size_t>(what)];
}

/// One operation that is done.
struct operation_event {
  operation what;
  std::size_t layer;   ///< 0 where it belongs to none
  std::size_t tokens;  ///< of the step
  std::chrono::nanoseconds time;
};

/// Anything that can be called with an event, on the thread that runs the step; it must not throw. All sessions of a model
/// share one, and call it from all of their threads.
/// @example  auto print = [](const nibble::operation_event& e) { log(name_of(e.what), e.layer, e.time); };
///           auto model = nibble::model<nibble::arch::llama, nibble::kv_cache<>, decltype(print)>::load(path, {}, print);
template <class O>
concept step_observer = std::invocable<const O&, const operation_event&>;

/// The observer of models that have none.
struct unobserved {};

/// A reference to an observer of any type, which outlives it, or to none.
class observer_ref {
 public:
  observer_ref() noexcept = default;
  /// Refers to it.
  template <step_observer Observer>
  explicit observer_ref(const Observer& observer) noexcept
      : observer_(&observer),
        show_([](const void* o, const operation_event& event) { (*static_cast<const Observer*>(o))(event); }) {}

  explicit operator bool() const noexcept { return observer_ != nullptr; }
  /// Shows an event to the observer that there must be.
  void operator()(const operation_event& event) const { show_(observer_, event); }

 private:
  const void* observer_ = nullptr;
  void (*show_)(const void* observer, const operation_event& event) = nullptr;
};

/// Times a scope for an observer, if there is one.
class watch_scope {
 public:
  /// Begins; the event's time is filled in at the end.
  watch_scope(observer_ref observer, const operation_event& event) noexcept : observer_(observer), event_(event) {
    if (observer_) began_ = std::chrono::steady_clock::now();
  }
  watch_scope(const watch_scope&) = delete;
  watch_scope& operator=(const watch_scope&) = delete;
  ~watch_scope() {
    if (!observer_) return;
    event_.time = std::chrono::steady_clock::now() - began_;
    observer_(event_);
  }

 private:
  observer_ref observer_;
  operation_event event_;
  std::chrono::steady_clock::time_point began_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
