/// The executor concept: where the library's parallel work runs. A host passes its own; thread_pool is the default.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What an executor is given to call: a callable by reference, two pointers wide. It may be copied, and called on any thread,
/// until the run() that it was given to has returned or thrown.
class executor_task {
 public:
  /// Refers to f, which outlives it.
  template <std::invocable<std::size_t> F>
  requires(!std::same_as<std::remove_cvref_t<F>, executor_task>) explicit executor_task(F& f) noexcept
      : context_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* context, std::size_t i) { static_cast<void>((*static_cast<F*>(context))(i)); }) {}

  /// Calls it for task i.
  void operator()(std::size_t i) const { call_(context_, i); }

 private:
  void* context_;
  void (*call_)(void* context, std::size_t i);
};

/// Runs f(i) once for every i in [0, n), in any order and on any threads, and returns when all calls have. `concurrency()` is
/// how many may run at once: a hint for splitting work, never for results, which are the same for every executor; 0 and less
/// count as 1.
///
/// f is an executor_task, which a run(std::size_t, std::function<void(std::size_t)>) takes, too. n is no number of threads: it
/// is a few times concurrency() for most work, and up to many thousand where there is so much to do (the attention of long
/// prompts, loading), so an executor hands out ranges, or a counter. A task never calls run(), and tasks do not wait for each
/// other; but sessions of several threads call run() at the same time.
///
/// What run() throws reaches whoever called nibble: loading and quantizing leave nothing behind, a step is undone and its
/// sequences hold the same tokens as before (what they can be cut back to may be less: see sequence::rollback). When it throws,
/// none of its tasks runs any more, nor will.
/// @example  struct my_executor {
///             std::size_t concurrency() const { return pool.size(); }
///             void run(std::size_t n, nibble::executor_task f) { pool.parallel_for(0, n, f); }
///           };
template <class E>
concept executor = requires(E& e, std::size_t n, const executor_task& f) {
  { e.concurrency() } -> std::convertible_to<std::size_t>;
  e.run(n, f);
};

/// Runs everything on the calling thread.
struct inline_executor {
  /// See the concept executor.
  std::size_t concurrency() const noexcept { return 1; }
  template <std::invocable<std::size_t> F>
  void run(std::size_t n, F&& f) const noexcept(std::is_nothrow_invocable_v<F&, std::size_t>) {
    for (std::size_t i = 0; i < n; ++i) f(i);
  }
};

/// A reference to any executor, which outlives it: what the library keeps. Without one, everything runs on the calling thread.
class executor_ref {
 public:
  /// Work is split for no more threads than this, whatever an executor says.
  static constexpr std::size_t most_threads = 4096;

  executor_ref() noexcept : self_(nullptr), run_(&run_inline), concurrency_(1) {}
  /// @errors  what e.concurrency() throws
  template <executor E>
  requires(!std::same_as<std::remove_cvref_t<E>, executor_ref>) executor_ref(E& e)
      : self_(const_cast<void*>(static_cast<const void*>(std::addressof(e)))),
        run_(&run_on<E>),
        concurrency_(threads_of(e.concurrency())) {}

  /// From 1 to most_threads.
  std::size_t concurrency() const noexcept { return concurrency_; }
  /// @errors  what the executor throws
  template <std::invocable<std::size_t> F>
  void run(std::size_t n, F&& f) const {
    if (n == 1) return static_cast<void>(f(std::size_t{0}));
    run_(self_, n, executor_task(f));
  }

 private:
  template <class Count>
  static std::size_t threads_of(const Count& count) {
    if constexpr (std::is_signed_v<Count>) {
      if (!(count > 0)) return 1;
    }
    return std::clamp(static_cast<std::size_t>(count), std::size_t{1}, most_threads);
  }
  static void run_inline(void*, std::size_t n, const executor_task& f) {
    for (std::size_t i = 0; i < n; ++i) f(i);
  }
  template <class E>
  static void run_on(void* self, std::size_t n, const executor_task& f) {
    static_cast<E*>(self)->run(n, f);
  }

  void* self_;
  void (*run_)(void* self, std::size_t n, const executor_task& f);
  std::size_t concurrency_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
