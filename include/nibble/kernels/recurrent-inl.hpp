/// What recurrent layers compute between tokens: causal convolutions, and the recurrence of a state that is a matrix. Shapes
/// are those of kernel_table. Lanes are channels or columns, and sums over taps and rows stay in their lane: the bits are those
/// of reference_recurrent.hpp on every target, whatever the number of tokens.
#if defined(NIBBLE_KERNELS_RECURRENT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_RECURRENT_INL_HPP
#undef NIBBLE_KERNELS_RECURRENT_INL_HPP
#else
#define NIBBLE_KERNELS_RECURRENT_INL_HPP
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/math-inl.hpp"
#include "nibble/kernels/reference_recurrent.hpp"
#include "nibble/kernels/table.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// A register of the first `n` numbers at p, and zeros where these are fewer than it holds; and back.
HWY_INLINE float_vec load_first(const float* p, std::size_t n) {
  const float_tag d;
  if (n >= lanes) return hn::LoadU(d, p);
  alignas(64) float filled[lanes] = {};
  std::memcpy(filled, p, n * sizeof(float));
  return hn::Load(d, filled);
}
HWY_INLINE void store_first(float_vec v, float* p, std::size_t n) {
  const float_tag d;
  if (n >= lanes) return hn::StoreU(v, d, p);
  alignas(64) float filled[lanes];
  hn::Store(v, d, filled);
  std::memcpy(p, filled, n * sizeof(float));
}

/// `Registers` registers of channels from `channel` on, from the newest token to the oldest.
template <std::size_t Registers, bool Whole>
HWY_INLINE void convolve_channels(const convolution_args& a, std::size_t channel) {
  const std::size_t kept = a.taps - 1, n = a.channels - channel;
  static_assert(Registers == 1 || Whole);
  const auto load = [=](const float* from) NIBBLE_ATTR { return Whole ? hn::LoadU(float_tag(), from) : load_first(from, n); };
  float_vec bias[Registers], sum[Registers];
  NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
    bias[i] = a.bias ? load(a.bias + channel + i * lanes) : hn::Zero(float_tag());
  }
  for (std::size_t t = a.tokens; t-- > 0;) {
    NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) sum[i] = bias[i];
    for (std::size_t j = 0; j < a.taps; ++j) {
      const float* weight = a.weight + j * a.weight_stride + channel;
      const float* x = channel + (t + j < kept ? a.before + (t + j) * a.state_stride : a.x + (t + j - kept) * a.x_stride);
      NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
        sum[i] = hn::MulAdd(load(weight + i * lanes), load(x + i * lanes), sum[i]);
      }
    }
    float* out = a.x + t * a.x_stride + channel;
    NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
      store_first(a.silu ? silu(sum[i]) : sum[i], out + i * lanes, Whole ? lanes : n);
    }
  }
}

/// @shape   see convolution_args
inline void convolve(const convolution_args& a) {
  reference::keep_inputs(a);
  constexpr std::size_t at_once = 4;  // some lines of each row, for rows stand far apart
  std::size_t c = 0;
  for (; c + at_once * lanes <= a.channels; c += at_once * lanes) convolve_channels<at_once, true>(a, c);
  for (; c < a.channels; c += lanes) convolve_channels<1, false>(a, c);
}

/// @shape   x, y (n)
inline void multiply(float* x, const float* y, std::size_t n) {
  zip_in_place(x, y, n, [](float_vec a, float_vec b) NIBBLE_ATTR { return hn::Mul(a, b); });
}
/// @shape   bias, rate, step, decay (n)
inline void step_decay(const float* bias, const float* rate, std::size_t n, float* step, float* decay) {
  for (std::size_t i = 0; i < n; i += lanes) {
    const auto s = softplus(hn::Add(load_first(step + i, n - i), load_first(bias + i, n - i)));
    store_first(s, step + i, n - i);
    store_first(exp_of(hn::Mul(s, load_first(rate + i, n - i))), decay + i, n - i);
  }
}

/// @shape   x (n)
inline void normalize(float* x, float least, float factor, std::size_t n) {
  const float_tag d;
  lane_sums squares;
  for (std::size_t i = 0; i < n; i += 16) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < lane_sums::vectors; ++v) {
      const std::size_t at = i + v * lanes;
      if (at >= n) break;
      const auto part = load_first(x + at, n - at);
      squares.part[v] = hn::MulAdd(part, part, squares.part[v]);
    }
  }
  const auto by = hn::Set(d, factor / std::max(std::sqrt(squares.total()), least));
  for (std::size_t i = 0; i < n; i += lanes) store_first(hn::Mul(load_first(x + i, n - i), by), x + i, n - i);
}

/// `Registers` registers of columns from `column` on, through all tokens. The sum that tells what the next token's key finds in
/// the state is made in the pass that makes this state: memory is gone through once a token.
template <std::size_t Registers, bool Delta>
HWY_INLINE void scan_columns(const scan_args& a, std::size_t column) {
  const float_tag d;
  std::size_t at[Registers];
  float_vec held[Registers][2], read[Registers][2], added[Registers];
  NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
    const std::size_t c = column + i * lanes;
    at[i] = c / scan_args::strip * scan_args::strip * a.rows + c % scan_args::strip;
    held[i][0] = held[i][1] = hn::Zero(d);
  }
  const std::size_t pairs = a.rows / 2 * 2;
  const auto find = [&](const float* key, const float* state, std::size_t r, std::size_t half) NIBBLE_ATTR {
    const auto k = hn::Set(d, key[r]);
    NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
      held[i][half] = hn::MulAdd(k, hn::LoadU(d, state + at[i] + r * scan_args::strip), held[i][half]);
    }
  };
  if (Delta) {
    for (std::size_t r = 0; r < pairs; r += 2) find(a.key, a.before, r, 0), find(a.key, a.before, r + 1, 1);
    if (pairs < a.rows) find(a.key, a.before, pairs, 0);
  }
  for (std::size_t t = 0; t < a.tokens; ++t) {
    const float *key = a.key + t * a.key_stride, *query = a.query + t * a.key_stride, *state = t == 0 ? a.before : a.after;
    const float* next = t + 1 < a.tokens ? key + a.key_stride : key;  // of the last token no use is made of what it finds
    const auto decay = hn::Set(d, a.decay[t * a.decay_stride]), step = hn::Set(d, a.step[t * a.step_stride]);
    NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
      const std::size_t c = column + i * lanes;
      auto v = load_first(a.value + t * a.value_stride + c, a.last - c);
      if (Delta) v = hn::NegMulAdd(decay, hn::Add(held[i][0], held[i][1]), v);
      added[i] = hn::Mul(step, v);
      held[i][0] = held[i][1] = read[i][0] = read[i][1] = hn::Zero(d);
    }
    const auto pass = [&](std::size_t r, std::size_t half) NIBBLE_ATTR {
      const auto k = hn::Set(d, key[r]), q = hn::Set(d, query[r]), found = hn::Set(d, Delta ? next[r] : 0);
      NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
        const std::size_t place = at[i] + r * scan_args::strip;
        const auto s = hn::MulAdd(k, added[i], hn::Mul(decay, hn::LoadU(d, state + place)));
        hn::StoreU(s, d, a.after + place);
        read[i][half] = hn::MulAdd(q, s, read[i][half]);
        if (Delta) held[i][half] = hn::MulAdd(found, s, held[i][half]);
      }
    };
    for (std::size_t r = 0; r < pairs; r += 2) pass(r, 0), pass(r + 1, 1);
    if (pairs < a.rows) pass(pairs, 0);
    NIBBLE_UNROLL for (std::size_t i = 0; i < Registers; ++i) {
      const std::size_t c = column + i * lanes;
      const auto v = load_first(a.value + t * a.value_stride + c, a.last - c);
      const auto out = hn::MulAdd(hn::Set(d, a.skip), v, hn::Add(read[i][0], read[i][1]));
      store_first(out, a.output + t * a.output_stride + c, a.last - c);
    }
  }
}

/// @shape   see scan_args
inline void scan(const scan_args& a) {
  std::size_t column = a.first;
  const auto run = [&]<bool Delta>(std::bool_constant<Delta>) NIBBLE_ATTR {
    for (; column + lanes < a.last; column += 2 * lanes) scan_columns<2, Delta>(a, column);
    if (column < a.last) scan_columns<1, Delta>(a, column);
  };
  a.delta ? run(std::true_type()) : run(std::false_type());
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
