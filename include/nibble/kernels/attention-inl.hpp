/// Attention by online softmax over the tiles of the KV cache, for up to max_queries queries of one key-value head.
///
/// Tiles are taken in the order of their positions, at absolute positions. For each query and tile: 64 scores; the running
/// maximum m and sum l; the output, rescaled when m grows. A query sees the same operations whether it comes alone or in a
/// block: positions that only other queries of the block see weigh exactly 0.
///     m' = max(m, max s);   l = l 2^(m - m') + sum 2^(s - m');   o = o 2^(m - m') + sum 2^(s - m') v;   at the end o / l
/// Scores s are in units of ln 2, for powers of 2 are cheaper than those of e.
/// Scores are products of the queries with panels of keys, made by the kernels of matrix products: in float, or, for
/// keys in Q8_0, of 8-bit queries and keys. Values are widened as they are read; accumulators are float.
/// @source  Milakov and Gimelshein 2018, algorithm 3; Dao et al. 2022
#if defined(NIBBLE_KERNELS_ATTENTION_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ATTENTION_INL_HPP
#undef NIBBLE_KERNELS_ATTENTION_INL_HPP
#else
#define NIBBLE_KERNELS_ATTENTION_INL_HPP
#endif

#include <algorithm>
#include <limits>

#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/kv_tile.hpp"
#include "nibble/kernels/matmul-inl.hpp"
#include "nibble/kernels/matmul_float-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/table.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// So few queries, those of a decoded token, are done with a tile before memory has brought the next, and ask for it
/// themselves.
inline constexpr std::size_t few_queries = 7;

/// Queries whose outputs are worked on at once, and registers of their dimensions: their sums are in registers, and two of
/// values share each broadcast of a weight.
inline constexpr std::size_t output_block = lanes == 16 ? 8 : 4, value_vectors = 2;

/// The queries of a call as a cache's keys want them, and their scores with one tile.
template <kv_format Format>
class query_rows {
 public:
  query_rows(const float* const* query, std::size_t count, std::size_t head_dim)
      : query_(query), count_(count), head_dim_(head_dim) {}
  /// scores (count, 64)
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
/// Queries are quantised as activations are, and a tile of keys is four groups of rows.
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

/// out_n = out_n * keep_n + sum over slots [begin, end) of weights[n][slot] * v, for Vectors registers of the dimensions of a
/// block from i on; out_n is where the block's dimensions begin.
template <std::size_t Queries, std::size_t Vectors, class T>
HWY_INLINE void weigh_values(const T* values, std::size_t i, std::size_t begin, std::size_t end, const float* weights,
                             const float* keep, float* const* out) {
  const float_tag d;
  float_vec sum[Queries][Vectors];
  NIBBLE_UNROLL for (auto& of_query : sum) NIBBLE_UNROLL for (auto& s : of_query) s = hn::Zero(d);
  for (std::size_t slot = begin; slot < end; ++slot) {
    if constexpr (Queries <= few_queries) prefetch_ahead<1>(values + slot * kv_block + i, Vectors * lanes * sizeof(T));
    float_vec x[Vectors];
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) x[v] = load(values + slot * kv_block + i + v * lanes);
    NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
      const auto w = hn::Set(d, weights[n * page_positions + slot]);
      NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) sum[n][v] = hn::MulAdd(w, x[v], sum[n][v]);
    }
  }
  NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      float* to = out[n] + i + v * lanes;
      hn::StoreU(hn::MulAdd(hn::LoadU(d, to), hn::Set(d, keep[n]), sum[n][v]), d, to);
    }
  }
}
/// The same for all dimensions of a block: whole registers, then one by one.
template <std::size_t Queries, class T>
HWY_INLINE void weigh_block(const T* values, std::size_t dims, std::size_t begin, std::size_t end, const float* weights,
                            const float* keep, float* const* out) {
  std::size_t i = 0;
  for (; i + value_vectors * lanes <= dims; i += value_vectors * lanes) {
    weigh_values<Queries, value_vectors>(values, i, begin, end, weights, keep, out);
  }
  for (; i + lanes <= dims; i += lanes) weigh_values<Queries, 1>(values, i, begin, end, weights, keep, out);
  for (; i < dims; ++i) {
    for (std::size_t n = 0; n < Queries; ++n) {
      float sum = out[n][i] * keep[n];
      for (std::size_t slot = begin; slot < end; ++slot) {
        sum += weights[n * page_positions + slot] * float(values[slot * kv_block + i]);
      }
      out[n][i] = sum;
    }
  }
}

/// The values of one tile, weighted, for Queries queries.
template <kv_format Format, std::size_t Queries>
HWY_INLINE void weigh_tile(const std::byte* tile, std::size_t dim, std::size_t begin, std::size_t end, const float* weights,
                           const float* keep, float* const* out) {
  float* to[Queries];
  for (std::size_t b = 0; b < dim; b += kv_block, tile += value_block_bytes<Format>()) {
    for (std::size_t n = 0; n < Queries; ++n) to[n] = out[n] + b;
    const std::size_t dims = std::min(kv_block, dim - b);
    if constexpr (std::is_same_v<Format, q8_0>) {  // a position's scale goes into its weights
      alignas(64) float scaled[Queries * page_positions];
      for (std::size_t slot = 0; slot < page_positions; slot += lanes) {
        const auto s = load(reinterpret_cast<const half*>(tile) + slot);
        NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
          const std::size_t at = n * page_positions + slot;
          hn::Store(hn::Mul(hn::Load(float_tag(), weights + at), s), float_tag(), scaled + at);
        }
      }
      const auto* codes = reinterpret_cast<const std::int8_t*>(tile + page_positions * sizeof(half));
      weigh_block<Queries>(codes, dims, begin, end, scaled, keep, to);
    } else {
      weigh_block<Queries>(reinterpret_cast<const typename Format::block*>(tile), dims, begin, end, weights, keep, to);
    }
  }
}

/// 2^x for x <= 0: a minimax polynomial of 2^r, r in [-1/2, 1/2], whose own error is 3e-9. 0 below -125, and for NaN.
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

/// The state of one query between tiles.
struct online_softmax {
  float largest;
  alignas(64) float total[lanes];  // one sum a lane, added up at the end
};

/// Turns 64 scores into weights, updates the state; returns the factor that the output so far is to be multiplied by.
/// Only slots [begin, end) are seen; begin < end.
HWY_INLINE float soften(const attention_args& a, std::size_t begin, std::size_t end, float* scores, online_softmax& state) {
  const float_tag d;
  const int_tag di;
  constexpr std::size_t vectors = page_positions / lanes;
  const auto lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  float_vec s[vectors];
  auto top = lowest;
  const auto scale = hn::Set(d, a.softcap > 0 ? a.scale : a.scale * log2_e);
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
    s[v] = hn::Mul(hn::Load(d, scores + v * lanes), scale);
    if (a.softcap > 0) s[v] = hn::Mul(capped(s[v], a.softcap), hn::Set(d, log2_e));
  }
  if (begin > 0 || end < page_positions) {  // what is not seen weighs 2^lowest = 0
    NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      const auto slot = hn::Iota(di, static_cast<std::int32_t>(v * lanes));
      const auto out = hn::Or(hn::VecFromMask(di, hn::Lt(slot, hn::Set(di, static_cast<std::int32_t>(begin)))),
                              hn::VecFromMask(di, hn::Gt(slot, hn::Set(di, static_cast<std::int32_t>(end) - 1))));
      s[v] = hn::IfThenElse(hn::RebindMask(d, hn::MaskFromVec(out)), lowest, s[v]);
    }
  }
  NIBBLE_UNROLL for (auto& v : s) top = hn::Max(top, v);
  const float before = state.largest;
  state.largest = std::max(before, max_of(top));
  const auto now = hn::Set(d, state.largest);
  const float keep = before == state.largest ? 1.0f : hn::GetLane(power_of_2(hn::Set(d, before - state.largest)));
  auto total = hn::Mul(hn::Load(d, state.total), hn::Set(d, keep));
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
    const auto w = power_of_2(hn::Sub(s[v], now));
    hn::Store(w, d, scores + v * lanes);
    total = hn::Add(total, w);
  }
  hn::Store(total, d, state.total);
  return keep;
}

template <kv_format Format>
void attention(const attention_args& a) {
  const std::size_t queries = a.tokens * a.heads;
  alignas(64) float scores[max_queries * page_positions];
  float keep[max_queries];
  online_softmax state[max_queries];
  const float* query[max_queries];
  float* out[max_queries];
  std::size_t first[max_queries], last[max_queries];  // the positions that each query sees: [first, last)
  for (std::size_t n = 0; n < queries; ++n) {
    const std::size_t token = n / a.heads, head = n % a.heads, position = a.position + token;
    query[n] = a.query + token * a.query_stride + head * a.head_dim;
    out[n] = a.output + token * a.output_stride + head * a.value_dim;
    first[n] = a.mask.first(position), last[n] = a.mask.end(position, a.positions);
    state[n] = {a.sinks ? a.sinks[head] * log2_e : std::numeric_limits<float>::lowest(), {a.sinks ? 1.0f : 0.0f}};
    std::fill_n(out[n], a.value_dim, 0.0f);
  }

  const query_rows<Format> rows(query, queries, a.head_dim);

  const std::size_t block_first = first[0], block_last = last[queries - 1];  // of all: both grow from token to token
  for (std::size_t base = block_first / page_positions * page_positions; base < block_last; base += page_positions) {
    const std::byte* page = a.pages + a.page_of[base / page_positions] * a.page_bytes;
    rows.score(page, scores);
    for (std::size_t n = 0; n < queries; ++n) {
      const std::size_t begin = std::max(first[n], base) - base, end = std::min(std::max(last[n], base) - base, page_positions);
      if (begin < end) {
        keep[n] = soften(a, begin, end, scores + n * page_positions, state[n]);
      } else {  // this tile is for other queries of the block
        keep[n] = 1;
        std::fill_n(scores + n * page_positions, page_positions, 0.0f);
      }
    }
    const std::size_t begin = std::max(block_first, base) - base, end = std::min(block_last - base, page_positions);
    for_each_block<output_block, true>(0, queries, [&](auto block, std::size_t n) NIBBLE_ATTR {
      weigh_tile<Format, block()>(page + a.value_offset, a.value_dim, begin, end, scores + n * page_positions, keep + n,
                                  out + n);
    });
  }
  for (std::size_t n = 0; n < queries; ++n) scale(out[n], 1 / sum_of(hn::Load(float_tag(), state[n].total)), a.value_dim);
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
