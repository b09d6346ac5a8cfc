#include "nibble/core/thread_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "nibble/core/executor.hpp"
#include "support/sanitized.hpp"

#include "nibble/core/processors-impl.hpp"
#if __has_include(<sys/resource.h>)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#endif
#if defined(__linux__)
#include <sched.h>

#include "file/temporary_folder.hpp"
#endif
static_assert(nibble::executor<nibble::thread_pool>);
static_assert(nibble::executor<nibble::inline_executor>);

TEST_CASE("every index is run exactly once, for any count and any number of threads") {
  for (const std::size_t threads : {1u, 2u, 3u, 8u}) {
    nibble::thread_pool pool(threads);
    CHECK(pool.concurrency() == threads);
    for (const std::size_t n : {0u, 1u, 2u, 3u, 7u, 64u, 1000u, 4097u}) {
      std::vector<std::atomic<int>> hits(n);
      pool.run(n, [&](std::size_t i) { hits[i].fetch_add(1, std::memory_order_relaxed); });
      bool once = true;
      for (auto& h : hits) once = once && h.load() == 1;
      CHECK(once);
    }
  }
}

TEST_CASE("what tasks write is seen by the caller, and what the caller writes is seen by tasks, over many short runs") {
  nibble::thread_pool pool(4);
  std::vector<int> values(37, 0);  // plain ints: a missing barrier is a data race
  for (int round = 1; round <= 3000; ++round) {
    pool.run(values.size(), [&](std::size_t i) { values[i] += int(i) + round; });
    if (round % 500 != 0) continue;
    bool right = true;
    for (std::size_t i = 0; i < values.size(); ++i) right = right && values[i] == round * int(i) + round * (round + 1) / 2;
    CHECK(right);
  }
}

TEST_CASE("several threads may use one pool at once") {
  nibble::thread_pool pool(3);
  std::array<std::size_t, 4> sums{};
  {
    std::vector<std::thread> callers;
    for (auto& sum : sums)
      callers.emplace_back([&pool, &sum] {
        std::vector<std::size_t> part(50);
        for (int round = 0; round < 200; ++round) {
          pool.run(part.size(), [&](std::size_t i) { part[i] = i; });
          sum += std::accumulate(part.begin(), part.end(), std::size_t{0});
        }
      });
    for (auto& caller : callers) caller.join();
  }
  for (const auto sum : sums) CHECK(sum == 200 * 1225);
}

TEST_CASE("a task that uses its own pool runs the inner indices itself") {
  nibble::thread_pool pool(3);
  std::atomic<int> inner{0}, elsewhere{0};
  pool.run(20, [&](std::size_t) {
    const auto here = std::this_thread::get_id();
    pool.run(10, [&](std::size_t) {
      inner.fetch_add(1);
      if (std::this_thread::get_id() != here) elsewhere.fetch_add(1);
    });
  });
  CHECK(inner.load() == 200);
  CHECK(elsewhere.load() == 0);
}

TEST_CASE("workers really take part: tasks that wait for one another all finish") {
  using clock = std::chrono::steady_clock;
  nibble::thread_pool pool(4);
  const auto give_up = clock::now() + std::chrono::seconds(60);
  std::atomic<int> alone{0};
  for (int round = 0; round < 1000; ++round) {
    std::atomic<int> arrived{0};
    pool.run(4, [&](std::size_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 4 && clock::now() < give_up) std::this_thread::yield();
      if (arrived.load() < 4) ++alone;
    });
    const auto pause =
        clock::now() + std::chrono::microseconds(round % 60);  // some workers are parked by then, and some are not
    while (clock::now() < pause) {
    }
  }
  CHECK(alone == 0);
}

TEST_CASE("threads begin in shares of their own, so that each reads on from where it has read") {
  nibble::thread_pool pool(3);
  std::atomic<std::size_t> begun{0};
  std::array<std::atomic<int>, 12> hits{};
  std::array<std::size_t, 3> first{};
  pool.run(hits.size(), [&](std::size_t i) {
    hits[i].fetch_add(1);
    const std::size_t turn = begun.fetch_add(1);
    if (turn >= first.size()) return;
    first[turn] = i;
    while (begun.load() < first.size()) std::this_thread::yield();  // until every thread has one
  });
  std::sort(first.begin(), first.end());
  CHECK(first == std::array<std::size_t, 3>{0, 4, 8});
  CHECK(std::all_of(hits.begin(), hits.end(), [](const auto& h) { return h.load() == 1; }));
}

TEST_CASE("a long run that follows many short ones still gets help") {
  using clock = std::chrono::steady_clock;
  nibble::thread_pool pool(2);
  for (int i = 0; i < 2000; ++i) pool.run(2, [](std::size_t) {});
  const auto caller = std::this_thread::get_id();
  const auto begin = clock::now();
  std::atomic<bool> helped{false};
  pool.run(64, [&](std::size_t i) {
    if (std::this_thread::get_id() != caller) helped.store(true);
    const auto enough = i < 4 ? std::chrono::microseconds(100) : std::chrono::microseconds(100'000);
    while (!helped.load() && clock::now() - begin < enough * int(i + 1)) std::this_thread::yield();
  });
  CHECK(helped.load());
}

TEST_CASE("the pool works through executor_ref, moves, and is an inline executor once moved from") {
  nibble::thread_pool first(3);
  nibble::thread_pool pool(std::move(first));
  CHECK(pool.concurrency() == 3);
  CHECK(first.concurrency() == 1);
  std::atomic<int> count{0};
  first.run(5, [&](std::size_t) { count.fetch_add(1); });
  const nibble::executor_ref ref(pool);
  CHECK(ref.concurrency() == 3);
  ref.run(100, [&](std::size_t) { count.fetch_add(1); });
  CHECK(count.load() == 105);
}

TEST_CASE("zero threads means one a core, and an absurd count is capped") {
  CHECK(nibble::thread_pool(0).concurrency() >= 1);
  auto pool = nibble::thread_pool::try_create(2);
  REQUIRE(pool);
  CHECK(pool->concurrency() == 2);
#if !NIBBLE_TEST_SANITIZED
  CHECK(nibble::thread_pool(~std::size_t{0}).concurrency() <= nibble::thread_pool::max_threads);
#endif
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("an exception of a task reaches the caller, and the pool works on") {
  nibble::thread_pool pool(3);
  for (int round = 0; round < 50; ++round) {
    CHECK_THROWS_AS(pool.run(100,
                             [](std::size_t i) {
                               if (i % 10 == 3) throw std::runtime_error("task");
                             }),
                    std::runtime_error);
    std::atomic<int> count{0};
    pool.run(100, [&](std::size_t) { count.fetch_add(1); });
    CHECK(count.load() == 100);
  }
}
#endif

#if __has_include(<sys/resource.h>) && !NIBBLE_TEST_SANITIZED
TEST_CASE("a system that refuses threads leaves a smaller pool that works, and an error from try_create") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
  rlimit tight = before;
  tight.rlim_cur = rlim_t{256} << 20;  // room for a few stacks of 8 MiB, not for hundreds
  REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
  std::size_t threads = 0;
  std::atomic<int> count{0};
  nibble::errc code{};
  bool refused = false;
  {
    nibble::thread_pool pool(1000);
    threads = pool.concurrency();
    pool.run(500, [&](std::size_t) { count.fetch_add(1); });
  }
  {
    auto pool = nibble::thread_pool::try_create(1000);
    refused = !pool;
    if (refused) code = pool.failure().code();
  }
  REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
  CHECK(threads < 1000);
  CHECK(count.load() == 500);
  CHECK(refused);
  CHECK(code == nibble::errc::io);
}
#endif

#if __has_include(<sys/wait.h>)
namespace {
/// What becomes of a child that runs f: its exit status, or -1 if it was killed.
template <class F>
int in_child(F&& f) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // ends a child that hangs
    ::_exit(f());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
}  // namespace

#if !NIBBLE_TEST_SANITIZED
TEST_CASE("a forked child runs on its own thread, and lets go of its parent's pool, which works on") {
  std::optional<nibble::thread_pool> pool(4);
  const auto sum = [&] {
    std::vector<int> part(1000);
    pool->run(part.size(), [&](std::size_t i) { part[i] = int(i); });
    return std::accumulate(part.begin(), part.end(), 0);
  };
  REQUIRE(sum() == 499500);
  CHECK(in_child([&] {
          const bool right = pool->concurrency() == 1 && sum() == 499500;
          pool.reset();
          return right ? 0 : 1;
        }) == 0);
  CHECK(pool->concurrency() == 4);
  CHECK(sum() == 499500);
}

TEST_CASE("a child of a parent whose pool is busy runs on its own thread, too, forked from a task or beside it") {
  std::optional<nibble::thread_pool> pool(3);
  const auto in_another = [&] {
    return in_child([&] {
      std::atomic<int> count{0};
      pool->run(100, [&](std::size_t) { count.fetch_add(1); });
      pool.reset();
      return count.load() == 100 ? 0 : 1;
    });
  };
  std::atomic<bool> busy{false}, forked{false};
  std::thread other([&] {
    pool->run(3, [&](std::size_t) {
      busy.store(true);
      while (!forked.load()) std::this_thread::yield();
    });
  });
  while (!busy.load()) std::this_thread::yield();
  CHECK(in_another() == 0);
  forked.store(true);
  other.join();
  std::atomic<int> good{0};
  pool->run(3, [&](std::size_t) { good.fetch_add(in_another() == 0 ? 1 : 0); });
  CHECK(good.load() == 3);
}
#endif

TEST_CASE("signals find their handlers on the host's threads, and its mask is as before") {
  sigset_t before, after;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  nibble::thread_pool pool(4);
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> arrived{0}, open{0}, fault_blocked{0};
  pool.run(4, [&](std::size_t) {
    arrived.fetch_add(1);
    while (arrived.load() < 4) std::this_thread::yield();  // one task a thread
    if (std::this_thread::get_id() == caller) return;
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    for (const int s : {SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGCHLD, SIGXFSZ, SIGPROF}) open += ::sigismember(&mask, s) == 0;
    for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) fault_blocked += ::sigismember(&mask, s) == 1;
  });
  CHECK(open.load() == 0);
  CHECK(fault_blocked.load() == 0);
  for (const int s : {SIGINT, SIGTERM, SIGUSR1}) CHECK(::sigismember(&before, s) == ::sigismember(&after, s));
}
#endif

#if defined(__linux__)
TEST_CASE("a pool has as many threads as the process may use processors") {
  cpu_set_t before, one;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &before) && CPU_COUNT(&one) == 0) CPU_SET(i, &one);
  }
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  const std::size_t threads = nibble::thread_pool().concurrency();
  const auto created = nibble::thread_pool::try_create();
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK(threads == 1);
  CHECK((created && created->concurrency() == 1));
  CHECK(nibble::thread_pool().concurrency() <= std::size_t(CPU_COUNT(&before)));
}

TEST_CASE("quotas of control groups are read in both versions, of the group and of those above it, and rounded up") {
  using nibble::detail::no_quota;
  const nibble_test::temporary_folder folder;
  const auto put = [&](const char* path, std::string_view text) {
    std::filesystem::create_directories((folder / path).parent_path());
    folder.put(
        path, {reinterpret_cast<const std::byte*>(text.data()), reinterpret_cast<const std::byte*>(text.data()) + text.size()});
  };
  const auto quota = [&](std::string_view groups) { return nibble::detail::quota_of(groups, (folder / "").string()); };
  CHECK(quota("0::/\n") == no_quota);
  CHECK(quota("") == no_quota);
  CHECK(quota("nonsense\n:\n::\n1:cpu\n0::") == no_quota);
  put("cpu.max", "max 100000\n");
  put("a/cpu.max", "250000 100000\n");
  put("a/b/cpu.max", "400000 100000\n");
  CHECK(quota("0::/\n") == no_quota);
  CHECK(quota("0::/a\n") == 3);
  CHECK(quota("0::/a/b\n") == 3);
  CHECK(quota("0::/elsewhere/that/is/not/there") == no_quota);
  put("a/c/cpu.max", "1000 100000\n");
  CHECK(quota("0::/a/c") == 1);
  put("broken/cpu.max", "100000 0\n");
  CHECK(quota("0::/broken") == no_quota);
  put("cpu,cpuacct/d/cpu.cfs_quota_us", "150000\n");
  put("cpu,cpuacct/d/cpu.cfs_period_us", "100000\n");
  CHECK(quota("12:pids:/d\n4:cpu,cpuacct:/d\n") == 2);
  CHECK(quota("4:cpuset:/d\n") == no_quota);
  put("cpu/cpu.cfs_quota_us", "-1\n");
  put("cpu/cpu.cfs_period_us", "100000\n");
  CHECK(quota("4:cpu:/not/seen/here\n") == no_quota);
}
#endif
