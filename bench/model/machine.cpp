#include "machine.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <latch>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/kernels/reference.hpp"
#include "nibble/kernels/table.hpp"

#if defined(__linux__)
#include <unistd.h>
#endif

// The loops below, once for each instruction set that the library's kernels know.
#include "nibble/kernels/target_macros.hpp"

#define HWY_TARGET_INCLUDE "machine-inl.hpp"
#include "hwy/foreach_target.h"
// after foreach_target, which has defined the target:
#include "machine-inl.hpp"

namespace bench {
namespace {
HWY_EXPORT(loops);

using seconds = std::chrono::duration<double>;

/// Runs f(i) on so many threads that begin together; seconds until the last one ends.
double time_threads(std::size_t threads, const std::function<void(std::size_t)>& f) {
  using clock = std::chrono::steady_clock;
  std::latch ready(static_cast<std::ptrdiff_t>(threads));
  std::vector<clock::time_point> begin(threads), end(threads);
  const auto body = [&](std::size_t i) {
    ready.arrive_and_wait();
    begin[i] = clock::now();
    f(i);
    end[i] = clock::now();
  };
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(body, i);
  body(0);
  for (std::thread& other : others) other.join();
  return seconds(*std::max_element(end.begin(), end.end()) - *std::min_element(begin.begin(), begin.end())).count();
}

std::atomic<std::uint64_t> sink;  // results go here, so that none can be left out

double best_read_gb_s(std::size_t threads, std::size_t bytes) {
  constexpr std::size_t chunk = std::size_t{4} << 20;
  auto buffer = nibble::aligned_buffer::allocate(nibble::round_up(bytes, chunk), nibble::memory_pages::large);
  const std::size_t chunks = buffer.size() / chunk;
  double best = 0;
  for (int tries = 0; tries < 10; ++tries) {
    std::atomic<std::size_t> next{0};
    const bool filling = tries == 0;  // pages that were never written are all the same one
    const std::size_t streams = tries % 2 == 0 ? 4 : 1;
    const double time = time_threads(threads, [&](std::size_t) {
      std::uint64_t sum = 0;
      for (std::size_t i; (i = next.fetch_add(1)) < chunks;) {
        std::byte* const at = buffer.data() + i * chunk;
        if (filling) std::memset(at, 1, chunk);
        sum += HWY_DYNAMIC_DISPATCH(loops)({}).read(at, chunk, streams);
      }
      sink += sum;
    });
    if (!filling) best = std::max(best, double(buffer.size()) / time / 1e9);
  }
  return best;
}

std::optional<double> best_gops(std::size_t threads, const product_loop& loop) {
  if (!loop.run) return std::nullopt;
  std::size_t steps = 1024;
  double best = 0;
  for (int tries = 0; tries < 5;) {
    const double time = time_threads(threads, [&](std::size_t) { sink += static_cast<std::uint64_t>(loop.run(steps)); });
    if (time < 0.01) {  // too short to mean anything
      steps *= 2;
      continue;
    }
    ++tries;
    best = std::max(best, 2 * double(threads) * double(steps) * double(loop.multiply_adds) / time / 1e9);
  }
  return best;
}

/// Bytes of the last level of cache; 0 where the system does not tell.
std::size_t cache_bytes() {
#if defined(_SC_LEVEL3_CACHE_SIZE)
  return static_cast<std::size_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)));
#else
  return 0;
#endif
}

}  // namespace

double int8_peaks::limit() const {
  double most = 0;
  for (const auto& peak : {pairs, pairs_16bit_broadcast, quads}) most = std::max(most, peak.value_or(0));
  return most;
}

nibble::machine_speed machine_limits::speed() const {
  return {.bytes_per_second = read_gb_s * 1e9,
          .multiply_adds_per_second = int8.limit() / 2 * 1e9,
          .float_multiply_adds_per_second = float_gops.value_or(0) / 2 * 1e9};
}

std::size_t buffer_for(std::size_t model_bytes) {
  const std::size_t uncached = 4 * cache_bytes(), usual = std::size_t{512} << 20;
  return model_bytes > uncached && model_bytes < usual ? model_bytes : std::max(uncached, usual);
}

machine_limits measure_machine(std::size_t threads, std::size_t buffer_bytes) {
  const auto& kernels = nibble::kernels();
  const machine_loops l = HWY_DYNAMIC_DISPATCH(loops)(kernels.target);
  if (kernels.target != std::string_view(nibble::reference::table.target) && l.target != std::string_view(kernels.target)) {
    throw std::runtime_error(std::string("no loops measure the limits of ") + kernels.target + ", only of " + l.target);
  }
  return {l.target,
          threads,
          best_read_gb_s(threads, buffer_bytes),
          {best_gops(threads, l.pairs), best_gops(threads, l.pairs_16bit), best_gops(threads, l.pairs_16bit_broadcast),
           best_gops(threads, l.quads)},
          best_gops(threads, l.floats)};
}

nlohmann::ordered_json to_json(const machine_limits& m) {
  const auto number = [](std::optional<double> x) { return x ? nlohmann::ordered_json(*x) : nlohmann::ordered_json(nullptr); };
  return {{"target", m.target},
          {"threads", m.threads},
          {"read_gb_s", m.read_gb_s},
          {"int8_gops",
           {{"pairs", number(m.int8.pairs)},
            {"pairs_16bit", number(m.int8.pairs_16bit)},
            {"pairs_16bit_broadcast", number(m.int8.pairs_16bit_broadcast)},
            {"quads", number(m.int8.quads)},
            {"limit", m.int8.limit()}}},
          {"float_gops", number(m.float_gops)}};
}

}  // namespace bench
