// Tasks that throw, in a pool that is compiled without exceptions: the exception reaches the caller, and the pool lives on.
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "nibble/core/thread_pool.hpp"

int main() {
  nibble::thread_pool pool(3);
  const auto self = std::this_thread::get_id();
  for (int round = 0; round < 40; ++round) {
    const bool on_caller = round % 2 == 0;
    std::atomic<bool> others_came{false};
    bool caught = false;
    try {
      pool.run(300, [&](std::size_t) {
        const bool is_caller = std::this_thread::get_id() == self;
        if (!is_caller) others_came = true;
        while (!others_came) std::this_thread::yield();
        if (is_caller == on_caller) throw std::runtime_error("a task");
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    if (!caught) return std::fprintf(stderr, "round %d: no exception\n", round), 1;
    std::atomic<std::size_t> calls{0};
    pool.run(100, [&](std::size_t) { ++calls; });
    if (calls != 100) return std::fprintf(stderr, "round %d: %zu calls of 100\n", round, calls.load()), 1;
  }
}
