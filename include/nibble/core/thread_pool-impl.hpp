/// The definitions behind thread_pool.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "nibble/core/aligned.hpp"
#include "nibble/core/processors-impl.hpp"
#include "nibble/core/thread_pool.hpp"

#if __has_include(<pthread.h>) && !defined(_WIN32)
#include <pthread.h>  // reports refusal as a value and never terminates; std::thread throws, and its destructor may end the host
#include <unistd.h>
#include <csignal>
#define NIBBLE_DETAIL_PTHREAD 1
#else
#define NIBBLE_DETAIL_PTHREAD 0
#endif
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <emmintrin.h>
#endif
#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_PLATFORM_WAIT)
#include <condition_variable>
#endif

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Tells the core that this thread waits for another one.
inline void relax_cpu() noexcept {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_pause();
#elif defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  __asm__ volatile("isb");
#endif
}

/// Waits first hot, then politely: spins, then yields; the caller parks if both were not enough.
class patience {
 public:
  /// True as soon as ready() is; false when it is time to park. Spins longer the next time if spinning paid off.
  template <class Ready>
  bool wait(Ready ready) noexcept {
    for (unsigned i = 0; i < spins_; ++i) {
      if (ready()) {
        spins_ = std::min(2 * spins_, most_spins);
        return true;
      }
      relax_cpu();
    }
    for (unsigned i = 0; i < yields; ++i) {
      if (ready()) return true;
      std::this_thread::yield();
    }
    spins_ = std::max(spins_ / 2, least_spins);
    return ready();
  }

 private:
  static constexpr unsigned least_spins = 64, most_spins = 4096, yields = 32;
  unsigned spins_ = 1024;
};

/// Which process this is: after a fork, another one.
inline long process() noexcept {
#if NIBBLE_DETAIL_PTHREAD
  return static_cast<long>(::getpid());
#else
  return 0;
#endif
}

#if NIBBLE_DETAIL_PTHREAD
/// While it lives, threads begin with all signals blocked: a host's handlers run on threads of the host's. Signals that a
/// thread's own fault raises find their handler anywhere.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) ::sigdelset(&all, fault);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  signals_blocked(const signals_blocked&) = delete;
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};
#else
struct signals_blocked {
  signals_blocked() noexcept {}
};
#endif

/// A thread whose start can fail without an exception.
class worker_thread {
 public:
  worker_thread() noexcept = default;
  worker_thread(const worker_thread&) = delete;
  worker_thread& operator=(const worker_thread&) = delete;

#if NIBBLE_DETAIL_PTHREAD
  bool start(void* (*body)(void*), void* context) noexcept { return pthread_create(&thread_, nullptr, body, context) == 0; }
  void join() noexcept { pthread_join(thread_, nullptr); }

 private:
  pthread_t thread_{};
#else
  bool start(void* (*body)(void*), void* context) noexcept {
#if NIBBLE_EXCEPTIONS
    try {
      thread_ = std::thread(body, context);
      return true;
    } catch (...) {  // std::system_error: no more threads, or bad_alloc
      return false;
    }
#else
    thread_ = std::thread(body, context);
    return true;
#endif
  }
  void join() { thread_.join(); }

 private:
  std::thread thread_;
#endif
};

#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_PLATFORM_WAIT)
/// A number that threads wait for, where libstdc++ has no futexes, as on Windows: before version 13 its own wait() looks at the
/// number before it listens, and a wake between the two is lost.
class awaited_number : public std::atomic<std::uint32_t> {
 public:
  using atomic::atomic;
  void wait(std::uint32_t old, std::memory_order order = std::memory_order_seq_cst) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return load(order) != old; });
  }
  void notify_one() {
    { const std::lock_guard listening(mutex_); }
    changed_.notify_one();
  }
  void notify_all() {
    { const std::lock_guard listening(mutex_); }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};
#else
using awaited_number = std::atomic<std::uint32_t>;
#endif

class pool_state {
 public:
  using task = bool (*)(void* context, std::size_t index);

  explicit pool_state(std::size_t workers)
      : workers_(std::make_unique<worker[]>(workers)), shares_(std::make_unique<share_of[]>(workers + 1)) {
    const signals_blocked for_workers;
    while (started_ < workers) {
      worker& w = workers_[started_];
      w.pool = this, w.share = started_ + 1;
      if (!w.thread.start(&worker_main, &w)) break;
      ++started_;
    }
  }
  ~pool_state() {
    if (!here()) return;  // no thread has come along, and what the parent's left behind waits for nobody
    stop_.store(true, std::memory_order_relaxed);
    epoch_.fetch_add(1);
    epoch_.notify_all();
    for (std::size_t i = 0; i < started_; ++i) workers_[i].thread.join();
  }
  pool_state(const pool_state&) = delete;
  pool_state& operator=(const pool_state&) = delete;

  /// Whether this is the process that the workers belong to, not one that was forked from it.
  bool here() const noexcept { return process() == process_; }
  std::size_t workers() const noexcept { return here() ? started_ : 0; }

  /// True on the threads that are inside a task of this pool.
  bool runs_here() const noexcept {
    const auto self = std::this_thread::get_id();
    if (caller_.load(std::memory_order_relaxed) == self) return true;
    for (std::size_t i = 0; i < started_; ++i)
      if (workers_[i].id.load(std::memory_order_relaxed) == self) return true;
    return false;
  }

  void run(std::size_t n, void* context, task t) {
    const std::lock_guard turn(callers_);
    caller_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    context_ = context;
    task_ = t;
    n_ = n;
    chunk_ = std::max<std::size_t>(1, n / (8 * shares()));
    for (std::size_t i = 0; i < shares(); ++i) shares_[i].next.store(first_of(i), std::memory_order_relaxed);
    woken_came_.store(false, std::memory_order_relaxed);
    gate_.store(open, std::memory_order_release);
    epoch_.fetch_add(1);
    const bool woke = take_part_as_caller();
    gate_.fetch_and(~open, std::memory_order_acq_rel);
    const auto empty = [this] { return gate_.load(std::memory_order_acquire) == 0; };
    if (!patience_.wait(empty))
      for (auto inside = gate_.load(std::memory_order_acquire); inside != 0; inside = gate_.load(std::memory_order_acquire))
        gate_.wait(inside, std::memory_order_acquire);
    if (woke) {
      too_late_ = woken_came_.load(std::memory_order_relaxed) ? 0 : std::min(too_late_ + 1, 6u);
      skipped_ = 0;
    }
    caller_.store(std::thread::id(), std::memory_order_relaxed);
  }

 private:
  struct worker {
    worker_thread thread;
    pool_state* pool = nullptr;
    std::size_t share = 0;
    std::atomic<std::thread::id> id{};
  };
  struct alignas(cache_line) share_of {  // of a thread: all take from their own, and look into others' at the end
    std::atomic<std::size_t> next{0};    // its first index that nobody has taken
  };

  static constexpr std::uint32_t open = 0x80000000u;  // the other bits of the gate count the workers inside
  static constexpr std::chrono::microseconds worth_waking{30};

  static void* worker_main(void* context) {
    auto& self = *static_cast<worker*>(context);
    self.id.store(std::this_thread::get_id(), std::memory_order_relaxed);
    self.pool->serve(self.share);
    return nullptr;
  }

  void serve(std::size_t share) {
    patience patience;
    for (std::uint32_t seen = 0;;) {
      const bool was_parked = !patience.wait([&] { return epoch_.load(std::memory_order_acquire) != seen; });
      if (was_parked) {
        parked_.fetch_add(1);
        epoch_.wait(seen);
        parked_.fetch_sub(1);
      }
      seen = epoch_.load(std::memory_order_acquire);
      if (stop_.load(std::memory_order_relaxed)) return;
      if (!enter()) continue;
      if (take_part(share) && was_parked) woken_came_.store(true, std::memory_order_relaxed);
      if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) gate_.notify_one();
    }
  }

  /// Counts this worker in, unless the gate is closed.
  bool enter() noexcept {
    auto gate = gate_.load(std::memory_order_relaxed);
    while (gate & open)
      if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
    return false;
  }

  /// Each thread has a share of the indices, so that what it reads follows what it has read; the caller's is the first.
  std::size_t shares() const noexcept { return started_ + 1; }
  std::size_t first_of(std::size_t share) const noexcept { return n_ / shares() * share + std::min(n_ % shares(), share); }

  /// Takes one chunk of the indices of a share, or of the next one that has some left; false if none has.
  bool take_chunk(std::size_t& share) {
    for (std::size_t tried = 0; tried < shares(); ++tried, share = share + 1 < shares() ? share + 1 : 0) {
      const std::size_t end = first_of(share + 1);
      if (shares_[share].next.load(std::memory_order_relaxed) >= end) continue;
      const std::size_t first = shares_[share].next.fetch_add(chunk_, std::memory_order_release);
      if (first >= end) continue;
      run_tasks(first, first + std::min(chunk_, end - first));
      return true;
    }
    return false;
  }
  void run_tasks(std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      if (task_(context_, i)) continue;
      for (std::size_t k = 0; k < shares(); ++k) shares_[k].next.store(n_, std::memory_order_relaxed);
      return;
    }
  }

  bool take_part(std::size_t share) {
    bool any = false;
    while (take_chunk(share)) any = true;
    return any;
  }

  /// Works, and wakes parked workers: at once, or, while workers that were woken keep coming too late to find work, only when
  /// the job has shown to be long. True if it woke any.
  bool take_part_as_caller() {
    if (skipped_ >= (1u << too_late_) - 1) {
      const bool woke = wake();
      take_part(0);
      return woke;
    }
    ++skipped_;
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t share = 0; take_chunk(share);) {
      if (parked_.load(std::memory_order_relaxed) == 0 || std::chrono::steady_clock::now() - begin < worth_waking) continue;
      const bool woke = wake();
      take_part(share);
      return woke;
    }
    return false;
  }

  /// Wakes as many parked workers as there are chunks that no other thread is about to take: neither the caller, nor workers
  /// that are awake and still outside. Those inside have one already.
  bool wake() noexcept {
    const std::size_t parked = parked_.load();
    if (parked == 0) return false;
    std::size_t chunks = 0;
    for (std::size_t i = 0; i < shares(); ++i) {
      const std::size_t end = first_of(i + 1), taken = std::min(shares_[i].next.load(std::memory_order_acquire), end);
      chunks += (end - taken + chunk_ - 1) / chunk_;
    }
    // after the chunks: whoever took one of them is seen inside
    const std::size_t inside = gate_.load(std::memory_order_relaxed) & ~open;
    const std::size_t coming = started_ - std::min(parked + inside, started_);
    if (chunks <= coming + 1) return false;
    const std::size_t wanted = chunks - 1 - coming;
    if (wanted >= parked) {
      epoch_.notify_all();
    } else {
      for (std::size_t i = 0; i < wanted; ++i) epoch_.notify_one();
    }
    return true;
  }

  const long process_ = process();
  std::unique_ptr<worker[]> workers_;
  std::unique_ptr<share_of[]> shares_;
  std::size_t started_ = 0;
  std::mutex callers_;  // held by the thread whose job it is, which alone writes the following
  unsigned too_late_ = 0, skipped_ = 0;
  patience patience_;
  alignas(cache_line) std::atomic<std::thread::id> caller_{};  // what all read during a job, and nobody writes
  void* context_ = nullptr;
  task task_ = nullptr;
  std::size_t n_ = 0, chunk_ = 1;
  alignas(cache_line) std::atomic<bool> woken_came_{false};
  std::atomic<bool> stop_{false};
  alignas(cache_line) awaited_number epoch_{0};
  alignas(cache_line) awaited_number gate_{0};
  alignas(cache_line) std::atomic<std::size_t> parked_{0};
};

}  // namespace detail

thread_pool::thread_pool(std::size_t threads) {
  if (threads == 0) threads = detail::usable_processors();
  threads = std::min(threads, max_threads);
  if (threads > 1) state_ = std::make_unique<detail::pool_state>(threads - 1);
}

result<thread_pool> thread_pool::try_create(std::size_t threads) {
  if (threads == 0) threads = detail::usable_processors();
  threads = std::min(threads, max_threads);
  thread_pool pool(threads);
  if (pool.concurrency() == threads) return pool;
  return error(errc::io, "thread_pool: the system started " + std::to_string(pool.concurrency()) + " of " +
                             std::to_string(threads) + " threads");
}

thread_pool::thread_pool(thread_pool&&) noexcept = default;
thread_pool& thread_pool::operator=(thread_pool&&) noexcept = default;
thread_pool::~thread_pool() = default;

std::size_t thread_pool::concurrency() const noexcept { return state_ ? state_->workers() + 1 : 1; }

bool thread_pool::runs_inline() const noexcept { return concurrency() == 1 || state_->runs_here(); }
void thread_pool::run(std::size_t n, void* context, task t) { state_->run(n, context, t); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
