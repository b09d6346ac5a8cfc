/// Everything of a layer that is not a product: quantising activations, norms, gates, sums, rotary embedding.
#if defined(NIBBLE_KERNELS_ELEMENTWISE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ELEMENTWISE_INL_HPP
#undef NIBBLE_KERNELS_ELEMENTWISE_INL_HPP
#else
#define NIBBLE_KERNELS_ELEMENTWISE_INL_HPP
#endif

#include <cmath>

#include "hwy/contrib/math/math-inl.h"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/reference.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/activation.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble::inline NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// x[i] = f(x[i], y[i]) in whole registers; the rest goes through one that is filled up with zeros.
template <class F>
HWY_INLINE void zip_in_place(float* x, const float* y, std::size_t n, const F& f) {
  const float_tag d;
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, x + i);
  if (i == n) return;
  alignas(64) float rest_x[lanes] = {}, rest_y[lanes] = {};
  std::memcpy(rest_x, x + i, (n - i) * sizeof(float));
  std::memcpy(rest_y, y + i, (n - i) * sizeof(float));
  hn::Store(f(hn::Load(d, rest_x), hn::Load(d, rest_y)), d, rest_x);
  std::memcpy(x + i, rest_x, (n - i) * sizeof(float));
}

/// The factor that maps a block of 32 to its codes: of those that map its largest element to one of activation_peaks, the one
/// with the smallest error. Lanes are candidates.
HWY_INLINE float best_inverse(const float* in, float peak) {
  constexpr std::size_t count = activation_peaks.size();
  const hn::CappedTag<float, count> d;
  alignas(64) float errors[count];
  const auto down_peak = hn::Set(d, peak), up_peak = hn::Set(d, 1 / peak);
  for (std::size_t c = 0; c < count; c += hn::MaxLanes(d)) {
    const auto target = hn::LoadU(d, activation_peaks.data() + c);
    const auto up = hn::Mul(target, up_peak), down = hn::Div(down_peak, target);
    hn::Vec<decltype(d)> squares[4];
    NIBBLE_UNROLL for (auto& s : squares) s = hn::Zero(d);
    for (std::size_t i = 0; i < 32; i += 4) {
      NIBBLE_UNROLL for (std::size_t j = 0; j < 4; ++j) {
        const auto x = hn::Set(d, in[i + j]);
        const auto e = hn::NegMulAdd(hn::Round(hn::Mul(x, up)), down, x);
        squares[j] = hn::MulAdd(e, e, squares[j]);
      }
    }
    hn::StoreU(hn::Add(hn::Add(squares[0], squares[1]), hn::Add(squares[2], squares[3])), d, errors + c);
  }
  std::size_t best = 0;
  for (std::size_t c = 1; c < count; ++c) best = errors[c] < errors[best] ? c : best;
  return activation_peaks[best] / peak;
}

/// See quant/activation.hpp: codes by the best of some scales, and then the scale that is best for those codes.
inline void quantize(const float* in, std::size_t columns, void* out) {
  constexpr std::size_t vectors = 32 / lanes;
  const float_tag d;
  const hn::Rebind<std::int8_t, float_tag> d8;
  auto* blocks = static_cast<activation_block*>(out);
  for (std::size_t b = 0; b < columns / 32; ++b, in += 32) {
    float_vec x[vectors];
    auto largest = hn::Zero(d);
    NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      x[v] = hn::LoadU(d, in + v * lanes);
      largest = hn::Max(largest, hn::Abs(x[v]));
    }
    const float peak = max_of(largest);
    const float inverse = peak > 0 ? best_inverse(in, peak) : 0;
    activation_block& block = blocks[b];
    int_vec sums[2] = {hn::Zero(int_tag()), hn::Zero(int_tag())};
    auto along = hn::Zero(d), squares = hn::Zero(d);
    NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      const auto n = hn::NearestInt(hn::Mul(x[v], hn::Set(d, inverse)));
      const auto q = hn::ConvertTo(d, n);
      along = hn::MulAdd(x[v], q, along);
      squares = hn::MulAdd(q, q, squares);
      sums[v * lanes / 16] = hn::Add(sums[v * lanes / 16], n);
      hn::StoreU(hn::DemoteTo(d8, n), d8, block.code.data() + v * lanes);
    }
    for (std::size_t h = 0; h < 2; ++h) block.half_sums[h] = hn::GetLane(hn::SumOfLanes(int_tag(), sums[h]));
    block.scale = inverse > 0 ? sum_of(along) / sum_of(squares) : 0;
    block.sum = block.scale * float(block.half_sums[0] + block.half_sums[1]);
  }
}

inline void rms_norm(const float* in, const float* gain, float eps, std::size_t n, float* out) {
  const float_tag d;
  auto squares = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto x = hn::LoadU(d, in + i);
    squares = hn::MulAdd(x, x, squares);
  }
  float total = sum_of(squares);
  for (; i < n; ++i) total += in[i] * in[i];
  const float factor = float(1 / std::sqrt(double(total) / double(n) + double(eps)));
  for (i = 0; i + lanes <= n; i += lanes) {
    hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, in + i), hn::Set(d, factor)), hn::LoadU(d, gain + i)), d, out + i);
  }
  for (; i < n; ++i) out[i] = in[i] * factor * gain[i];
}

/// x / (1 + exp(-x)), by exp(-|x|), which cannot overflow.
HWY_INLINE float_vec silu(float_vec x) {
  const float_tag d;
  const auto e = hn::Exp(d, hn::Neg(hn::Abs(x)));
  const auto numerator = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(x, e), x);
  return hn::Div(numerator, hn::Add(hn::Set(d, 1), e));
}
HWY_INLINE float_vec gelu_tanh(float_vec x) {
  const float_tag d;
  const auto cubic = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(d, 0.044715f), x);
  const auto t = hn::Tanh(d, hn::Mul(hn::Set(d, 0.797884560802865f), cubic));
  const auto half_x = hn::Mul(hn::Set(d, 0.5f), x);
  return hn::MulAdd(half_x, t, half_x);
}

inline void gated(float* x, const float* up, std::size_t n, glu f) {
  if (f == glu::silu) {
    zip_in_place(x, up, n, [](float_vec g, float_vec u) NIBBLE_ATTR { return hn::Mul(silu(g), u); });
  } else {
    zip_in_place(x, up, n, [](float_vec g, float_vec u) NIBBLE_ATTR { return hn::Mul(gelu_tanh(g), u); });
  }
}
inline void add(float* x, const float* y, std::size_t n) {
  zip_in_place(x, y, n, [](float_vec a, float_vec b) NIBBLE_ATTR { return hn::Add(a, b); });
}
inline void scale(float* x, float factor, std::size_t n) {
  zip_in_place(x, x, n, [=](float_vec a, float_vec) NIBBLE_ATTR { return hn::Mul(a, hn::Set(float_tag(), factor)); });
}
HWY_INLINE float_vec capped(float_vec x, float cap) {
  const float_tag d;
  return hn::Mul(hn::Set(d, cap), hn::Tanh(d, hn::Div(x, hn::Set(d, cap))));
}
inline void softcap(float* x, float cap, std::size_t n) {
  zip_in_place(x, x, n, [=](float_vec a, float_vec) NIBBLE_ATTR { return capped(a, cap); });
}

inline void rope(float* head, const float* cosines, const float* sines, std::size_t pairs, rope_pairs order) {
  const float_tag d;
  std::size_t i = 0;
  for (; i + lanes <= pairs; i += lanes) {
    const auto c = hn::LoadU(d, cosines + i), s = hn::LoadU(d, sines + i);
    float_vec x, y;
    if (order == rope_pairs::halves) {
      x = hn::LoadU(d, head + i), y = hn::LoadU(d, head + pairs + i);
    } else {
      hn::LoadInterleaved2(d, head + 2 * i, x, y);
    }
    const auto a = hn::MulSub(x, c, hn::Mul(y, s)), b = hn::MulAdd(x, s, hn::Mul(y, c));
    if (order == rope_pairs::halves) {
      hn::StoreU(a, d, head + i), hn::StoreU(b, d, head + pairs + i);
    } else {
      hn::StoreInterleaved2(a, b, d, head + 2 * i);
    }
  }
  for (; i < pairs; ++i) {
    float& a = head[order == rope_pairs::halves ? i : 2 * i];
    float& b = head[order == rope_pairs::halves ? i + pairs : 2 * i + 1];
    const float x = a, y = b;
    a = x * cosines[i] - y * sines[i];
    b = x * sines[i] + y * cosines[i];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nibble::inline NIBBLE_ABI
NIBBLE_AFTER_NAMESPACE();
#endif
