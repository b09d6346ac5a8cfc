/// weigh: how much attention keys receive.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>

#include "nibble/attention/attention.hpp"
#include "nibble/kernels/weight.hpp"
#include "nibble/quant/activation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Adds to what the key in each place has received what it receives from these queries: its weight in the softmax of each of
/// them, query by query and head by head. For layers that see all before them, of sequences that keep heavy_hitters.
///
/// Attention itself knows the total of a softmax only at its end, so scores are computed once more, by the kernels of matrix
/// products, for keys are panels. A block of queries has them side by side; then places are split among threads, and each sum
/// is added up in the order of the queries: the bits are the same in any steps.
/// @shape   q (queries, heads * key_dim), as attend() leaves them; runs: which of them follow each other in a sequence
/// @param   sums  sums(run): (places) before these queries and behind them, of a run's sequence; what has no key yet is 0
/// @param   places  that a sequence has: heavy_hitters::size
/// @errors  none (noexcept); precondition: keys of the runs' positions are stored, spec.mask is causal(), and spec.slopes empty
/// @cost    as many products as attend() has for its scores; scratch of 4 MiB, or of one query's weights if that is more
template <class Layers, class Sums>
void weigh(compute& c, const attention_spec& spec, std::span<const token_run> runs, Layers&& kv, Sums&& sums,
           std::size_t places, activations q) NIBBLE_NOEXCEPT;

namespace detail {
/// The most numbers of weights that are computed at once, and queries of a head.
inline constexpr std::size_t weighed_at_once = std::size_t{1} << 20, weighed_queries = 32;

/// Queries of one head, as the products of a format take them.
template <kv_format Format>
class weighed_rows {
 public:
  weighed_rows(const kernel_table& kernels, const float* q, std::size_t stride, std::size_t count, std::size_t dim) {
    args_.tokens = count, args_.last = page_positions / panel_rows;
    args_.input = q, args_.input_stride = stride;
    if constexpr (coded_kv_format<Format>) {
      const std::size_t columns = kv_columns(dim), blocks = columns / activation_block::columns;
      for (std::size_t t = 0; t < count; ++t) {
        alignas(cache_line) float padded[max_head_dim] = {};
        std::memcpy(padded, q + t * stride, dim * sizeof(float));
        const auto [first, step] = place_of(t, count, blocks);
        kernels.quantize(padded, columns, codes_ + first, step);
      }
      args_.input = codes_;
    }
  }
  /// Their products with the keys of a tile, times `scale`: (queries, 64), rows `stride` apart.
  void multiply(const kernel_table& kernels, const std::byte* tile, std::size_t dim, const float& scale, float* out,
                std::size_t stride) {
    args_.output = out, args_.output_stride = stride;
    if (std::is_same_v<Format, q8_0> && ragged_columns(dim) > 0) return multiply_completed(kernels, tile, dim, scale);
    const std::size_t columns = coded_kv_format<Format> ? kv_columns(dim) : dim;
    weight::packed(format_of<Format>, tile, page_positions, columns).scaled_by(&scale).multiply(kernels, args_);
  }

 private:
  /// Group by group, of a copy whose last unit is complete.
  void multiply_completed(const kernel_table& kernels, const std::byte* tile, std::size_t dim, const float& scale) {
    const std::size_t columns = kv_columns(dim), unit = unit_columns<q8_0>;
    matmul_args args = args_;
    args.last = 1;
    for (std::size_t g = 0; g < page_positions / panel_rows; ++g, args.output += panel_rows) {
      for (std::size_t first = 0; first < columns; first += unit) {
        key_unit_buffer completed;
        const std::byte* from = key_unit(tile + g * key_group_bytes<q8_0>(dim), dim, first, completed);
        std::memcpy(group_ + first / unit * unit_bytes<q8_0>(unit), from, unit_bytes<q8_0>(std::min(unit, columns - first)));
      }
      weight::packed(format_of<q8_0>, group_, panel_rows, columns).scaled_by(&scale).multiply(kernels, args);
    }
  }

  static constexpr bool coded = coded_kv_format<Format>;
  matmul_args args_;
  activation_block codes_[coded ? weighed_queries * max_head_dim / activation_block::columns : 1];
  alignas(cache_line) std::byte group_[std::is_same_v<Format, q8_0> ? group_bytes<q8_0>(max_head_dim) : 1];
};

/// The largest of some numbers and `least`; what is no number is left out.
inline float largest_of(const float* x, std::size_t count, float least) noexcept {
  std::array<float, 16> lanes;  // side by side, for a loop of one would wait for each of its results
  lanes.fill(least);
  const std::size_t whole = count / lanes.size() * lanes.size();
  for (std::size_t i = 0; i < whole; i += lanes.size()) {
    for (std::size_t k = 0; k < lanes.size(); ++k) lanes[k] = std::max(lanes[k], x[i + k]);
  }
  for (std::size_t i = whole; i < count; ++i) lanes[0] = std::max(lanes[0], x[i]);
  return *std::max_element(lanes.begin(), lanes.end());
}

/// Turns the scores of one query into the numbers of its softmax, but for their sum. @returns 1 / sum
inline float exponentials(const kernel_table& kernels, const attention_spec& spec, std::size_t head, float* scores,
                          std::size_t count) {
  if (spec.softcap > 0) kernels.softcap(scores, spec.softcap, count);
  const float most = largest_of(scores, count, spec.sinks.empty() ? std::numeric_limits<float>::lowest() : spec.sinks[head]);
  for (std::size_t i = 0; i < count; ++i) scores[i] -= most;
  kernels.activate(scores, count, activation::exp);
  float sink = spec.sinks.empty() ? 0 : spec.sinks[head] - most;
  if (!spec.sinks.empty()) kernels.activate(&sink, 1, activation::exp);
  return static_cast<float>(1 / (kernels.sum(scores, count) + double(sink)));
}

/// Rows of one run that stand in a block.
struct weighed_piece {
  const token_run* run;
  std::size_t first, count;  // rows

  std::size_t position() const noexcept { return run->position + (first - run->first); }
};
/// Piece i of rows [first, last); null where there are no more.
inline weighed_piece piece_at(std::span<const token_run> runs, std::size_t first, std::size_t last, std::size_t i) noexcept {
  for (const token_run& run : runs) {
    const std::size_t begin = std::max(first, run.first), end = std::min(last, run.first + run.count);
    if (begin < end && i-- == 0) return {&run, begin, end - begin};
  }
  return {nullptr, 0, 0};
}
}  // namespace detail

template <class Layers, class Sums>
void weigh(compute& c, const attention_spec& spec, std::span<const token_run> runs, Layers&& kv, Sums&& sums,
           std::size_t places, activations q) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(q.width == spec.heads * spec.key_dim && spec.mask == attention_mask::causal() && spec.slopes.empty());
  NIBBLE_ASSERT(detail::runs_fit(c, runs, kv, q.tokens));
  const std::size_t most = std::clamp<std::size_t>(detail::weighed_at_once / (spec.heads * places), 1, detail::weighed_queries);
  const std::size_t block = std::min(most, q.tokens), heads = spec.heads, group = heads / spec.kv_heads;
  const scratch_scope scope(c);
  const activations weights = c.scratch(block, heads * places), factors = c.scratch(block, heads);
  for (std::size_t first = 0; first < q.tokens; first += block) {
    const std::size_t last = std::min(first + block, q.tokens);
    std::size_t pieces = 0;
    while (detail::piece_at(runs, first, last, pieces).run) ++pieces;
    c.for_each(pieces * heads, [&](std::size_t i) {
      const detail::weighed_piece p = detail::piece_at(runs, first, last, i / heads);
      const std::size_t head = i % heads;
      const kv_layer layer = kv(p.run->sequence);
      const std::size_t place = p.position() - layer.dropped;
      float* const scores = weights.row(p.first - first) + head * places;
      visit_kv_format(layer.types.keys, [&]<class Format>(std::type_identity<Format>) {
        detail::weighed_rows<Format> rows(c.kernels(), q.row(p.first) + head * spec.key_dim, q.stride, p.count, spec.key_dim);
        for (std::size_t tile = 0; tile < place + p.count; tile += page_positions) {
          rows.multiply(c.kernels(), layer.page(head / group, layer.origin + tile), spec.key_dim, spec.scale, scores + tile,
                        weights.stride);
        }
      });
      for (std::size_t t = 0; t < p.count; ++t) {
        factors.row(p.first - first + t)[head] =
            detail::exponentials(c.kernels(), spec, head, scores + t * weights.stride, place + t + 1);
      }
    });
    constexpr std::size_t part = 512;
    const std::size_t parts = (places + part - 1) / part;
    c.for_each(pieces * parts, [&](std::size_t i) {
      const detail::weighed_piece p = detail::piece_at(runs, first, last, i / parts);
      const std::size_t from = i % parts * part, to = std::min(from + part, places);
      const std::size_t place = p.position() - kv(p.run->sequence).dropped;
      const sequence::state state = sums(*p.run);
      float* const out = state.after.data();
      if (p.first == p.run->first) {
        const std::size_t known = std::clamp(place, from, to);
        std::copy(state.before.data() + from, state.before.data() + known, out + from);
        std::fill(out + known, out + to, 0.0f);
      }
      for (std::size_t t = 0; t < p.count; ++t) {
        const std::size_t end = std::clamp(place + t + 1, from, to), row = p.first - first + t;
        for (std::size_t head = 0; head < heads; ++head) {
          c.kernels().add_scaled(out + from, weights.row(row) + head * places + from, factors.row(row)[head], end - from);
        }
      }
    });
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
