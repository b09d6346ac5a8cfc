/// Observers: what a forward pass did, operation by operation. A typed model has one as a template parameter, or none, which
/// costs nothing.
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

/// What watching means where nobody does.
struct unwatched {
  ~unwatched() {}  // so that naming one is no unused variable
};

/// Times a scope.
template <step_observer Observer>
class watch_scope {
 public:
  watch_scope(const Observer* observer, const operation_event& event) noexcept : observer_(observer), event_(event) {}
  watch_scope(const watch_scope&) = delete;
  ~watch_scope() {
    if (!observer_) return;
    event_.time = std::chrono::steady_clock::now() - began_;
    (*observer_)(event_);
  }

 private:
  const Observer* observer_;
  operation_event event_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
