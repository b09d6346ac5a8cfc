/// The online softmax of attention: from the scores of a tile of keys to probabilities, query by query.
#if defined(NIBBLE_KERNELS_SOFTMAX_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_SOFTMAX_INL_HPP
#undef NIBBLE_KERNELS_SOFTMAX_INL_HPP
#else
#define NIBBLE_KERNELS_SOFTMAX_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <limits>

#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/math-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {
#if NIBBLE_FOLLOWS_AVX3
using N_AVX3::distance_slope;
using N_AVX3::log2_e;
using N_AVX3::online_softmax;
using N_AVX3::slot_range;
using N_AVX3::update_softmax;
#else

/// Slots [begin, end) of a tile: those that a query sees.
struct slot_range {
  std::size_t begin, end;
};

/// 2^x for x <= 0, and a little above; 0 below -125, NaN for NaN. See reference::power_of_2, for scores that are huge as well.
HWY_INLINE float_vec power_of_2(float_vec x) {
  const float_tag d;
  const auto least = hn::Set(d, math_numbers::least_power), magic = hn::Set(d, math_numbers::exponent_magic);
  const auto too_low = hn::Lt(x, least);
  const auto bounded = hn::IfThenElse(too_low, least, x), rounded = hn::Add(bounded, magic);
  const auto r = hn::Sub(bounded, hn::Sub(rounded, magic));
  const auto fraction = hn::MulAdd(polynomial(math_numbers::power_coefficients, r), r, hn::Set(d, 1));
  const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(int_tag(), rounded)));
  return hn::IfThenElse(too_low, hn::Zero(d), hn::Mul(fraction, power));
}
using math_numbers::log2_e;

/// The softmax of one query, up to the tiles seen so far.
struct online_softmax {
  float largest;                // m
  alignas(64) float total[16];  // l, in sixteen parts: see lane_sums
};

/// What is subtracted from a query's scores for their distance (ALiBi), in units of ln 2: slope * |slot - own|.
struct distance_slope {
  float slope, own;  ///< own: the query's position, counted from slot 0 of the tile
};

/// The scores of a tile, as numbers u and one factor: u * factor is what powers of 2 are taken of. The product is not stored
/// but fused with what is subtracted from it.
struct tile_scores {
  static constexpr std::size_t vectors = page_positions / lanes;
  float_vec u[vectors], factor;

  /// @shape   scores (64)
  HWY_INLINE tile_scores(const attention_args& a, distance_slope nearness, const float* scores) {
    const float_tag d;
    const auto scale = hn::Set(d, a.scale), cap = hn::Set(d, a.softcap);
    factor = hn::Set(d, (a.softcap > 0 ? a.softcap : a.scale) * log2_e);
    NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      u[v] = hn::Load(d, scores + v * lanes);
      if (a.softcap > 0) u[v] = tanh_of(hn::Div(hn::Mul(u[v], scale), cap));
      if (a.slopes) {
        const auto slot = hn::ConvertTo(d, hn::Iota(int_tag(), static_cast<std::int32_t>(v * lanes)));
        const auto distance = hn::Abs(hn::Sub(slot, hn::Set(d, nearness.own)));
        u[v] = hn::MulSub(u[v], factor, hn::Mul(hn::Set(d, nearness.slope), distance));
      }
    }
    if (a.slopes) factor = hn::Set(d, 1);
  }
};

/// Which of the slots of register v a query does not see.
HWY_INLINE auto unseen_lanes(slot_range seen, std::size_t v) {
  const float_tag d;
  const auto slot = hn::ConvertTo(d, hn::Iota(int_tag(), static_cast<std::int32_t>(v * lanes)));
  return hn::Or(hn::Lt(slot, hn::Set(d, float(seen.begin))), hn::Ge(slot, hn::Set(d, float(seen.end))));
}

/// One step of the online softmax: turns the scores of a tile into unnormalized probabilities, in place, and updates the state.
/// Returns the factor by which the output so far is to be rescaled. Slots outside of [begin, end) have no part in it: however
/// low the others are, their probability is 0.
/// @shape   scores (64)
HWY_NOINLINE inline float update_softmax(const attention_args& a, slot_range seen, distance_slope nearness, float* scores,
                                         online_softmax& state) {
  const float_tag d;
  const tile_scores s(a, nearness, scores);
  const bool all = seen.begin == 0 && seen.end == page_positions;
  const auto lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  auto top = lowest;  // and so m, which a score of -infinity does not lower
  NIBBLE_UNROLL for (std::size_t v = 0; v < s.vectors; ++v) {
    const auto product = hn::Mul(s.u[v], s.factor);
    top = hn::Max(top, all ? product : hn::IfThenElse(unseen_lanes(seen, v), lowest, product));
  }
  const float before = state.largest;
  state.largest = std::max(before, max_of(top));
  const auto now = hn::Set(d, state.largest);
  const float rescale = before == state.largest ? 1.0f : hn::GetLane(power_of_2(hn::Set(d, before - state.largest)));
  float_vec total[lane_sums::vectors];
  NIBBLE_UNROLL for (std::size_t v = 0; v < lane_sums::vectors; ++v) total[v] = hn::Load(d, state.total + v * lanes);
  NIBBLE_UNROLL for (std::size_t v = 0; v < s.vectors; ++v) {
    auto p = power_of_2(hn::MulSub(s.u[v], s.factor, now));
    if (!all) p = hn::IfThenElse(unseen_lanes(seen, v), hn::Zero(d), p);
    hn::Store(p, d, scores + v * lanes);
    auto& sum = total[v % lane_sums::vectors];
    sum = v < lane_sums::vectors ? hn::MulAdd(sum, hn::Set(d, rescale), p) : hn::Add(sum, p);
  }
  NIBBLE_UNROLL for (std::size_t v = 0; v < lane_sums::vectors; ++v) hn::Store(total[v], d, state.total + v * lanes);
  return rescale;
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
