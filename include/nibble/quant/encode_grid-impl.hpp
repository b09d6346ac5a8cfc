/// The definitions behind encode_grid.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "nibble/quant/encode.hpp"
#include "nibble/quant/encode_grid.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// One way to fill a group of columns: p = sum w x level and r = sum w level^2, so at a scale s its error is s^2 r - 2 s p, up
/// to a constant.
struct grid_choice {
  float p = 0, r = 0;
  std::uint16_t point = 0;
  bool down = false;

  float error(float s) const noexcept { return s * (s * r - 2 * p); }
};

/// The few choices of a group that are the best ones at some scale.
struct grid_choices {
  static constexpr std::size_t most = 24;
  std::array<grid_choice, most> kept;
  std::size_t count = 0;

  const grid_choice& best(float s) const noexcept {
    std::size_t least = 0;
    for (std::size_t i = 1; i < count; ++i) {
      if (kept[i].error(s) < kept[least].error(s)) least = i;
    }
    return kept[least];
  }
};

/// The search for the codes of one block.
class grid_search {
 public:
  grid_search(std::span<const float, 256> values, const encode_hint& hint, const grid_kind& kind) noexcept : kind_(kind) {
    std::transform(values.begin(), values.end(), x_.begin(), encodable);
    w_ = error_weights(x_, hint);
    spread_levels();
    if (!shifts()) take_signs();
    for (std::size_t j = 0; j < sub_blocks(); ++j) wish_[j] = find_choices(j);
  }

  grid_codes run() noexcept {
    const float widest = *std::max_element(wish_.begin(), wish_.begin() + std::ptrdiff_t(sub_blocks()));
    std::array<placed, 2> best;
    for (int multiple = 2 * kind_.steps - 1; multiple > kind_.steps * 4 / 5; multiple -= 2) {
      placed next = place(stored_half(widest / (kind_.unit * float(multiple))));
      for (placed& kept : best)
        if (next.error < kept.error) std::swap(next, kept);
    }
    for (placed& kept : best)
      for (int round = 0; round < 4; ++round) {
        const placed next = place(stored_half(regress(kept)));
        if (!(next.error < kept.error)) break;
        kept = next;
      }
    return codes_of(best[1].error < best[0].error ? best[1] : best[0]);
  }

 private:
  /// Steps for a d, and their error.
  struct placed {
    float d = 0, error = std::numeric_limits<float>::infinity();
    std::array<int, 16> step{};
  };
  using choice = grid_kind::choice;

  bool shifts() const noexcept { return kind_.beside == choice::shift_a_block || kind_.beside == choice::shift_eight; }
  std::size_t group() const noexcept { return kind_.eight.empty() ? 4 : 8; }
  std::size_t groups() const noexcept { return kind_.sub_block / group(); }  // of a sub-block
  std::size_t sub_blocks() const noexcept { return 256 / kind_.sub_block; }
  float scale_of(float d, int step) const noexcept { return d * kind_.unit * float(2 * step + 1); }

  std::size_t points() const noexcept { return kind_.eight.size() + kind_.four.size(); }

  /// The levels of all points, column by column.
  void spread_levels() noexcept {
    for (std::size_t n = 0; n < points(); ++n) {
      std::uint64_t bytes = kind_.eight.empty() ? kind_.four[n] : kind_.eight[n];
      for (std::size_t i = 0; i < group(); ++i, bytes >>= 8)
        level_[i][n] = std::int8_t(int(bytes & 255) - (shifts() ? widened_small::zero_point : 0));
    }
  }

  /// Values become sizes. Where minuses must be even and are not, the sign of the value that matters least is turned.
  void take_signs() noexcept {
    for (std::size_t i = 0; i < 32; ++i) {
      float* const x = x_.data() + 8 * i;
      std::size_t cheapest = 0;
      const auto cost = [&](std::size_t k) { return w_[8 * i + k] * x[k] * x[k]; };
      for (std::size_t k = 0; k < 8; ++k) {
        if (x[k] < 0) signs_[i] = std::uint8_t(signs_[i] | 1u << k);
        if (cost(k) < cost(cheapest)) cheapest = k;
      }
      for (std::size_t k = 0; k < 8; ++k) x[k] = std::abs(x[k]);
      if (kind_.beside == choice::even_signs && std::popcount(signs_[i]) % 2 == 1) {
        signs_[i] = std::uint8_t(signs_[i] ^ 1u << cheapest);
        x[cheapest] = -x[cheapest];
      }
    }
  }

  /// Fills the lists of a sub-block's groups; returns the scale that it would like to have.
  float find_choices(std::size_t j) noexcept {
    float peak = 0;
    for (std::size_t i = 0; i < kind_.sub_block; ++i) peak = std::max(peak, std::abs(x_[j * kind_.sub_block + i]));
    const int rungs = shifts() ? 12 : 24;
    const float ratio = shifts() ? 1.18f : 1.085f, first = peak > 0 ? peak / kind_.top * 0.6f : 1.0f;
    for (std::size_t g = 0; g < groups(); ++g) {
      for (std::size_t shift = 0; shift < (shifts() ? 2 : 1); ++shift) {
        grid_choices& list = lists_[j * groups() + g][kind_.beside == choice::shift_eight ? 0 : shift];
        add_choices(list, (j * groups() + g) * group(), shift == 1, first, ratio, rungs);
      }
    }
    float best = 0, least = 0, s = first;
    for (int k = 0; peak > 0 && k <= 2 * rungs; ++k, s *= std::sqrt(ratio)) {
      float to = k < 2 * rungs ? s : peak / kind_.bottom;
      for (int round = 0; round < 2; ++round) {
        const grid_choice all = total(j, to);
        if (all.error(to) < least) least = all.error(to), best = to;
        to = all.r > 0 ? all.p / all.r : 0;
      }
    }
    return best;
  }

  void add_choices(grid_choices& list, std::size_t column, bool down, float s, float ratio, int rungs) noexcept {
    take_sums(column, shifts() ? (down ? -1.0f : 1.0f) : 0.0f);
    for (int k = 0; k <= rungs && list.count < list.most; ++k, s *= ratio) {
      if (k == rungs) s *= kind_.top / kind_.bottom;  // where the smallest level meets the largest value
      const std::size_t best = best_point(s);
      const auto known = [&](const grid_choice& c) { return c.point == best && c.down == down; };
      if (std::any_of(list.kept.begin(), list.kept.begin() + std::ptrdiff_t(list.count), known)) continue;
      list.kept[list.count++] = {p_[best], r_[best], std::uint16_t(best), down};
    }
  }

  /// What all points would make of a group of columns: see grid_choice. Loops of a fixed length, which compilers can vectorise.
  void take_sums(std::size_t column, float shift) noexcept {
    for (std::size_t first = 0; first < points(); first += at_once) {
      float *const p = p_.data() + first, *const r = r_.data() + first;
      std::fill_n(p, at_once, 0.0f), std::fill_n(r, at_once, 0.0f);
      for (std::size_t i = 0; i < group(); ++i) {
        const std::int8_t* const levels = level_[i].data() + first;
        const float w = w_[column + i], x = x_[column + i];
        for (std::size_t n = 0; n < at_once; ++n) {
          const float level = float(levels[n]) + shift, weighted = w * level;
          p[n] += weighted * x, r[n] += weighted * level;
        }
      }
    }
  }
  /// The first of the points with the least error at a scale.
  std::size_t best_point(float s) const noexcept {
    const auto error_of = [&](std::size_t n) { return s * r_[n] - 2 * p_[n]; };
    std::size_t part = 0;
    float least = std::numeric_limits<float>::infinity();
    for (std::size_t first = 0; first < points(); first += at_once) {
      std::array<float, 8> lane;
      lane.fill(std::numeric_limits<float>::infinity());
      for (std::size_t n = first; n < first + at_once; n += lane.size()) {
        for (std::size_t k = 0; k < lane.size(); ++k) lane[k] = error_of(n + k) < lane[k] ? error_of(n + k) : lane[k];
      }
      const float here = *std::min_element(lane.begin(), lane.end());
      if (here < least) least = here, part = first;
    }
    for (std::size_t n = part; n < part + at_once; ++n) {
      if (error_of(n) <= least) return n;
    }
    return part;
  }

  /// Which shift a sub-block takes at a scale: the index of its groups' lists.
  std::size_t shift_of(std::size_t j, float s) const noexcept {
    if (kind_.beside != choice::shift_a_block) return 0;
    return total(j, s, 1).error(s) < total(j, s, 0).error(s) ? 1 : 0;
  }
  /// The sum of a sub-block's best choices.
  grid_choice total(std::size_t j, float s, std::size_t shift) const noexcept {
    grid_choice sum;
    for (std::size_t g = 0; g < groups(); ++g) {
      const grid_choice& c = lists_[j * groups() + g][shift].best(s);
      sum.p += c.p, sum.r += c.r;
    }
    return sum;
  }
  grid_choice total(std::size_t j, float s) const noexcept { return total(j, s, shift_of(j, s)); }

  /// The best steps near what the sub-blocks would like to have.
  placed place(float d) const noexcept {
    placed out{.d = d, .error = 0, .step = {}};
    for (std::size_t j = 0; j < sub_blocks(); ++j) {
      const float wish = d > 0 ? (wish_[j] / (d * kind_.unit) - 1) / 2 : 0;
      const int nearest = int(std::clamp(wish, 0.0f, float(kind_.steps - 1)) + 0.5f);
      float best = std::numeric_limits<float>::infinity();
      for (int step = std::max(nearest - 1, 0); step <= std::min(nearest + 1, kind_.steps - 1); ++step) {
        const float s = scale_of(d, step), error = total(j, s).error(s);
        if (error < best) best = error, out.step[j] = step;
      }
      out.error += best;
    }
    return out;
  }
  /// The best d for steps and the points they give.
  float regress(const placed& at) const noexcept {
    double up = 0, down = 0;
    for (std::size_t j = 0; j < sub_blocks(); ++j) {
      const double step = double(scale_of(1, at.step[j]));
      const grid_choice sum = total(j, scale_of(at.d, at.step[j]));
      up += step * double(sum.p), down += step * step * double(sum.r);
    }
    return up > 0 && down > 0 ? float(up / down) : 0;
  }
  grid_codes codes_of(const placed& at) const noexcept {
    grid_codes out;
    out.d = to_half(at.d), out.signs = signs_;
    for (std::size_t j = 0; j < sub_blocks(); ++j) {
      const float s = scale_of(at.d, at.step[j]);
      const std::size_t shift = shift_of(j, s);
      out.step[j] = std::uint8_t(at.step[j]);
      for (std::size_t g = j * groups(); g < (j + 1) * groups(); ++g) {
        const grid_choice& c = lists_[g][shift].best(s);
        out.point[g] = c.point;
        if (shifts()) out.down[g] = c.down;
      }
    }
    return out;
  }

  static constexpr std::size_t most_points = 2048, at_once = 64;  // no grid has a part of that

  const grid_kind& kind_;
  std::array<float, 256> x_, w_;
  std::array<std::uint8_t, 32> signs_{};
  std::array<float, 16> wish_{};
  std::array<std::array<std::int8_t, most_points>, 8> level_;
  std::array<float, most_points> p_, r_;               // of one group, at each point
  std::array<std::array<grid_choices, 2>, 64> lists_;  // of each group, for both shifts
};

grid_codes encode_by_grid(std::span<const float, 256> values, const encode_hint& hint, const grid_kind& kind) noexcept {
  return grid_search(values, hint, kind).run();
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
