/// The encoder of every integer format: it searches for its kind of scale, and packs what it found.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "nibble/quant/format.hpp"
#include "nibble/quant/search.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// What one squared error counts.
///
/// Without importance all count alike. With it, a column counts by its importance in units of their mean over the block, plus
/// 0.6 (what a calibration text did not touch may still be needed), times sqrt(row mean square + x^2), so that a large weight
/// is not given up because its column seemed to matter little; x^2 is capped, lest one outlier decide everything. Importance
/// that is infinite somewhere, or zero throughout, is none.
template <std::size_t N>
std::array<float, N> error_weights(const std::array<float, N>& x, const encode_hint& hint) noexcept {
  std::array<float, N> w;
  w.fill(1);
  if (!hint.importance) return w;
  float mean = 0;
  for (std::size_t i = 0; i < N; ++i) mean += std::max(hint.importance[i], 0.0f) / float(N);
  if (!(mean > 0) || !is_finite(mean)) return w;
  const float mean_square = is_nan(hint.row_mean_square) ? 0 : limited(hint.row_mean_square, 1e20f);
  for (std::size_t i = 0; i < N; ++i) {
    const float share = std::max(hint.importance[i], 0.0f) / mean;
    const float size = mean_square > 0 ? std::sqrt(mean_square + std::min(x[i] * x[i], 2 * mean_square)) : 1.0f;
    w[i] = (share + 0.6f) * size;
  }
  return w;
}

/// The scales of a block of 256: whole multiples of d (and dmin) for each sub-block.
template <class Scales>
struct super_fit {
  static constexpr std::size_t columns = Scales::sub_block, count = Scales::columns / columns;
  static constexpr int least_scale = Scales::least_scale, most_scale = Scales::most_scale, most_min = [] {
    if constexpr (Scales::has_offset) return Scales::most_min;
    return 1;
  }();
  using parts = std::array<samples<columns>, count>;

  float d = 0, dmin = 0, error = std::numeric_limits<float>::infinity();
  std::array<int, count> scale{}, min{};

  line at(std::size_t j) const noexcept { return {d * float(scale[j]), -(dmin * float(min[j]))}; }

  /// The best multiples of d and dmin near the lines that the sub-blocks would like to have.
  static super_fit place(const parts& part, const std::array<line, count>& wish, float widest, line unit) noexcept {
    super_fit out;
    out.d = stored_half(unit.scale), out.dmin = stored_half(unit.offset), out.error = 0;
    for (std::size_t j = 0; j < count; ++j) {
      // Where a few large values set the scale of the whole block, coarser steps may meet them better: look further up there.
      const int further = Scales::has_offset && wish[j].scale >= widest ? 6 : 1;
      const int close = multiple(wish[j].scale, out.d, least_scale, most_scale);
      float best = std::numeric_limits<float>::infinity();
      const auto try_step = [&](int a) {
        const float step = out.d * float(a);
        const auto offer = [&](int b) {
          const line y{step, -(out.dmin * float(b))};
          const float missed = part[j].error(y, part[j].nearest(y));
          if (missed < best) best = missed, out.scale[j] = a, out.min[j] = b;
        };
        offer(0);
        if constexpr (Scales::has_offset) {
          float offset = wish[j].offset;
          for (int round = 0; round < 2; ++round) offset = part[j].regress_offset(part[j].nearest({step, offset}), step);
          const int b = multiple(-offset, out.dmin, 0, most_min);
          for (int c = std::max(b - 1, 1); c <= std::min(b + 1, most_min); ++c) offer(c);
        }
      };
      for (int a = std::max(close - 1, least_scale); a <= std::min(close + further, most_scale); ++a) try_step(a);
      if constexpr (!Scales::has_offset && most_scale < 64) {  // of few levels, one side has a good part more than the other
        for (int a = std::max(-close - 1, least_scale); a <= std::min(1 - close, most_scale); ++a) try_step(a);
      }
      out.error += best;
    }
    return out;
  }

  /// The best d and dmin for these multiples and the levels they give.
  line regress(const parts& part) const noexcept {
    double uu = 0, uv = 0, vv = 0, ux = 0, vx = 0;  // x = d * u + dmin * v
    for (std::size_t j = 0; j < count; ++j) {
      const auto level = part[j].nearest(at(j));
      for (std::size_t i = 0; i < columns; ++i) {
        const double u = double(scale[j]) * double(level[i]), v = -double(min[j]), w = double(part[j].w[i]);
        uu += w * u * u, uv += w * u * v, vv += w * v * v;
        ux += w * u * double(part[j].x[i]), vx += w * v * double(part[j].x[i]);
      }
    }
    const double determinant = uu * vv - uv * uv;
    if (determinant > 1e-6 * uu * vv)
      return {float((ux * vv - vx * uv) / determinant), float((vx * uu - ux * uv) / determinant)};
    return {uu > 0 ? float(ux / uu) : 0, dmin};
  }

 private:
  static int multiple(float value, float unit, int least, int most) noexcept {
    const float steps = unit != 0 ? value / unit : 0;
    return int(std::floor(std::clamp(steps, float(least), float(most)) + 0.5f));
  }
};

/// Free lines for the sub-blocks first, then d and dmin: from several that let the widest sub-block use all of its steps down
/// to seven tenths, the two best are improved until they stand still.
template <class Scales>
super_fit<Scales> best_super_scales(const typename super_fit<Scales>::parts& part) noexcept {
  using found = super_fit<Scales>;
  const auto exact = [](line y) { return y; };
  std::array<line, found::count> wish;
  float widest = 0, deepest = 0;
  for (std::size_t j = 0; j < found::count; ++j) {
    wish[j] = (Scales::has_offset ? best_scale_min(part[j], 0, exact) : best_scale(part[j], exact)).y;
    if (std::abs(wish[j].scale) > std::abs(widest)) widest = wish[j].scale;
    deepest = std::max(deepest, -wish[j].offset);
  }
  std::array<found, 2> best;
  constexpr float furthest = float(Scales::has_offset ? found::most_scale : found::least_scale);
  for (int k = 0; k < 8; ++k) {
    const float reach = 1 - 0.04f * float(k);
    found next = found::place(part, wish, widest, {widest / (reach * furthest), deepest / (reach * float(found::most_min))});
    for (found& kept : best)
      if (next.error < kept.error) std::swap(next, kept);
  }
  for (found& kept : best)
    for (int round = 0; round < 3; ++round) {
      const found next = found::place(part, wish, widest, kept.regress(part));
      if (!(next.error < kept.error)) break;
      kept = next;
    }
  return best[1].error < best[0].error ? best[1] : best[0];
}

/// The levels of a codebook in ascending order.
template <codebook_format Q>
inline constexpr std::array<float, 16> sorted_levels = [] {
  std::array<float, 16> levels{};
  std::copy(Q::codebook.begin(), Q::codebook.end(), levels.begin());
  std::sort(levels.begin(), levels.end());
  return levels;
}();

/// The code of a level.
template <class Q>
std::uint8_t code_of(float level) noexcept {
  if constexpr (codebook_format<Q>) {
    return std::uint8_t(std::find(Q::codebook.begin(), Q::codebook.end(), std::int8_t(level)) - Q::codebook.begin());
  } else {
    return std::uint8_t(int(level) + Q::zero_point);
  }
}

/// Whether values reach below `-deepest`, and further down than up. Levels count up from an
/// offset, so such values are encoded with the other sign, and so are their scale and offset.
template <std::size_t N>
bool leans_down(const std::array<float, N>& x, float deepest) noexcept {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  return *low < -deepest && -*low > *high;
}

/// The largest offset that a file can hold.
template <class Scales>
inline constexpr float largest_offset = [] {
  if constexpr (Scales::has_offset && Scales::super_block) return largest_half * float(Scales::most_min);
  return Scales::has_offset ? largest_half : 0.0f;
}();

/// Encodes a block of any integer format. Every input has an outcome, see encodable() and error_weights().
template <class Q>
void encode_codes(std::span<const float, Q::block_size> values, const encode_hint& hint, typename Q::block& out) noexcept {
  using scales = typename Q::scales;
  constexpr std::size_t columns = scales::sub_block, count = Q::block_size / columns;
  std::array<float, Q::block_size> x;
  std::transform(values.begin(), values.end(), x.begin(), encodable);
  constexpr float deepest = largest_offset<scales>;
  const float sign = scales::has_offset && leans_down(x, deepest) ? -1.0f : 1.0f;
  for (float& v : x) v *= sign;
  const auto w = error_weights(x, hint);
  std::array<samples<columns>, count> part;
  for (std::size_t j = 0; j < count; ++j) {
    std::copy_n(x.begin() + j * columns, columns, part[j].x.begin());
    std::copy_n(w.begin() + j * columns, columns, part[j].w.begin());
    if constexpr (codebook_format<Q>) {
      part[j].codebook = sorted_levels<Q>;
      part[j].low = part[j].codebook.front(), part[j].top = part[j].codebook.back() - part[j].low;
    } else {
      part[j].low = -float(Q::zero_point), part[j].top = float((1 << Q::code_bits) - 1);
    }
  }

  scales s{};
  std::array<line, count> y;
  if constexpr (!scales::super_block && !scales::has_offset) {
    y[0] = best_scale(part[0], [](line free) { return line{stored_half(free.scale), 0}; }).y;
    s.d = to_half(y[0].scale);
  } else if constexpr (std::is_same_v<scales, block_scale_min>) {
    const auto stored = [](line free) { return line{stored_half(free.scale), stored_half(free.offset)}; };
    y[0] = best_scale_min(part[0], largest_half, stored).y;
    s.d = to_half(sign * y[0].scale), s.m = to_half(sign * y[0].offset);
  } else {
    const auto found = best_super_scales<scales>(part);
    s.d = to_half(sign * found.d);
    if constexpr (scales::has_offset) s.dmin = to_half(sign * found.dmin);
    for (std::size_t j = 0; j < count; ++j) {
      y[j] = found.at(j);
      s.scale[j] = typename decltype(s.scale)::value_type(found.scale[j]);
      if constexpr (scales::has_offset) s.min[j] = std::uint8_t(found.min[j]);
    }
  }

  std::array<std::uint8_t, Q::block_size> code;
  for (std::size_t j = 0; j < count; ++j) {
    const auto level = part[j].nearest(y[j]);
    for (std::size_t i = 0; i < columns; ++i) code[j * columns + i] = code_of<Q>(level[i]);
  }
  Q::pack(code, s, out);
}

/// The digits 0, 1 and 2, for levels -1, 0 and 1, of a block with one scale, which is returned.
template <std::size_t N>
half encode_ternary(std::span<const float, N> values, const encode_hint& hint, std::array<std::uint8_t, N>& digit) noexcept {
  std::array<float, N> x;
  std::transform(values.begin(), values.end(), x.begin(), encodable);
  const auto w = error_weights(x, {hint.importance, 0});
  std::array<std::uint16_t, N> order;  // of the sizes, the largest first: those before some place are not 0
  for (std::size_t i = 0; i < N; ++i) order[i] = std::uint16_t(i);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return std::abs(x[a]) > std::abs(x[b]); });
  float sum = 0, weight = 0, gain = 0, scale = 0;
  for (const std::size_t i : order) {
    sum += w[i] * std::abs(x[i]), weight += w[i];
    if (sum * (sum / weight) > gain) gain = sum * (sum / weight), scale = sum / weight;
  }
  const half d = to_half(stored_half(scale));
  for (std::size_t i = 0; i < N; ++i) digit[i] = std::uint8_t(std::abs(x[i]) * 2 <= float(d) ? 1 : x[i] < 0 ? 0 : 2);
  return d;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
