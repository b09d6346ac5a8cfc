/// The functions of reference_math.hpp and reference_activation.hpp, lane by lane, to the same bits: see there.
///
/// A product that is added to something is fused with the addition, by name (MulAdd and its kin). Never Add a Mul: compilers
/// fuse these where their flags allow it, and then there is more than one result.
#if defined(NIBBLE_KERNELS_MATH_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_MATH_INL_HPP
#undef NIBBLE_KERNELS_MATH_INL_HPP
#else
#define NIBBLE_KERNELS_MATH_INL_HPP
#endif

#include <cstddef>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/reference_math.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

template <std::size_t N>
HWY_INLINE float_vec polynomial(const float (&coefficients)[N], float_vec x) {
  auto sum = hn::Set(float_tag(), coefficients[0]);
  NIBBLE_UNROLL for (std::size_t i = 1; i < N; ++i) sum = hn::MulAdd(sum, x, hn::Set(float_tag(), coefficients[i]));
  return sum;
}

/// The smaller of x and `most`, and the larger of x and `least`; NaN where x is.
HWY_INLINE float_vec at_most(float_vec x, float most) {
  const auto m = hn::Set(float_tag(), most);
  return hn::IfThenElse(hn::Gt(x, m), m, x);
}
HWY_INLINE float_vec at_least(float_vec x, float least) {
  const auto l = hn::Set(float_tag(), least);
  return hn::IfThenElse(hn::Lt(x, l), l, x);
}

/// e^x = 2^n (1 + slope * r), for -87 <= x < 88.8.
struct exponential {
  HWY_INLINE explicit exponential(float_vec x) : slope(x), r(x), power(x) {
    const float_tag d;
    const int_tag di;
    const auto magic = hn::Set(d, math_numbers::exponent_magic), whole = hn::Set(d, math_numbers::log2_e);
    const auto rounded = hn::MulAdd(x, whole, magic), n = hn::Sub(rounded, magic);
    r = hn::MulAdd(x, hn::Set(d, math_numbers::log2_e_rest), hn::MulSub(x, whole, n));
    slope = polynomial(math_numbers::power_coefficients, r);
    power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, rounded)));
  }
  HWY_INLINE float_vec fraction() const { return hn::MulAdd(slope, r, hn::Set(float_tag(), 1)); }

  float_vec slope, r, power;
};

/// e^x for x <= 0.
HWY_INLINE float_vec exp_of_negative(float_vec x) {
  const float_tag d;
  const auto least = hn::Set(d, math_numbers::least_exponent);
  const auto too_low = hn::Lt(x, least);
  const exponential e(hn::IfThenElse(too_low, least, x));
  return hn::IfThenElse(too_low, hn::Zero(d), hn::Mul(e.fraction(), e.power));
}
HWY_INLINE float_vec exp_of(float_vec x) {
  const float_tag d;
  const int_tag di;
  const exponential e(at_most(at_least(x, math_numbers::least_exponent), math_numbers::most_exponent));
  const auto half_power = hn::BitCast(d, hn::Sub(hn::BitCast(di, e.power), hn::Set(di, 1 << 23)));  // 2^128 is no float
  const auto power = hn::Mul(hn::Mul(e.fraction(), half_power), hn::Set(d, 2));
  return hn::IfThenElse(hn::Lt(x, hn::Set(d, math_numbers::least_exponent)), hn::Zero(d), power);
}
/// e^x - 1 for x <= 0.
HWY_INLINE float_vec expm1_of_negative(float_vec x) {
  const exponential e(at_least(x, math_numbers::least_exponent));
  return hn::MulAdd(e.power, hn::Mul(e.slope, e.r), hn::Sub(e.power, hn::Set(float_tag(), 1)));
}
HWY_INLINE float_vec tanh_of(float_vec x) {
  const float_tag d;
  const auto e = expm1_of_negative(hn::Mul(at_most(hn::Abs(x), 10), hn::Set(d, -2)));
  return hn::CopySign(hn::Div(e, hn::Sub(hn::Set(d, -2), e)), x);
}

HWY_INLINE float_vec relu(float_vec x) { return at_least(x, 0); }
HWY_INLINE float_vec sigmoid(float_vec x) {
  const float_tag d;
  const auto one = hn::Set(d, 1), e = exp_of_negative(hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}
HWY_INLINE float_vec silu(float_vec x) {
  const float_tag d;
  const auto e = exp_of_negative(hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(x, e), x), hn::Add(hn::Set(d, 1), e));
}
HWY_INLINE float_vec gelu_tanh(float_vec x) {
  const float_tag d;
  const auto cubic = hn::MulAdd(hn::Mul(hn::Mul(x, x), x), hn::Set(d, 0.044715f), x), half_x = hn::Mul(hn::Set(d, 0.5f), x);
  return hn::MulAdd(half_x, tanh_of(hn::Mul(hn::Set(d, 0.797884560802865f), cubic)), half_x);
}
HWY_INLINE float_vec gelu(float_vec x) {
  const float_tag d;
  const auto size = at_most(hn::Abs(x), 20), one = hn::Set(d, 1);
  const auto t = hn::Div(one, hn::MulAdd(size, hn::Set(d, math_numbers::normal_tail_slope), one));
  const auto density = exp_of_negative(hn::Mul(hn::Mul(size, size), hn::Set(d, -0.5f)));
  const auto tail = hn::Mul(hn::Mul(t, polynomial(math_numbers::normal_tail, t)), density);
  return hn::NegMulAdd(size, tail, relu(x));
}
HWY_INLINE float_vec softplus(float_vec x) {
  const auto e = exp_of_negative(hn::Neg(hn::Abs(x))), s = hn::Div(e, hn::Add(hn::Set(float_tag(), 2), e));
  return hn::MulAdd(s, polynomial(math_numbers::log1p, hn::Mul(s, s)), relu(x));
}
HWY_INLINE float_vec silu_clamped(float_vec x) {
  const auto bounded = at_most(x, 7);
  return hn::Mul(bounded, sigmoid(hn::Mul(hn::Set(float_tag(), 1.702f), bounded)));
}
HWY_INLINE float_vec factor_of_clamped(float_vec y) { return hn::Add(hn::Set(float_tag(), 1), at_least(at_most(y, 7), -7)); }

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
