/// compute: what every layer needs beside its operands: kernels, an executor, scratch memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <span>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/core/executor.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/layers/low_rank.hpp"
#include "nibble/tensor/scratch.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// All work of a layer happens inside for_each(). With a measuring arena it is left out: a forward pass then only adds up the
/// memory that it would take, which is how a plan is exact.
///
/// Layers are noexcept: when the executor throws, the compute keeps the exception, and all else runs on the calling thread.
/// What a layer has written is then of no use; rethrow() tells, once layers are done. Under NIBBLE_CHECKED a layer throws where
/// its own precondition is broken; what a task breaks is kept as an executor's exception is, unless it is the only task.
class compute {
 public:
  compute(const kernel_table& kernels, executor_ref executor, scratch_arena& scratch) noexcept
      : kernels_(&kernels), executor_(executor), scratch_(&scratch) {}
  compute(const compute&) = delete;
  compute& operator=(const compute&) = delete;

  const kernel_table& kernels() const noexcept { return *kernels_; }
  std::size_t concurrency() const noexcept { return executor_.concurrency(); }
  scratch_arena& scratch_memory() noexcept { return *scratch_; }
  /// Whether only sizes are asked for: scratch has no memory then, and no work is done.
  bool measuring() const noexcept { return scratch_->measuring(); }

  /// From now on products are changed by these.
  void adapt(std::span<const active_adapter> adapters) noexcept { adapters_ = adapters; }
  std::span<const active_adapter> adapters() const noexcept { return adapters_; }

  /// Scratch of (tokens, width), valid until the step ends or the arena is rewound. Not initialized.
  /// @errors  none; precondition: see scratch_arena::take
  activations scratch(std::size_t tokens, std::size_t width) NIBBLE_NOEXCEPT {
    return {reinterpret_cast<float*>(scratch_->take(product_of_sizes(tokens, width, sizeof(float)))), tokens, width};
  }

  /// f(i) for every i in [0, n), in parallel where n > 1.
  template <class F>
  void for_each(std::size_t n, F&& f) NIBBLE_NOEXCEPT {
    if (scratch_->measuring() || n == 0) return;
    if (n == 1) return static_cast<void>(f(std::size_t{0}));
    run(n, executor_task(f));
  }

  /// f(), of which an exception is kept as the executor's is.
  template <class F>
  void attempt(F&& f) noexcept;

  /// Whether the executor has thrown, or what is attempted.
  bool failed() const noexcept { return failure_ != nullptr; }
  /// Throws what was thrown first, if anything was, once.
  void rethrow();

  /// f(begin, end) over parts of [0, n) that are worth a thread: at least `least` each, a few for each thread.
  template <class F>
  void for_each_range(std::size_t n, std::size_t least, std::size_t parts_a_thread, F&& f) NIBBLE_NOEXCEPT {
    const std::size_t most = concurrency() == 1 ? 1 : parts_a_thread * concurrency();
    const std::size_t parts = std::max<std::size_t>(1, std::min(n / least, most));
    for_each(parts, [&](std::size_t i) { f(n * i / parts, n * (i + 1) / parts); });
  }
  template <class F>
  void for_each_range(std::size_t n, std::size_t least, F&& f) NIBBLE_NOEXCEPT {
    for_each_range(n, least, 4, std::forward<F>(f));
  }

 private:
  void run(std::size_t n, const executor_task& f) noexcept;

  const kernel_table* kernels_;
  executor_ref executor_;
  scratch_arena* scratch_;
  std::span<const active_adapter> adapters_;
  std::exception_ptr failure_;
};

template <class F>
void compute::attempt(F&& f) noexcept {
#if NIBBLE_EXCEPTIONS
  try {
    f();
  } catch (...) {
    if (!failed()) failure_ = std::current_exception();
  }
#else
  f();
#endif
}

/// Gives scratch back at the end of a scope: for memory that does not outlive a layer.
class scratch_scope {
 public:
  explicit scratch_scope(compute& c) noexcept : arena_(c.scratch_memory()), used_(arena_.used()) {}
  scratch_scope(const scratch_scope&) = delete;
  ~scratch_scope() { arena_.rewind(used_); }

 private:
  scratch_arena& arena_;
  std::size_t used_;
};

/// Elements that a thread should at least get of an elementwise step.
inline constexpr std::size_t least_elements = 16384;
constexpr std::size_t least_tokens(std::size_t width) noexcept {
  return width >= least_elements ? 1 : least_elements / (width + 1) + 1;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
