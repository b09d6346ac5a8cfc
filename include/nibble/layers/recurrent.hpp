/// What recurrent layers do between their products: a causal convolution, heads of unit length, and the recurrence of a state
/// that is a matrix for each head. Run by run: tokens that follow each other in a sequence, whose state is nobody else's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "nibble/layers/norm.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A part of what a sequence keeps of a layer: before the step, and where the step leaves it.
struct recurrent_state {
  const float* before = nullptr;
  float* after = nullptr;

  recurrent_state() noexcept = default;
  recurrent_state(const float* first, float* second) noexcept : before(first), after(second) {}
  /// Of two spans.
  template <class State>
  explicit recurrent_state(const State& s) noexcept : before(s.before.data()), after(s.after.data()) {}

  recurrent_state from(std::size_t offset) const noexcept { return {before + offset, after + offset}; }
};

/// A convolution over time, each channel on its own.
struct convolution_weights {
  std::span<const float> taps;  ///< (count, channels): the last row meets the newest token
  std::span<const float> bias;  ///< (channels) or empty
  std::size_t count = 1;
  bool silu = false;  ///< of the output

  std::size_t channels() const noexcept { return taps.size() / count; }
  /// Floats that are kept: the last inputs.
  std::size_t state() const noexcept { return taps.size() - channels(); }
};

/// x = convolution of x over the tokens of each run, and of what was kept before them.
/// @shape   x (tokens, channels), columns of wider rows allowed; the state: w.state() floats
/// @param   state  state(run): recurrent_state, asked from many threads; runs have `first` and `count`
/// @errors  none (noexcept)
/// @cost    tokens * channels * taps multiply-adds
template <class Run, class States>
void convolve(compute& c, const convolution_weights& w, std::span<const Run> runs, const States& state,
              activations x) NIBBLE_NOEXCEPT {
  constexpr std::size_t least = 64;  // channels of a task: whole lines of each row
  const std::size_t channels = w.channels(), parts_of_run = std::max<std::size_t>(1, channels / least);
  NIBBLE_ASSERT(x.width == channels && !x.listed);
  const std::size_t each = x.tokens * channels / (std::max<std::size_t>(1, runs.size()) * parts_of_run) + 1;
  c.for_each_range(runs.size() * parts_of_run, least_elements / each + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t part, last; begin < end; begin += last - part) {
      const Run& run = runs[begin / parts_of_run];
      part = begin % parts_of_run, last = std::min(parts_of_run, part + (end - begin));
      const std::size_t first = part * least, until = last == parts_of_run ? channels : last * least;
      if (run.count == 0) continue;
      const recurrent_state kept = state(run);
      c.kernels().convolve({x.row(run.first) + first, x.stride, run.count, until - first, w.count, w.taps.data() + first,
                            channels, w.bias.empty() ? nullptr : w.bias.data() + first, kept.before + first, kept.after + first,
                            channels, w.silu});
    }
  });
}

/// Each head of x is divided by its length, or by `least` where that is larger, and multiplied by `factor`.
/// @shape   x (tokens, heads * head_dim), in place
inline void normalize_heads(compute& c, activations x, std::size_t head_dim, float least, float factor) NIBBLE_NOEXCEPT {
  detail::for_each_token(c, x, [&](std::size_t t) {
    for (float* head = x.row(t); head < x.row(t) + x.width; head += head_dim) {
      c.kernels().normalize(head, least, factor, head_dim);
    }
  });
}

/// What opens by how much heads remember: step = softplus(step + bias), decay = e^(step * rate).
/// @shape   step, decay (tokens, heads); bias, rate (heads)
inline void step_decay(compute& c, std::span<const float> bias, std::span<const float> rate, activations step,
                       activations decay) NIBBLE_NOEXCEPT {
  detail::for_each_token(
      c, step, [&](std::size_t t) { c.kernels().step_decay(bias.data(), rate.data(), step.width, step.row(t), decay.row(t)); });
}

/// Heads whose state is a matrix (rows, columns) each. Several may share a key and a query.
struct scan_shape {
  std::size_t heads = 0, key_heads = 0, rows = 0, columns = 0;
  bool delta = false;        ///< see scan_args
  bool interleaved = false;  ///< head h has key head h mod key_heads, else h * key_heads / heads

  std::size_t key_head(std::size_t head) const noexcept { return interleaved ? head % key_heads : head / (heads / key_heads); }
  /// Floats of one head, and of all.
  std::size_t state_of_head() const noexcept { return product_of_sizes(rows, round_up(columns, scan_args::strip)); }
  std::size_t state() const noexcept { return product_of_sizes(heads, state_of_head()); }
};

/// What a scan reads and writes, each (tokens, ...), columns of wider rows allowed.
struct scan_operands {
  activations key, query;            ///< (tokens, key_heads * rows), of one stride
  activations value;                 ///< (tokens, heads * columns)
  activations step, decay;           ///< (tokens, heads)
  std::span<const float> skip = {};  ///< (heads) or empty
  activations output;                ///< (tokens, heads * columns)
};

/// The recurrence of scan_args for each head, token by token.
/// @param   state  state(run): recurrent_state of shape.state() floats, see convolve()
/// @errors  none (noexcept)
/// @cost    tokens * heads * rows * columns * 3 multiply-adds, with `delta` 4; the state is read and written once a token, in
///          the first cache but for the first
template <class Run, class States>
void scan(compute& c, const scan_shape& shape, std::span<const Run> runs, const States& state,
          const scan_operands& x) NIBBLE_NOEXCEPT {
  const std::size_t tasks = runs.size() * shape.heads;
  const std::size_t each = (x.value.tokens * shape.rows * shape.columns) / std::max<std::size_t>(1, runs.size()) + 1;
  c.for_each_range(tasks, least_elements / each + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const Run& run = runs[i / shape.heads];
      const std::size_t h = i % shape.heads, k = shape.key_head(h) * shape.rows, v = h * shape.columns;
      if (run.count == 0) continue;
      const recurrent_state kept = state(run).from(h * shape.state_of_head());
      scan_args a{};
      a.before = kept.before, a.after = kept.after;
      a.rows = shape.rows, a.first = 0, a.last = shape.columns, a.tokens = run.count;
      a.key = x.key.row(run.first) + k, a.query = x.query.row(run.first) + k, a.key_stride = x.key.stride;
      a.value = x.value.row(run.first) + v, a.value_stride = x.value.stride;
      a.step = x.step.row(run.first) + h, a.decay = x.decay.row(run.first) + h, a.step_stride = x.step.stride,
      a.decay_stride = x.decay.stride;
      a.output = x.output.row(run.first) + v, a.output_stride = x.output.stride;
      a.skip = x.skip.empty() ? 0 : x.skip[h], a.delta = shape.delta;
      c.kernels().scan(a);
    }
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
