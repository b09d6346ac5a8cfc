/// The meaning of what recurrent layers compute, in plain C++: one sequence of operations each, with products that are added
/// fused by name, so that every target gives the same bits.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "nibble/core/fused.hpp"
#include "nibble/kernels/reference_activation.hpp"
#include "nibble/kernels/table.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace reference {

/// The inputs that a convolution needs later: the last taps - 1 of those before and of x.
/// @shape   see convolution_args
inline void keep_inputs(const convolution_args& a) {
  const std::size_t kept = a.taps - 1, old = a.tokens < kept ? kept - a.tokens : 0;
  for (std::size_t j = 0; j < kept; ++j) {
    const float* from = j < old ? a.before + (j + a.tokens) * a.state_stride : a.x + (j + a.tokens - kept) * a.x_stride;
    std::memcpy(a.after + j * a.state_stride, from, a.channels * sizeof(float));
  }
}

/// From the newest token to the oldest, for an output takes the place of an input that older tokens do not need.
inline void convolve(const convolution_args& a) {
  keep_inputs(a);
  const std::size_t kept = a.taps - 1;
  for (std::size_t t = a.tokens; t-- > 0;) {
    for (std::size_t c = 0; c < a.channels; ++c) {
      float sum = a.bias ? a.bias[c] : 0;
      for (std::size_t j = 0; j < a.taps; ++j) {
        const float x = t + j < kept ? a.before[(t + j) * a.state_stride + c] : a.x[(t + j - kept) * a.x_stride + c];
        sum = fused(a.weight[j * a.weight_stride + c], x, sum);
      }
      a.x[t * a.x_stride + c] = a.silu ? silu(sum) : sum;
    }
  }
}

inline void multiply(float* x, const float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] *= y[i];
}
inline void step_decay(const float* bias, const float* rate, std::size_t n, float* step, float* decay) {
  for (std::size_t i = 0; i < n; ++i) {
    step[i] = softplus(step[i] + bias[i]);
    decay[i] = exp(step[i] * rate[i]);
  }
}

inline void normalize(float* x, float least, float factor, std::size_t n) {
  lane_sums squares;
  for (std::size_t i = 0; i < n; ++i) squares.add_product(i, x[i], x[i]);
  const float by = factor / std::max(std::sqrt(squares.total()), least);
  for (std::size_t i = 0; i < n; ++i) x[i] *= by;
}

/// One column of the state: sums over its rows are those of the even ones plus those of the odd ones.
inline void scan_column(const scan_args& a, std::size_t column) {
  const std::size_t at = column / scan_args::strip * scan_args::strip * a.rows + column % scan_args::strip;
  const auto place = [&](std::size_t row) { return at + row * scan_args::strip; };
  for (std::size_t t = 0; t < a.tokens; ++t) {
    const float *k = a.key + t * a.key_stride, *q = a.query + t * a.key_stride, *state = t == 0 ? a.before : a.after;
    const float v = a.value[t * a.value_stride + column], decay = a.decay[t * a.decay_stride];
    float held[2] = {0, 0}, read[2] = {0, 0};
    for (std::size_t r = 0; a.delta && r < a.rows; ++r) held[r % 2] = fused(k[r], state[place(r)], held[r % 2]);
    const float added = a.step[t * a.step_stride] * (a.delta ? fused(-decay, held[0] + held[1], v) : v);
    for (std::size_t r = 0; r < a.rows; ++r) {
      const float s = fused(k[r], added, decay * state[place(r)]);
      a.after[place(r)] = s;
      read[r % 2] = fused(q[r], s, read[r % 2]);
    }
    a.output[t * a.output_stride + column] = fused(a.skip, v, read[0] + read[1]);
  }
}
inline void scan(const scan_args& a) {
  for (std::size_t c = a.first; c < a.last; ++c) scan_column(a, c);
}

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
