/// The meaning of activation functions in plain C++: one sequence of operations each, as reference_math.hpp explains.
#pragma once

#include <cmath>
#include <cstddef>

#include "nibble/core/fused.hpp"
#include "nibble/kernels/reference_math.hpp"
#include "nibble/kernels/table.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace reference {

/// 1 / (1 + e^-x), computed from e^-|x|, which cannot overflow. The last step to e multiplies by a power of two, exactly: fused
/// with the addition or not, the sum is the same, here as below.
inline float sigmoid(float x) noexcept {
  const float e = exp_of_negative(-std::fabs(x));
  return (x < 0 ? e : 1.0f) / (1 + e);
}
inline float silu(float x) noexcept {
  const float e = exp_of_negative(-std::fabs(x));
  return (x < 0 ? x * e : x) / (1 + e);
}
/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
inline float gelu_tanh(float x) noexcept {
  const float half_x = 0.5f * x;
  return fused(half_x, tanh(0.797884560802865f * fused(x * x * x, 0.044715f, x)), half_x);
}
inline float relu(float x) noexcept { return x < 0 ? 0.0f : x; }
/// x / 2 * (1 + erf(x / sqrt 2)): relu(x) without |x| times the tail of the normal distribution.
inline float gelu(float x) noexcept {
  const float size = std::fabs(x) > 20 ? 20.0f : std::fabs(x);  // where the tail is 0
  const float t = 1 / fused(size, math_numbers::normal_tail_slope, 1.0f);
  const float tail = t * polynomial(math_numbers::normal_tail, t) * exp_of_negative(size * size * -0.5f);
  return fused(-size, tail, relu(x));
}
/// log(1 + e^x).
inline float softplus(float x) noexcept {
  const float e = exp_of_negative(-std::fabs(x)), s = e / (2 + e);
  return fused(s, polynomial(math_numbers::log1p, s * s), relu(x));
}
/// min(x, 7) * sigmoid(1.702 * min(x, 7)), and clamp(y, -7, 7) + 1: the two factors of the clamped gate.
inline float silu_clamped(float x) noexcept {
  const float bounded = x > 7 ? 7.0f : x;
  return bounded * sigmoid(1.702f * bounded);
}
inline float factor_of_clamped(float y) noexcept { return 1 + (y > 7 ? 7.0f : y < -7 ? -7.0f : y); }

inline float activated(float x, activation f) noexcept {
  switch (f) {
    case activation::silu:
      return silu(x);
    case activation::gelu_tanh:
      return gelu_tanh(x);
    case activation::gelu:
      return gelu(x);
    case activation::silu_clamped:
      return silu_clamped(x);
    case activation::relu:
      return relu(x);
    case activation::relu_squared:
      return relu(x) * relu(x);
    case activation::sigmoid:
      return sigmoid(x);
    case activation::softplus:
      return softplus(x);
    case activation::tanh:
      return tanh(x);
    case activation::exp:
      return exp(x);
  }
  return x;
}
/// f(x) * y, as the kernels' `gate` has it.
inline float gated(float x, float y, activation f) noexcept {
  return activated(x, f) * (f == activation::silu_clamped ? factor_of_clamped(y) : y);
}

inline void activate(float* x, std::size_t n, activation f) {
  for (std::size_t i = 0; i < n; ++i) x[i] = activated(x[i], f);
}
inline void gate(float* x, const float* y, std::size_t n, activation f) {
  for (std::size_t i = 0; i < n; ++i) x[i] = gated(x[i], y[i], f);
}
inline void xielu(float* x, std::size_t n, const xielu_numbers& k) {
  const float positive = softplus(k.alpha_p), negative = k.beta + softplus(k.alpha_n);
  for (std::size_t i = 0; i < n; ++i) {
    const float e = expm1_of_negative(x[i] > k.eps ? k.eps : x[i]);
    x[i] = x[i] > 0 ? x[i] * fused(positive, x[i], k.beta) : fused(negative, e - x[i], k.beta * x[i]);
  }
}

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
