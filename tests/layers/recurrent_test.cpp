/// Convolutions and recurrences over the runs of a step: each run by its own state, whoever else is in the step.
#include "nibble/layers/recurrent.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "kernels/tables.hpp"
#include "nibble/core/thread_pool.hpp"
#include "nibble/layers/deal.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
using floats = std::vector<float>;
struct run_of_tokens {
  std::size_t first, count, sequence;
};
constexpr std::size_t tokens = 40;

/// What a layer makes of some runs, with states that stood before: outputs, and the states behind.
struct made {
  floats x, states;
  bool operator==(const made&) const = default;
};
template <class Layer>
made over(executor_ref executor, std::span<const run_of_tokens> runs, std::size_t width, std::size_t state,
          const Layer& layer) {
  scratch_arena arena = *scratch_arena::try_create(1 << 16);
  compute c(kernels(), executor, arena);
  made out{gaussian(tokens * width, 1), gaussian(4 * state, 2)};
  floats after(out.states.size());
  layer(c, runs, activations(out.x.data(), tokens, width), [&](const run_of_tokens& run) {
    return recurrent_state(out.states.data() + run.sequence * state, after.data() + run.sequence * state);
  });
  out.states = after;
  return out;
}
/// The same on threads, and run by run.
template <class Layer>
void check_runs(std::size_t width, std::size_t state, const Layer& layer) {
  const std::vector<run_of_tokens> runs{{0, 3, 2}, {3, 1, 0}, {4, 0, 3}, {4, 36, 1}};
  inline_executor nobody;
  thread_pool pool(3);
  const made together = over(nobody, runs, width, state, layer);
  CHECK(over(pool, runs, width, state, layer) == together);
  for (const run_of_tokens& run : runs) {
    const made alone = over(nobody, {&run, 1}, width, state, layer);
    const auto rows = [&](const made& m) {
      return floats(m.x.begin() + std::ptrdiff_t(run.first * width),
                    m.x.begin() + std::ptrdiff_t((run.first + run.count) * width));
    };
    const auto kept = [&](const made& m) {
      return floats(m.states.begin() + std::ptrdiff_t(run.sequence * state),
                    m.states.begin() + std::ptrdiff_t((run.sequence + 1) * state));
    };
    CHECK(rows(alone) == rows(together));
    CHECK(kept(alone) == kept(together));
    CHECK((kept(alone) == floats(state)) == (run.count == 0));  // a run of no tokens leaves its state to be kept as it was
  }
}
}  // namespace

TEST_CASE("a convolution goes on where each sequence was, on any threads") {
  for (const std::size_t channels : {48, 200, 1000}) {
    const floats taps = gaussian(4 * channels, 3), bias = gaussian(channels, 4);
    const convolution_weights w{taps, bias, 4, true};
    CHECK(w.channels() == channels);
    CHECK(w.state() == 3 * channels);
    check_runs(channels + 5, w.state(), [&](compute& c, std::span<const run_of_tokens> runs, activations x, const auto& state) {
      convolve(c, w, runs, state, x.columns(2, channels));
    });
  }
}

TEST_CASE("a recurrence goes on where each sequence was, on any threads, and heads share keys as it is said") {
  for (const bool interleaved : {false, true}) {
    const scan_shape shape{6, 3, 8, 20, true, interleaved};
    CHECK(shape.state() == 6 * 8 * 32);
    CHECK(shape.key_head(3) == (interleaved ? 0 : 1));
    const std::size_t keys = 3 * 8, values = 6 * 20;
    check_runs(2 * keys + 2 * values + 12, shape.state(),
               [&](compute& c, std::span<const run_of_tokens> runs, activations x, const auto& state) {
                 scan_operands in;
                 in.key = x.columns(0, keys), in.query = x.columns(keys, keys), in.value = x.columns(2 * keys, values);
                 in.output = x.columns(2 * keys + values, values);
                 in.step = x.columns(2 * keys + 2 * values, 6), in.decay = x.columns(2 * keys + 2 * values + 6, 6);
                 normalize_heads(c, in.key, 8, 1e-6f, 1);
                 for (std::size_t t = 0; t < x.tokens; ++t)
                   for (std::size_t h = 0; h < 6; ++h) in.decay.row(t)[h] = 0.9f, in.step.row(t)[h] = 0.5f;
                 scan(c, shape, runs, state, in);
               });
  }
}

TEST_CASE("what stands head by head is dealt out to where each thing has its own") {
  inline_executor nobody;
  scratch_arena arena = *scratch_arena::try_create(1 << 12);
  compute c(kernels(), nobody, arena);
  floats from{1, 2, 3, 4, 5, 6, 7, 8}, to(8), other(4);
  deal_out(c, {from.data(), 1, 8}, 2, {{{to.data(), 1, 8}, 1, 3}, {{other.data(), 1, 4}, 2, 1}});
  CHECK(to == floats{0, 1, 2, 3, 5, 6, 7, 0});
  CHECK(other == floats{0, 0, 4, 8});
}
