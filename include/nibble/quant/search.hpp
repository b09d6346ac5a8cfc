/// How encoders choose scales and codes: least squares from many starts.
///
/// A block is fitted by a line: value = scale * level + offset, see quant/format.hpp. Two steps alternate, each of
/// which can only lower the weighted squared error: the nearest level for each value, then the best line through the levels. A
/// grid of starts is tried with one such step each, and the best few go on until they stand still. Lines are judged as they
/// will be stored, so the rounding of a scale is part of the search.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>

#include "nibble/config.hpp"
#include "nibble/core/half.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

struct line {
  float scale = 0, offset = 0;
};

/// A line and its weighted squared error, up to a constant where only the order counts.
struct fit {
  line y;
  float error = std::numeric_limits<float>::infinity();
};

/// The magnitude that no integer format reaches past: the largest half times the largest codes of scale and value (Q6_K).
inline constexpr float furthest_value = largest_half * 128 * 32;
/// A value as encoders see it: NaN counts as 0, and what no format reaches, infinities included, as the largest that one does.
inline float encodable(float value) noexcept { return is_nan(value) ? 0.0f : limited(value, furthest_value); }

/// What a scale becomes in a file; never infinite.
inline float stored_half(float value) noexcept { return to_half(limited(value, largest_half)); }

/// Sum of f(i) over [0, N), N a multiple of 8, in eight lanes: one fixed order, which compilers can vectorise.
template <std::size_t N, class F>
float sum(F&& f) noexcept {
  std::array<float, 8> lane{};
  for (std::size_t i = 0; i < N; i += 8)
    for (std::size_t k = 0; k < 8; ++k) lane[k] += f(i + k);
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/// N finite values with finite weights, and the levels they may take: low, low + 1 ... low + top, or those of a codebook.
template <std::size_t N>
struct samples {
  std::array<float, N> x, w;
  float low, top;
  std::span<const float> codebook = {};  ///< levels in ascending order, from `low` to low + top; empty: every whole number

  /// The level nearest to each value.
  std::array<float, N> nearest(line y) const noexcept {
    std::array<float, N> level;
    const float inverse = std::abs(y.scale) > 1e-30f ? 1 / y.scale : 0;
    if (!codebook.empty()) {
      for (std::size_t i = 0; i < N; ++i) level[i] = nearest_in_codebook((x[i] - y.offset) * inverse);
      return level;
    }
    const float shift = 0.5f - low, edge = top + 0.5f;
    for (std::size_t i = 0; i < N; ++i) {
      float place = (x[i] - y.offset) * inverse + shift;
      place = place > 0 ? place : 0;
      place = place < edge ? place : edge;
      level[i] = float(int(place)) + low;
    }
    return level;
  }

  float error(line y, const std::array<float, N>& level) const noexcept {
    return sum<N>([&](std::size_t i) {
      const float miss = x[i] - (y.scale * level[i] + y.offset);
      return w[i] * miss * miss;
    });
  }

  /// The best line without offset through levels. Its error leaves out the sum of w x^2.
  fit regress_scale(const std::array<float, N>& level) const noexcept {
    const float lx = sum<N>([&](std::size_t i) { return w[i] * level[i] * x[i]; });
    const float ll = sum<N>([&](std::size_t i) { return w[i] * level[i] * level[i]; });
    if (!(ll > 0)) return {{}, 0};
    return {{lx / ll, 0}, -lx * lx / ll};
  }

  /// The best line through levels, with an offset of at most `highest`. Its error leaves out the sum of w x^2.
  fit regress(const std::array<float, N>& level, float highest) const noexcept {
    const float w0 = sum<N>([&](std::size_t i) { return w[i]; });
    if (!(w0 > 0)) return {{}, 0};
    const float l1 = sum<N>([&](std::size_t i) { return w[i] * level[i]; });
    const float x1 = sum<N>([&](std::size_t i) { return w[i] * x[i]; });
    const float lx = sum<N>([&](std::size_t i) { return w[i] * level[i] * x[i]; }) - l1 * x1 / w0;
    const float ll = sum<N>([&](std::size_t i) { return w[i] * level[i] * level[i]; }) - l1 * l1 / w0;
    const float scale = ll > 0 ? lx / ll : 0, offset = (x1 - scale * l1) / w0;
    if (offset > highest) return regress_scale(level);
    return {{scale, offset}, -scale * lx - x1 * x1 / w0};
  }

  /// The best offset, given a scale and levels.
  float regress_offset(const std::array<float, N>& level, float scale) const noexcept {
    const float w0 = sum<N>([&](std::size_t i) { return w[i]; });
    return w0 > 0 ? sum<N>([&](std::size_t i) { return w[i] * (x[i] - scale * level[i]); }) / w0 : 0;
  }

 private:
  float nearest_in_codebook(float place) const noexcept {
    std::size_t above = 0;  // levels that are nearer than the one before them
    for (std::size_t k = 1; k < codebook.size(); ++k) above += place > (codebook[k - 1] + codebook[k]) / 2;
    return codebook[above];
  }
};

/// The three best of the fits offered.
struct shortlist {
  std::array<fit, 3> kept;

  void offer(fit in) noexcept {
    for (fit& place : kept)
      if (in.error < place.error) std::swap(in, place);
  }
};

/// Improves a line until it stands still, four times at most, and puts it in `best` where it is better. `next(levels)` is the
/// fit that follows, `stored(line)` the line as the file will hold it.
template <std::size_t N, class Next, class Stored>
void descend(const samples<N>& s, line y, Next&& next, Stored&& stored, fit& best) noexcept {
  float before = std::numeric_limits<float>::infinity();
  for (int round = 0; round < 4; ++round) {
    y = stored(y);
    const auto level = s.nearest(y);
    const float error = s.error(y, level);
    if (error < best.error) best = {y, error};
    if (!(error < before)) return;
    before = error;
    y = next(level).y;
  }
}

/// The best line without offset. Levels reach further to one side than to the other, so both signs of the scale are tried.
template <std::size_t N, class Stored>
fit best_scale(const samples<N>& s, Stored&& stored) noexcept {
  constexpr int starts = 32;
  float most = 0;
  for (const float v : s.x) most = std::abs(v) > std::abs(most) ? v : most;
  const float furthest = -s.low >= s.low + s.top ? s.low : s.low + s.top;
  const auto next = [&](const auto& level) { return s.regress_scale(level); };
  // The largest value lands on a level from a tenth below the last of the shorter side to a third beyond that of the other,
  // where it is cut.
  const float least = 0.9f * std::min(-s.low, s.low + s.top) / std::abs(furthest);
  shortlist list;
  for (int k = 0; k < starts; ++k) {
    const float scale = most / (furthest * (least + (1.35f - least) * float(k) / float(starts - 1)));
    list.offer(next(s.nearest({scale, 0})));
    list.offer(next(s.nearest({-scale, 0})));
  }
  fit best{stored(line{}), std::numeric_limits<float>::infinity()};
  for (const fit& start : list.kept) descend(s, start.y, next, stored, best);
  return best;
}

/// The best line with an offset of at most `highest`, which is not negative.
template <std::size_t N, class Stored>
fit best_scale_min(const samples<N>& s, float highest, Stored&& stored) noexcept {
  constexpr int cuts = 12, places = 5;
  const auto [low, high] = std::minmax_element(s.x.begin(), s.x.end());
  const float bottom = std::min(*low, highest), range = std::max(*high - bottom, 0.0f);
  const auto next = [&](const auto& level) { return s.regress(level, highest); };
  // Ranges from a twentieth longer than that of the values to three tenths shorter, cut at the top, at the bottom, and between.
  shortlist list;
  for (int k = 0; k < cuts; ++k)
    for (int p = 0; p < places; ++p) {
      const float cut = range * (0.35f * float(k) / float(cuts - 1) - 0.05f);
      list.offer(next(s.nearest({(range - cut) / s.top, bottom + cut * float(p) / float(places - 1)})));
    }
  fit best;
  descend(s, {0, bottom}, next, stored, best);
  for (const fit& start : list.kept) descend(s, start.y, next, stored, best);
  return best;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
