/// Sums of a row in double precision: of its numbers, and of their squares, each of which is exact. Number i is in sum i mod 8,
/// so they have the bits of the scalar reference on every target. Where a target has no double precision, they are the
/// reference.
#if defined(NIBBLE_KERNELS_SUMS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_SUMS_INL_HPP
#undef NIBBLE_KERNELS_SUMS_INL_HPP
#else
#define NIBBLE_KERNELS_SUMS_INL_HPP
#endif

#include <cstddef>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/reference.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

#if HWY_HAVE_FLOAT64
/// Adds up f(numbers, sums so far).
/// @shape   x (n)
template <class F>
HWY_INLINE double sum_of(const float* x, std::size_t n, const F& f) {
  using double_tag = hn::CappedTag<double, 8>;
  const double_tag d;
  const hn::Rebind<float, double_tag> half;
  constexpr std::size_t at_once = hn::MaxLanes(double_tag());
  hn::Vec<double_tag> sums[8 / at_once];
  NIBBLE_UNROLL for (auto& s : sums) s = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < 8 / at_once; ++v) {
      sums[v] = f(hn::PromoteTo(d, hn::LoadU(half, x + i + v * at_once)), sums[v]);
    }
  }
  alignas(64) float rest[8] = {};
  std::memcpy(rest, x + i, (n - i) * sizeof(float));
  alignas(64) double part[8];
  NIBBLE_UNROLL for (std::size_t v = 0; v < 8 / at_once; ++v) {
    hn::Store(f(hn::PromoteTo(d, hn::Load(half, rest + v * at_once)), sums[v]), d, part + v * at_once);
  }
  double total = 0;
  for (const double p : part) total += p;
  return total;
}
inline double sum(const float* x, std::size_t n) {
  return sum_of(x, n, [](auto v, auto sums) NIBBLE_ATTR { return hn::Add(sums, v); });
}
inline double squared_length(const float* x, std::size_t n) {
  return sum_of(x, n, [](auto v, auto sums) NIBBLE_ATTR { return hn::MulAdd(v, v, sums); });
}
#else
using reference::squared_length;
using reference::sum;
#endif

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();

#endif
