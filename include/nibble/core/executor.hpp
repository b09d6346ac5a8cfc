/// The executor concept: where the library's parallel work runs. A host passes its own; thread_pool is the default.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Runs f(i) for every i in [0, n), on any threads, and returns when all are done. `concurrency()` is how many may run at once:
/// a hint for splitting work, never for results, which are the same for every executor.
template <class E>
concept executor = requires(E& e, std::size_t n, void (*f)(std::size_t)) {
  { e.concurrency() } -> std::convertible_to<std::size_t>;
  e.run(n, f);
};

/// Runs everything on the calling thread.
struct inline_executor {
  std::size_t concurrency() const noexcept { return 1; }
  template <std::invocable<std::size_t> F>
  void run(std::size_t n, F&& f) const noexcept(std::is_nothrow_invocable_v<F&, std::size_t>) {
    for (std::size_t i = 0; i < n; ++i) f(i);
  }
};

/// A reference to any executor, two pointers wide: what layers see.
///
/// @errors  none: tasks given to run() must not throw
class executor_ref {
 public:
  executor_ref() noexcept : self_(nullptr), run_(&run_inline), concurrency_(1) {}
  template <executor E>
  requires(!std::same_as<std::remove_cvref_t<E>, executor_ref>) executor_ref(E& e)
  noexcept : self_(std::addressof(e)), run_(&run_on<E>), concurrency_(e.concurrency()) {}

  std::size_t concurrency() const noexcept { return concurrency_; }
  template <std::invocable<std::size_t> F>
  void run(std::size_t n, F&& f) const noexcept {
    if (n == 1) return static_cast<void>(f(std::size_t{0}));
    run_(self_, n, const_cast<void*>(static_cast<const void*>(std::addressof(f))),
         [](void* context, std::size_t i) { (*static_cast<std::remove_reference_t<F>*>(context))(i); });
  }

 private:
  using task = void (*)(void* context, std::size_t index);
  static void run_inline(void*, std::size_t n, void* context, task t) {
    for (std::size_t i = 0; i < n; ++i) t(context, i);
  }
  template <class E>
  static void run_on(void* self, std::size_t n, void* context, task t) {
    static_cast<E*>(self)->run(n, [=](std::size_t i) { t(context, i); });
  }

  void* self_;
  void (*run_)(void*, std::size_t, void*, task);
  std::size_t concurrency_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
