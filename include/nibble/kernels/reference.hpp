/// The meaning of every kernel in plain C++, to the bit: what the SIMD versions are tested against, and the table of CPUs
/// without SIMD. Attention, products, activation functions and what they are made of have files of their own.
///
/// One sequence of operations for every instruction set, compiler and level of optimization: sums over a row are sixteen sums
/// side by side, added up in one order (lane_sums); a product that is added to something is fused with that by name, so that
/// there is nothing left for a compiler to fuse; functions are polynomials. Results that are no number have any bits of one.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "nibble/core/fused.hpp"
#include "nibble/kernels/format_info.hpp"
#include "nibble/kernels/reference_activation.hpp"
#include "nibble/kernels/reference_attention.hpp"
#include "nibble/kernels/reference_math.hpp"
#include "nibble/kernels/reference_matmul.hpp"
#include "nibble/kernels/reference_recurrent.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace reference {

/// The sum of squares of numbers whose squares are too large for a float.
inline double sum_of_squares(const float* in, std::size_t n) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += double(in[i]) * double(in[i]);
  return squares;
}
inline void rms_norm(const float* in, const float* gain, float eps, std::size_t n, float* out) {
  lane_sums squares;
  for (std::size_t i = 0; i < n; ++i) squares.add_product(i, in[i], in[i]);
  double squared = double(squares.total());
  if (!is_finite(squares.total())) squared = sum_of_squares(in, n);
  const float factor = float(1 / std::sqrt(squared / double(n) + double(eps)));
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i] * factor * gain[i];
}

inline void add(float* x, const float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] += y[i];
}
inline void add_scaled(float* x, const float* y, float factor, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = fused(factor, y[i], x[i]);
}
/// Adds up eight sums of f(x), one after the other.
template <class F>
double sum_of(const float* x, std::size_t n, const F& f) {
  double part[8] = {};
  for (std::size_t i = 0; i < n; ++i) part[i % 8] += f(double(x[i]));
  double total = 0;
  for (const double p : part) total += p;
  return total;
}
inline double sum(const float* x, std::size_t n) {
  return sum_of(x, n, [](double v) { return v; });
}
inline double squared_length(const float* x, std::size_t n) {
  return sum_of(x, n, [](double v) { return v * v; });  // exact: a square of a float is a double
}
inline void scale(float* x, float factor, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
}
inline void softcap(float* x, float cap, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = cap * tanh(x[i] / cap);
}
inline void rope(float* head, const float* cosines, const float* sines, std::size_t pairs, rope_pairs order) {
  for (std::size_t i = 0; i < pairs; ++i) {
    float& a = head[order == rope_pairs::halves ? i : 2 * i];
    float& b = head[order == rope_pairs::halves ? i + pairs : 2 * i + 1];
    const float x = a, y = b;
    a = fused(x, cosines[i], -(y * sines[i]));
    b = fused(x, sines[i], y * cosines[i]);
  }
}
/// @shape   x (count, size), in place
inline void hadamard(float* x, std::size_t size, std::size_t count) {
  const float factor = 1 / std::sqrt(float(size));
  for (float* const end = x + count * size; x < end; x += size) {
    for (std::size_t stride = size / 2; stride > 0; stride /= 2) {
      for (std::size_t i = 0; i < size; ++i) {
        if (i & stride) continue;
        const float a = x[i], b = x[i + stride];
        x[i] = a + b, x[i + stride] = a - b;
      }
    }
    for (std::size_t i = 0; i < size; ++i) x[i] *= factor;
  }
}

/// All of the above as a table, with the formats of a list: others have no functions in it.
template <class Formats>
inline constexpr kernel_table table_of = [] {
  kernel_table t{};
  t.target = "reference";
  t.quantize = &quantize;
  t.quantize_super = &quantize_super;
  any_type(quant_formats{}, [&, i = std::size_t{0}]<class Q>(std::type_identity<Q>) mutable {
    if constexpr (index_of<Q, Formats> < Formats::size) t.formats[i] = reference_kernels<Q>;
    return ++i, false;
  });
  t.rms_norm = &rms_norm;
  t.add = &add;
  t.add_scaled = &add_scaled;
  t.sum = &sum;
  t.squared_length = &squared_length;
  t.scale = &scale;
  t.softcap = &softcap;
  t.activate = &activate;
  t.gate = &gate;
  t.xielu = &xielu;
  t.rope = &rope;
  t.multiply = &multiply;
  t.normalize = &normalize;
  t.step_decay = &step_decay;
  t.convolve = &convolve;
  t.scan = &scan;
  t.hadamard = &hadamard;
  any_type(kv_formats{}, [&, i = std::size_t{0}]<class F>(std::type_identity<F>) mutable {
    if constexpr (index_of<F, Formats> < Formats::size) {
      t.store_key[i] = &store_kv<F, kv_role::key>, t.store_value[i] = &store_kv<F, kv_role::value>;
      t.attention[i] = &attention<F>;
    }
    return ++i, false;
  });
  return t;
}();
inline constexpr const kernel_table& table = table_of<quant_formats>;

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
