/// thread_pool: the executor that a host without one of its own uses.
///
/// The calling thread takes part, and nobody waits for a worker that has not begun: run() opens a gate, whoever comes through
/// it takes indices, and once they are all taken the gate closes and only those inside are waited for. A worker that the
/// system did not schedule in time is simply not part of the job, so more workers than cores cost little.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>

#include "nibble/error.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {
class pool_state;

/// A job's function, and the first of the exceptions that leave it. Caught here, in the caller's file: the one that the pool is
/// compiled in may know no exceptions.
template <class F>
class pool_job {
 public:
  explicit pool_job(F& f) noexcept : f_(f) {}
  /// False if it threw.
  bool operator()(std::size_t i) {
#if NIBBLE_EXCEPTIONS
    try {
      f_(i);
    } catch (...) {
      if (!failed_.test_and_set()) failure_ = std::current_exception();
      return false;
    }
#else
    f_(i);
#endif
    return true;
  }
  void rethrow() const {
#if NIBBLE_EXCEPTIONS
    if (failure_) std::rethrow_exception(failure_);
#endif
  }

 private:
  F& f_;
  std::atomic_flag failed_;
  std::exception_ptr failure_;
};
}  // namespace detail

/// A fixed number of threads that share the indices of one run() at a time.
///
/// Threads do not come along into a child of fork(): there a pool that was made before runs everything on the calling thread,
/// whatever its workers did at the fork, and may be destroyed. So a child generates with a model of its parent's, in sessions
/// of its own; a session that another thread used at the fork is in the middle of a step, and may only be destroyed.
///
/// @example  nibble::thread_pool pool(4);  // three workers and the caller
///           std::vector<float> squares(1000);
///           pool.run(squares.size(), [&](std::size_t i) { squares[i] = float(i) * float(i); });
class thread_pool {
 public:
  /// More threads than this are never started.
  static constexpr std::size_t max_threads = 1024;

  /// Starts `threads - 1` workers; fewer if the system refuses some: see concurrency(). 0: as many threads as the process may
  /// use processors, by its affinity and the quotas of its control groups. Workers block all signals.
  explicit thread_pool(std::size_t threads = 0);
  /// The same, but a worker that the system refuses is an error.
  /// @errors  io
  static result<thread_pool> try_create(std::size_t threads = 0);

  /// Moving leaves behind a pool without workers. An executor_ref to a pool does not follow it.
  thread_pool(thread_pool&&) noexcept;
  thread_pool& operator=(thread_pool&&) noexcept;
  ~thread_pool();

  /// Threads that take part in run(), the caller included. In a process that was forked from the pool's: 1.
  std::size_t concurrency() const noexcept;

  /// Calls f(i) once for every i in [0, n), in no particular order, and returns when all calls have.
  ///
  /// Several threads may call at once: they take turns. From inside a task of the same pool it runs inline.
  /// @errors  whatever f throws: the first of the exceptions. Indices may be left out then, and f does not run any more when
  ///          run() has thrown
  /// @cost    a few microseconds beside the work; no allocation
  template <std::invocable<std::size_t> F>
  void run(std::size_t n, F&& f);

 private:
  /// False: the rest of the job may be left out.
  using task = bool (*)(void* context, std::size_t index);
  /// True where the caller should just loop: there are no workers, or it is one of them.
  bool runs_inline() const noexcept;
  void run(std::size_t n, void* context, task t);

  std::unique_ptr<detail::pool_state> state_;
};

template <std::invocable<std::size_t> F>
void thread_pool::run(std::size_t n, F&& f) {
  if (n < 2 || runs_inline()) {
    for (std::size_t i = 0; i < n; ++i) f(i);
    return;
  }
  using job = detail::pool_job<std::remove_reference_t<F>>;
  job j(f);
  run(n, &j, [](void* context, std::size_t i) { return (*static_cast<job*>(context))(i); });
  j.rethrow();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
