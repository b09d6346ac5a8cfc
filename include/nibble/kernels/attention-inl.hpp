/// Attention by online softmax over the tiles of the KV cache, for up to max_queries queries that share a key-value head.
///
/// Tiles are taken in the order of their positions, at absolute positions. For each query and tile: 64 scores s; the largest
/// score so far, m, and the sum of unnormalized probabilities, l; where m grows, l and the output o are rescaled:
///     m' = max(m, max s);   l = l 2^(m - m') + sum 2^(s - m');   o = o 2^(m - m') + sum 2^(s - m') v;   at the end o / l
/// Scores are in units of ln 2, for powers of 2 are cheaper than those of e.
///
/// The scores are products of the queries with panels of keys, by the kernels of matrix products: in float, or with queries in
/// 8 bits where keys are codes. Values are widened to float as they are read; all sums are float. There is a kernel for each
/// format of keys, which calls what reads a tile of values by a pointer.
///
/// What a text has kept in front of what is forgotten comes first, with queries that stand nearer to it: see sliding_context.
///
/// A query gets the same operations alone and in a block of queries, and a position that it does not see takes no part in them,
/// whatever is stored there. A score that is NaN makes the output NaN; so do scores that are all -infinity.
/// The bits are those of the scalar reference on every target that fuses, which is tested: l is sixteen sums side by side,
/// added up in one order, and the difference of a score, which is a product, and m is fused.
/// @source  Milakov and Gimelshein 2018, algorithm 3; Dao et al. 2022
#if defined(NIBBLE_KERNELS_ATTENTION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ATTENTION_INL_HPP
#undef NIBBLE_KERNELS_ATTENTION_INL_HPP
#else
#define NIBBLE_KERNELS_ATTENTION_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "nibble/core/fused.hpp"
#include "nibble/kernels/attention_values-inl.hpp"
#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/float_products-inl.hpp"
#include "nibble/kernels/many_tokens-inl.hpp"
#include "nibble/kernels/one_token-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/softmax-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// The queries of a call in the form that the cache's keys are multiplied with.
template <kv_format Format, dot Dot>
class query_rows {
 public:
  query_rows(const float* const* query, std::size_t count, std::size_t head_dim)
      : query_(query), count_(count), head_dim_(head_dim) {}
  /// Multiplies the queries with a tile of keys.
  /// @shape   scores (count, 64); of keys that are codes, room for whole blocks of tile_tokens
  HWY_INLINE void score(const std::byte* tile, float* scores) const {
    const auto* keys = reinterpret_cast<const typename Format::block*>(tile);
    std::fill_n(scores, count_ * page_positions, 0.0f);
    for (std::size_t g = 0; g < page_positions / panel_rows; g += key_groups) {
      for (std::size_t k = 0; k < head_dim_; k += float_columns) {
        const std::size_t columns = std::min(float_columns, head_dim_ - k);
        const typename Format::block* w[key_groups];
        for (std::size_t i = 0; i < key_groups; ++i) w[i] = keys + ((g + i) * head_dim_ + k) * panel_rows;
        for_each_query_block(0, count_, [&](auto block, std::size_t n, std::size_t) NIBBLE_ATTR {
          add_float_columns<block()>(
              w, columns, [&](std::size_t i) { return query_[n + i] + k; }, scores + n * page_positions + g * panel_rows,
              page_positions, n == 0 && count_ <= few_queries);
        });
      }
    }
  }

 private:
  /// Groups of keys at once: four registers of them.
  static constexpr std::size_t key_groups = 4 * lanes / panel_rows;

  const float* const* query_;
  std::size_t count_, head_dim_;
};
/// The units of a group of keys that are codes.
template <coded_kv_format Format>
class key_units {
 public:
  void open(const std::byte* group, std::size_t head_dim) { group_ = group, head_dim_ = head_dim; }
  const std::byte* at(std::size_t first, std::size_t) {
    if constexpr (std::is_same_v<Format, q8_0>) {
      return key_unit(group_, head_dim_, first, completed_);
    } else {
      return group_ + first / unit_columns<Format> * unit_bytes<Format>(unit_columns<Format>);
    }
  }
  const std::byte* next_tile(std::size_t) const { return nullptr; }

 private:
  struct nothing {};
  const std::byte* group_ = nullptr;
  std::size_t head_dim_ = 0;
  [[no_unique_address]] std::conditional_t<std::is_same_v<Format, q8_0>, key_unit_buffer, nothing> completed_;
};
/// Queries are quantized like activations, and a tile of keys is four groups of a weight.
template <coded_kv_format Format, dot Dot>
class query_rows<Format, Dot> {
 public:
  query_rows(const float* const* query, std::size_t count, std::size_t head_dim)
      : count_(count), head_dim_(head_dim), columns_(kv_columns(head_dim)) {
    alignas(64) float padded[max_head_dim] = {};
    for (std::size_t n = 0; n < count; ++n) {
      std::memcpy(padded, query[n], head_dim * sizeof(float));
      const auto [first, step] = place_of(n, count, columns_ / 32);
      quantize(padded, columns_, codes_ + first, step);
    }
    std::fill_n(codes_ + count * columns_ / 32, tile_tokens, activation_block{});
  }
  HWY_INLINE void score(const std::byte* tile, float* scores) {
    const std::size_t bytes = key_group_bytes<Format>(head_dim_);
    for (std::size_t g = 0; g < page_positions / panel_rows; g += tile_groups) {
      for (std::size_t k = 0; k < tile_groups; ++k) units_[k].open(tile + (g + k) * bytes, head_dim_);
      if (count_ == 1) {
        std::fill_n(scores + g * panel_rows, tile_groups * panel_rows, 0.0f);
        for (std::size_t k = 0; k < tile_groups; ++k)
          one_token<Format, Dot>(units_[k], columns_, codes_, scores + (g + k) * panel_rows);
        continue;
      }
      const bool few = count_ <= few_queries;
      if (few) prefetch_ahead<1>(tile + g * bytes, tile_groups * bytes);
      if constexpr (Dot == dot::pairs) {  // unpacking keys costs more than it saves
        for (std::size_t k = 0; k < tile_groups && few; ++k) {
          add_group<Format, Dot>(units_[k], columns_, codes_, count_, scores + (g + k) * panel_rows, page_positions);
        }
        if (few) continue;
      }
      add_groups<Format, Dot>(units_, columns_, codes_, count_, tile_tokens, scores + g * panel_rows, page_positions);
    }
  }

 private:
  activation_block codes_[max_queries * max_head_dim / 32 + tile_tokens];
  key_units<Format> units_[tile_groups];
  std::size_t count_, head_dim_, columns_;
};

/// The queries of a call: where they stand, what they see, and how far they are.
struct query_block {
  online_softmax softmax[max_queries];
  const float* query[max_queries];
  float* out[max_queries];
  std::size_t first[max_queries], last[max_queries];  // positions seen: [first, last), which grow from token to token
  std::size_t own[max_queries];                       // its position
  float slope[max_queries];                           // ALiBi's, in units of ln 2
  std::size_t count;

  explicit query_block(const attention_args& a) : count(a.tokens * a.heads) {
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t token = n / a.heads, head = n % a.heads;
      out[n] = a.output + token * a.output_stride + head * a.value_dim;
      slope[n] = a.slopes ? a.slopes[head] * log2_e : 0;
      // fused with nothing: the product stays one, whatever it is subtracted from
      softmax[n] = {a.sinks ? fused(a.sinks[head], log2_e, 0.0f) : std::numeric_limits<float>::lowest(),
                    {a.sinks ? 1.0f : 0.0f}};
      std::fill_n(out[n], a.value_dim, 0.0f);
    }
  }
  /// Towards what a text has kept in front of what is forgotten. Returns the first query that has forgotten something.
  std::size_t turn_to_kept(const attention_args& a) {
    std::size_t begin = count;
    for (std::size_t n = count; n-- > 0;) {
      const std::size_t token = n / a.heads, position = a.position + token, forgotten = a.sliding.forgotten(position);
      query[n] = a.kept_query + token * a.query_stride + n % a.heads * a.head_dim;
      first[n] = 0, last[n] = a.sliding.kept, own[n] = position - forgotten;
      if (forgotten > 0) begin = n;
    }
    return begin;
  }
  void turn_to_recent(const attention_args& a) {
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t token = n / a.heads, position = a.position + token;
      query[n] = a.query + token * a.query_stride + n % a.heads * a.head_dim;
      first[n] = std::max(a.mask.first(position), a.sliding.first(position));
      last[n] = a.mask.end(position, a.positions), own[n] = position;
    }
  }
};

/// Attends over what the queries from `begin` on see in the pages of a table, that of position `origin` being its first.
template <kv_format Format, dot Dot>
HWY_NOINLINE void attend_pages(const attention_args& a, query_block& q, std::size_t begin, const std::uint32_t* page_of,
                               std::size_t origin) {
  // of one tile, then its probabilities; with room for blocks that are not full
  alignas(64) float scores[(max_queries + tile_tokens) * page_positions];
  float rescale[max_queries];
  slot_range seen[max_queries];
  query_rows<Format, Dot> rows(q.query, q.count, a.head_dim);
  const auto add_tile_of_values = add_values_of(a.value_format);
  const std::size_t block_first = q.first[begin], block_last = q.last[q.count - 1];
  std::size_t first = begin, last = begin;  // the queries that see something of a tile
  for (std::size_t base = block_first / page_positions * page_positions; base < block_last; base += page_positions) {
    const std::byte* page = a.pages + page_of[(base - origin) / page_positions] * a.page_bytes;
    rows.score(page, scores);
    while (q.last[first] <= base) ++first;
    while (last < q.count && q.first[last] < base + page_positions) ++last;
    for (std::size_t n = first; n < last; ++n) {
      seen[n] = {std::max(q.first[n], base) - base, std::min(q.last[n] - base, page_positions)};
      const distance_slope nearness{q.slope[n], float(std::int64_t(q.own[n]) - std::int64_t(base))};
      rescale[n] = update_softmax(a, seen[n], nearness, scores + n * page_positions, q.softmax[n]);
    }
    add_tile_of_values(page + a.value_offset, a.value_dim, {first, last, seen, scores, rescale, q.out});
  }
}

/// @shape   see attention_args
template <kv_format Format, dot Dot = target_dot>
void attention(const attention_args& a) {
  query_block q(a);
  if (a.sliding.kept > 0) {
    const std::size_t begin = q.turn_to_kept(a);
    if (begin < q.count) attend_pages<Format, Dot>(a, q, begin, a.kept_page_of, 0);
  }
  q.turn_to_recent(a);
  attend_pages<Format, Dot>(a, q, 0, a.page_of, a.origin);
  for (std::size_t n = 0; n < q.count; ++n) {
    lane_sums total;
    NIBBLE_UNROLL for (std::size_t v = 0; v < lane_sums::vectors; ++v) {
      total.part[v] = hn::Load(float_tag(), q.softmax[n].total + v * lanes);
    }
    const auto factor = hn::Set(float_tag(), 1 / total.total());
    zip_in_place(q.out[n], q.out[n], a.value_dim,
                 [=](float_vec o, float_vec) NIBBLE_ATTR { return with_one_nan(hn::Mul(o, factor)); });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
