#include "nibble/core/thread_pool.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "nibble/core/executor.hpp"
#include "support/sanitized.hpp"

#if __has_include(<sys/resource.h>)
#include <sys/resource.h>
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
  nibble::thread_pool pool(4);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> arrived{0};
    pool.run(4, [&](std::size_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 4) std::this_thread::yield();  // hangs if fewer than four threads came
    });
    CHECK(arrived.load() == 4);
  }
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
