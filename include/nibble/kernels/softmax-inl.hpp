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

/// Slots [begin, end) of a tile: those that a query sees.
struct slot_range {
  std::size_t begin, end;
};

/// 2^x for x <= 0, by a minimax polynomial of 2^r, r in [-1/2, 1/2], with a relative error of 3e-9 before rounding. 0 below
/// -125; NaN for NaN.
HWY_INLINE float_vec power_of_2(float_vec x) {
  const float_tag d;
  const int_tag di;
  const auto least = hn::Set(d, -126), bounded = hn::IfThenElse(hn::Lt(x, least), least, x);  // its n is a number of 32 bits
  const auto n = hn::Round(bounded), r = hn::Sub(bounded, n);
  constexpr float lower[] = {1.3406643e-3f, 9.6176928e-3f, 5.5503103e-2f, 2.4022652e-1f, 6.9314724e-1f, 1.0f};
  auto p = hn::Set(d, 1.5594678e-4f);
  NIBBLE_UNROLL for (float c : lower) p = hn::MulAdd(p, r, hn::Set(d, c));
  const auto scaled = hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::ConvertTo(di, n)));
  const auto power = hn::IfThenElseZero(hn::Ge(x, hn::Set(d, -125)), hn::BitCast(d, scaled));
  return hn::IfThenElse(hn::Eq(x, x), power, x);
}
using math_numbers::log2_e;

/// The softmax of one query, up to the tiles seen so far.
struct online_softmax {
  float largest;                   // m
  alignas(64) float total[lanes];  // l, one part a lane: they are added up at the end
};

/// What is subtracted from a query's scores for their distance (ALiBi), in units of ln 2: slope * |slot - own|.
struct distance_slope {
  float slope, own;  ///< own: the query's position, counted from slot 0 of the tile
};

/// The scores of a tile, scaled, capped, and in units of ln 2; those outside of slots [begin, end) are -infinity: however low
/// the others are, their probability is 0.
HWY_INLINE void finish_scores(const attention_args& a, slot_range seen, distance_slope nearness, const float* scores,
                              float_vec (&s)[page_positions / lanes]) {
  const float_tag d;
  const int_tag di;
  constexpr std::size_t vectors = page_positions / lanes;
  const auto scale = hn::Set(d, a.softcap > 0 ? a.scale : a.scale * log2_e);
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
    s[v] = hn::Mul(hn::Load(d, scores + v * lanes), scale);
    if (a.softcap > 0) s[v] = hn::Mul(capped(s[v], a.softcap), hn::Set(d, log2_e));
    if (a.slopes) {
      const auto slot = hn::ConvertTo(d, hn::Iota(di, static_cast<std::int32_t>(v * lanes)));
      s[v] = hn::NegMulAdd(hn::Set(d, nearness.slope), hn::Abs(hn::Sub(slot, hn::Set(d, nearness.own))), s[v]);
    }
  }
  if (seen.begin == 0 && seen.end == page_positions) return;
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
    const auto slot = hn::Iota(di, static_cast<std::int32_t>(v * lanes));
    const auto unseen = hn::Or(hn::VecFromMask(di, hn::Lt(slot, hn::Set(di, static_cast<std::int32_t>(seen.begin)))),
                               hn::VecFromMask(di, hn::Gt(slot, hn::Set(di, static_cast<std::int32_t>(seen.end) - 1))));
    s[v] = hn::IfThenElse(hn::RebindMask(d, hn::MaskFromVec(unseen)), lowest, s[v]);
  }
}

/// One step of the online softmax: turns the scores of a tile into unnormalised probabilities, in place, and updates the state.
/// Returns the factor by which the output so far is to be rescaled.
/// @shape   scores (64)
HWY_NOINLINE inline float update_softmax(const attention_args& a, slot_range seen, distance_slope nearness, float* scores,
                                         online_softmax& state) {
  const float_tag d;
  constexpr std::size_t vectors = page_positions / lanes;
  float_vec s[vectors];
  finish_scores(a, seen, nearness, scores, s);
  auto top = hn::Set(d, std::numeric_limits<float>::lowest());  // and so m, which a score of -infinity does not lower
  NIBBLE_UNROLL for (auto& v : s) top = hn::Max(top, v);
  const float before = state.largest;
  state.largest = std::max(before, max_of(top));
  const auto now = hn::Set(d, state.largest);
  const float rescale = before == state.largest ? 1.0f : hn::GetLane(power_of_2(hn::Set(d, before - state.largest)));
  auto total = hn::Mul(hn::Load(d, state.total), hn::Set(d, rescale));
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
    const auto p = power_of_2(hn::Sub(s[v], now));
    hn::Store(p, d, scores + v * lanes);
    total = hn::Add(total, p);
  }
  hn::Store(total, d, state.total);
  return rescale;
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
