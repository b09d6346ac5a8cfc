/// Activation functions over rows: alone, as gates, and xIELU. Their meaning, to the bit, is in reference_activation.hpp.
#if defined(NIBBLE_KERNELS_ACTIVATION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ACTIVATION_INL_HPP
#undef NIBBLE_KERNELS_ACTIVATION_INL_HPP
#else
#define NIBBLE_KERNELS_ACTIVATION_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "nibble/kernels/math-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/table.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {
#if NIBBLE_FOLLOWS_AVX3
using N_AVX3::gate;
#else

/// x[i] = f(x[i]), times y[i] where y is not null, register by register; the last numbers go through one filled up with zeros.
template <class F>
HWY_INLINE void map_in_place(float* x, const float* y, std::size_t n, const F& f) {
  const float_tag d;
  alignas(64) float rest_x[lanes] = {}, rest_y[lanes] = {};
  for (std::size_t i = 0; i < n; i += lanes) {
    const std::size_t bytes = std::min(lanes, n - i) * sizeof(float);
    float* to = x + i;
    const float* factors = y ? y + i : nullptr;
    if (i + lanes > n) {
      std::memcpy(rest_x, x + i, bytes);
      if (y) std::memcpy(rest_y, y + i, bytes);
      to = rest_x, factors = y ? rest_y : nullptr;
    }
    const auto value = f(hn::LoadU(d, to));
    hn::StoreU(factors ? with_one_nan(hn::Mul(value, hn::LoadU(d, factors))) : value, d, to);
    if (i + lanes > n) std::memcpy(x + i, rest_x, bytes);
  }
}

/// @shape   x (n); y (n) or null
inline void map_activation(float* x, const float* y, std::size_t n, activation f) {
  switch (f) {
    case activation::silu:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return silu(v); });
    case activation::gelu_tanh:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return gelu_tanh(v); });
    case activation::gelu:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return gelu(v); });
    case activation::silu_clamped:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return silu_clamped(v); });
    case activation::relu:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return relu(v); });
    case activation::relu_squared:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return hn::Mul(relu(v), relu(v)); });
    case activation::sigmoid:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return sigmoid(v); });
    case activation::softplus:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return softplus(v); });
    case activation::tanh:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return tanh_of(v); });
    case activation::exp:
      return map_in_place(x, y, n, [](float_vec v) NIBBLE_ATTR { return exp_of(v); });
  }
}

/// @shape   x (n)
inline void activate(float* x, std::size_t n, activation f) { map_activation(x, nullptr, n, f); }

/// @shape   x, y (n)
inline void gate(float* x, const float* y, std::size_t n, activation f) {
  if (f != activation::silu_clamped) return map_activation(x, y, n, f);
  constexpr std::size_t strip = 128;
  for (std::size_t i = 0; i < n; i += strip) {
    alignas(64) float factors[strip];
    const std::size_t count = std::min(strip, n - i);
    std::memcpy(factors, y + i, count * sizeof(float));
    map_in_place(factors, nullptr, count, [](float_vec v) NIBBLE_ATTR { return factor_of_clamped(v); });
    map_activation(x + i, factors, count, f);
  }
}

/// @shape   x (n)
inline void xielu(float* x, std::size_t n, const xielu_numbers& k) {
  const float_tag d;
  const auto beta = hn::Set(d, k.beta), positive = softplus(hn::Set(d, k.alpha_p)),
             negative = hn::Add(beta, softplus(hn::Set(d, k.alpha_n)));
  map_in_place(x, nullptr, n, [=](float_vec v) NIBBLE_ATTR {
    const auto e = expm1_of_negative(at_most(v, k.eps));
    const auto below = hn::MulAdd(negative, hn::Sub(e, v), hn::Mul(beta, v));
    return hn::IfThenElse(hn::Gt(v, hn::Zero(d)), hn::Mul(v, hn::MulAdd(positive, v, beta)), below);
  });
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
