/// Attention by online softmax over the tiles of the KV cache, for up to max_queries queries that share a key-value head.
///
/// Tiles are taken in the order of their positions, at absolute positions. For each query and tile: 64 scores s; the largest
/// score so far, m, and the sum of unnormalised probabilities, l; where m grows, l and the output o are rescaled:
///     m' = max(m, max s);   l = l 2^(m - m') + sum 2^(s - m');   o = o 2^(m - m') + sum 2^(s - m') v;   at the end o / l
/// Scores are in units of ln 2, for powers of 2 are cheaper than those of e.
///
/// The scores are products of the queries with panels of keys, by the kernels of matrix products: in float, or of queries and
/// keys in 8 bits where the cache is Q8_0. Values are widened to float as they are read; all sums are float.
///
/// A query gets the same operations alone and in a block of queries: a position that only others of the block see has
/// probability 0 for it. Positions that no query of the block sees are not added at all.
/// Tolerance, tested on every target: the root mean square difference to the scalar reference is below 3e-6 of the result.
/// @source  Milakov and Gimelshein 2018, algorithm 3; Dao et al. 2022
#if defined(NIBBLE_KERNELS_ATTENTION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ATTENTION_INL_HPP
#undef NIBBLE_KERNELS_ATTENTION_INL_HPP
#else
#define NIBBLE_KERNELS_ATTENTION_INL_HPP
#endif

#include <algorithm>
#include <limits>

#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/float_products-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/products-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Up to this many queries, those of a decoded token, wait for memory at every tile, so they prefetch.
inline constexpr std::size_t few_queries = 7;

/// Queries whose outputs are worked on at once, and registers of their dimensions: as many sums as registers hold. Two
/// registers of values share each broadcast of a probability.
inline constexpr std::size_t output_block = lanes == 16 ? 8 : 4, value_vectors = 2;

/// The queries of a call in the form that the cache's keys are multiplied with.
template <kv_format Format>
class query_rows {
 public:
  query_rows(const float* const* query, std::size_t count, std::size_t head_dim)
      : query_(query), count_(count), head_dim_(head_dim) {}
  /// Multiplies the queries with a tile of keys.
  /// @shape   scores (count, 64)
  HWY_INLINE void score(const std::byte* tile, float* scores) const {
    const auto* keys = reinterpret_cast<const typename Format::block*>(tile);
    std::fill_n(scores, count_ * page_positions, 0.0f);
    for (std::size_t g = 0; g < page_positions / panel_rows; g += tile_groups) {
      for (std::size_t k = 0; k < head_dim_; k += float_columns) {
        const std::size_t columns = std::min(float_columns, head_dim_ - k);
        const typename Format::block* w[tile_groups];
        for (std::size_t i = 0; i < tile_groups; ++i) {
          w[i] = keys + (g + i) * kv_columns(head_dim_) * panel_rows + k * panel_rows;
          if (count_ <= few_queries) prefetch_ahead<1>(w[i], columns * panel_rows * sizeof *w[i]);
        }
        for_each_block<float_token_block, true>(0, count_, [&](auto block, std::size_t n) NIBBLE_ATTR {
          add_float_columns<block()>(
              w, columns, [&](std::size_t i) { return query_[n + i] + k; }, scores + n * page_positions + g * panel_rows,
              page_positions);
        });
      }
    }
  }

 private:
  const float* const* query_;
  std::size_t count_, head_dim_;
};
/// Queries are quantised like activations, and a tile of keys is four groups of a weight.
template <>
class query_rows<q8_0> {
 public:
  query_rows(const float* const* query, std::size_t count, std::size_t head_dim)
      : count_(count), columns_(kv_columns(head_dim)) {
    alignas(64) float padded[max_head_dim] = {};
    for (std::size_t n = 0; n < count; ++n) {
      std::memcpy(padded, query[n], head_dim * sizeof(float));
      const auto [first, step] = place_of(n, count, columns_ / 32);
      quantize(padded, columns_, codes_ + first, step);
    }
  }
  HWY_INLINE void score(const std::byte* tile, float* scores) const {
    const std::size_t bytes = group_bytes<q8_0>(columns_);
    for (std::size_t g = 0; g < page_positions / panel_rows; g += tile_groups) {
      unit_source<q8_0> units[tile_groups];
      for (std::size_t k = 0; k < tile_groups; ++k) units[k].open(tile + (g + k) * bytes);
      if (count_ <= few_queries) prefetch_ahead<1>(tile + g * bytes, tile_groups * bytes);
      add_groups(units, columns_, codes_, count_, scores + g * panel_rows, page_positions);
    }
  }

 private:
  activation_block codes_[max_queries * max_head_dim / 32];
  std::size_t count_, columns_;
};

/// out = out * rescale + sum over slots [begin, end) of probability * value, for Vectors registers of dimensions from i on.
/// @shape   values (64, 32); probabilities (Queries, 64); rescale (Queries); out: for each query, where the dimensions of this
///          block of values begin
template <std::size_t Queries, std::size_t Vectors, class T>
HWY_INLINE void add_values(const T* values, std::size_t i, std::size_t begin, std::size_t end, const float* probabilities,
                           const float* rescale, float* const* out) {
  const float_tag d;
  float_vec sum[Queries][Vectors];
  NIBBLE_UNROLL for (auto& of_query : sum) NIBBLE_UNROLL for (auto& s : of_query) s = hn::Zero(d);
  for (std::size_t slot = begin; slot < end; ++slot) {
    if constexpr (Queries <= few_queries) prefetch_ahead<1>(values + slot * kv_block + i, Vectors * lanes * sizeof(T));
    float_vec x[Vectors];
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) x[v] = load(values + slot * kv_block + i + v * lanes);
    NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
      const auto w = hn::Set(d, probabilities[n * page_positions + slot]);
      NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) sum[n][v] = hn::MulAdd(w, x[v], sum[n][v]);
    }
  }
  NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      float* to = out[n] + i + v * lanes;
      hn::StoreU(hn::MulAdd(hn::LoadU(d, to), hn::Set(d, rescale[n]), sum[n][v]), d, to);
    }
  }
}
/// The same for the `dims` dimensions of a block of values: whole registers, then one by one.
template <std::size_t Queries, class T>
HWY_INLINE void add_value_block(const T* values, std::size_t dims, std::size_t begin, std::size_t end,
                                const float* probabilities, const float* rescale, float* const* out) {
  std::size_t i = 0;
  for (; i + value_vectors * lanes <= dims; i += value_vectors * lanes) {
    add_values<Queries, value_vectors>(values, i, begin, end, probabilities, rescale, out);
  }
  for (; i + lanes <= dims; i += lanes) add_values<Queries, 1>(values, i, begin, end, probabilities, rescale, out);
  for (; i < dims; ++i) {
    for (std::size_t n = 0; n < Queries; ++n) {
      float sum = out[n][i] * rescale[n];
      for (std::size_t slot = begin; slot < end; ++slot) {
        sum += probabilities[n * page_positions + slot] * float(values[slot * kv_block + i]);
      }
      out[n][i] = sum;
    }
  }
}

/// out = out * rescale + probabilities * values of one tile, for Queries queries.
/// @shape   tile: the values of 64 positions, see kv/tile.hpp; probabilities (Queries, 64); out: rows of `dim` numbers
template <kv_format Format, std::size_t Queries>
HWY_INLINE void add_value_tile(const std::byte* tile, std::size_t dim, std::size_t begin, std::size_t end,
                               const float* probabilities, const float* rescale, float* const* out) {
  float* to[Queries];
  for (std::size_t b = 0; b < dim; b += kv_block, tile += value_block_bytes<Format>()) {
    for (std::size_t n = 0; n < Queries; ++n) to[n] = out[n] + b;
    const std::size_t dims = std::min(kv_block, dim - b);
    if constexpr (std::is_same_v<Format, q8_0>) {  // probability * scale of the position
      alignas(64) float scaled[Queries * page_positions];
      for (std::size_t slot = 0; slot < page_positions; slot += lanes) {
        const auto s = load(reinterpret_cast<const half*>(tile) + slot);
        NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
          const std::size_t at = n * page_positions + slot;
          hn::Store(hn::Mul(hn::Load(float_tag(), probabilities + at), s), float_tag(), scaled + at);
        }
      }
      const auto* codes = reinterpret_cast<const std::int8_t*>(tile + page_positions * sizeof(half));
      add_value_block<Queries>(codes, dims, begin, end, scaled, rescale, to);
    } else {
      add_value_block<Queries>(reinterpret_cast<const typename Format::block*>(tile), dims, begin, end, probabilities, rescale,
                               to);
    }
  }
}

/// 2^x for x <= 0, by a minimax polynomial of 2^r, r in [-1/2, 1/2], with a relative error of 3e-9 before rounding. 0 below
/// -125, and for NaN.
HWY_INLINE float_vec power_of_2(float_vec x) {
  const float_tag d;
  const int_tag di;
  const auto n = hn::Round(x), r = hn::Sub(x, n);
  constexpr float lower[] = {1.3406643e-3f, 9.6176928e-3f, 5.5503103e-2f, 2.4022652e-1f, 6.9314724e-1f, 1.0f};
  auto p = hn::Set(d, 1.5594678e-4f);
  NIBBLE_UNROLL for (float c : lower) p = hn::MulAdd(p, r, hn::Set(d, c));
  const auto scaled = hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::ConvertTo(di, n)));
  return hn::IfThenElseZero(hn::Ge(x, hn::Set(d, -125)), hn::BitCast(d, scaled));
}
inline constexpr float log2_e = 1.44269504f;

/// The softmax of one query, up to the tiles seen so far.
struct online_softmax {
  float largest;                   // m
  alignas(64) float total[lanes];  // l, one part a lane: they are added up at the end
};

/// The scores of a tile, scaled, capped, and in units of ln 2; those outside of slots [begin, end) as low as a float can be, so
/// that their probability is 0.
HWY_INLINE void finish_scores(const attention_args& a, std::size_t begin, std::size_t end, const float* scores,
                              float_vec (&s)[page_positions / lanes]) {
  const float_tag d;
  const int_tag di;
  constexpr std::size_t vectors = page_positions / lanes;
  const auto scale = hn::Set(d, a.softcap > 0 ? a.scale : a.scale * log2_e);
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
    s[v] = hn::Mul(hn::Load(d, scores + v * lanes), scale);
    if (a.softcap > 0) s[v] = hn::Mul(capped(s[v], a.softcap), hn::Set(d, log2_e));
  }
  if (begin == 0 && end == page_positions) return;
  const auto lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
    const auto slot = hn::Iota(di, static_cast<std::int32_t>(v * lanes));
    const auto unseen = hn::Or(hn::VecFromMask(di, hn::Lt(slot, hn::Set(di, static_cast<std::int32_t>(begin)))),
                               hn::VecFromMask(di, hn::Gt(slot, hn::Set(di, static_cast<std::int32_t>(end) - 1))));
    s[v] = hn::IfThenElse(hn::RebindMask(d, hn::MaskFromVec(unseen)), lowest, s[v]);
  }
}

/// One step of the online softmax: turns the scores of a tile into unnormalised probabilities, in place, and updates the state.
/// Returns the factor by which the output so far is to be rescaled. Only slots [begin, end) are seen; begin < end.
/// @shape   scores (64)
HWY_INLINE float update_softmax(const attention_args& a, std::size_t begin, std::size_t end, float* scores,
                                online_softmax& state) {
  const float_tag d;
  constexpr std::size_t vectors = page_positions / lanes;
  float_vec s[vectors];
  finish_scores(a, begin, end, scores, s);
  auto top = hn::Set(d, std::numeric_limits<float>::lowest());
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

/// The queries of a call: where they stand, what they see, and how far they are.
struct query_block {
  online_softmax softmax[max_queries];
  const float* query[max_queries];
  float* out[max_queries];
  std::size_t first[max_queries], last[max_queries];  // positions seen: [first, last), which grow from token to token
  std::size_t count;

  explicit query_block(const attention_args& a) : count(a.tokens * a.heads) {
    for (std::size_t n = 0; n < count; ++n) {
      const std::size_t token = n / a.heads, head = n % a.heads, position = a.position + token;
      query[n] = a.query + token * a.query_stride + head * a.head_dim;
      out[n] = a.output + token * a.output_stride + head * a.value_dim;
      first[n] = a.mask.first(position), last[n] = a.mask.end(position, a.positions);
      softmax[n] = {a.sinks ? a.sinks[head] * log2_e : std::numeric_limits<float>::lowest(), {a.sinks ? 1.0f : 0.0f}};
      std::fill_n(out[n], a.value_dim, 0.0f);
    }
  }
};

/// @shape   see attention_args
template <kv_format Format>
void attention(const attention_args& a) {
  alignas(64) float scores[max_queries * page_positions];  // of one tile, then its probabilities
  float rescale[max_queries];
  query_block q(a);
  const query_rows<Format> rows(q.query, q.count, a.head_dim);
  const std::size_t block_first = q.first[0], block_last = q.last[q.count - 1];
  for (std::size_t base = block_first / page_positions * page_positions; base < block_last; base += page_positions) {
    const auto slot_of = [&](std::size_t position) { return std::min(std::max(position, base) - base, page_positions); };
    const std::byte* page = a.pages + a.page_of[base / page_positions] * a.page_bytes;
    rows.score(page, scores);
    for (std::size_t n = 0; n < q.count; ++n) {
      const std::size_t begin = slot_of(q.first[n]), end = slot_of(q.last[n]);
      if (begin < end) {
        rescale[n] = update_softmax(a, begin, end, scores + n * page_positions, q.softmax[n]);
      } else {  // this tile is for other queries of the block
        rescale[n] = 1;
        std::fill_n(scores + n * page_positions, page_positions, 0.0f);
      }
    }
    const std::size_t begin = slot_of(block_first), end = slot_of(block_last);
    for_each_block<output_block, true>(0, q.count, [&](auto block, std::size_t n) NIBBLE_ATTR {
      add_value_tile<Format, block()>(page + a.value_offset, a.value_dim, begin, end, scores + n * page_positions, rescale + n,
                                      q.out + n);
    });
  }
  for (std::size_t n = 0; n < q.count; ++n) {
    scale(q.out[n], 1 / sum_of(hn::Load(float_tag(), q.softmax[n].total)), a.value_dim);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
