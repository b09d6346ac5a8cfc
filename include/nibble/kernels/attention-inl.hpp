/// Attention by online softmax over the tiles of the KV cache, for up to max_queries queries of one key-value head.
///
/// Tiles are taken in the order of their positions, at absolute positions. For each query and tile: 64 scores, each one sum in
/// the order of the dimensions; the running maximum m and sum l; the output, rescaled when m grows. A query sees the same
/// operations whether it comes alone or in a block: positions that only other queries of the block see weigh exactly 0.
///     m' = max(m, max s);   l = l e^(m - m') + sum e^(s - m');   o = o e^(m - m') + sum e^(s - m') v;   at the end o / l
/// Accumulators are float. Keys and values are widened as they are read.
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
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/table.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble::inline NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// `lanes` elements that lie side by side in a tile: `at` is their index, `scale_at` that of their scales (Q8_0).
template <kv_format Format>
struct kv_reader {
  const typename Format::block* elements;
  HWY_INLINE kv_reader(const std::byte* tile, std::size_t) : elements(reinterpret_cast<const typename Format::block*>(tile)) {}
  HWY_INLINE float_vec key(std::size_t i, std::size_t slot) const { return load(elements + i * page_positions + slot); }
  HWY_INLINE float_vec value(std::size_t dim, std::size_t slot, std::size_t i) const { return load(elements + slot * dim + i); }
};
template <>
struct kv_reader<q8_0> {
  const std::int8_t* code;
  const half* scale;
  HWY_INLINE kv_reader(const std::byte* tile, std::size_t dim)
      : code(reinterpret_cast<const std::int8_t*>(tile)), scale(reinterpret_cast<const half*>(tile + page_positions * dim)) {}
  HWY_INLINE float_vec key(std::size_t i, std::size_t slot) const {
    return hn::Mul(load(code + i * page_positions + slot), load(scale + i / kv_block * page_positions + slot));
  }
  HWY_INLINE float_vec value(std::size_t dim, std::size_t slot, std::size_t i) const {
    return hn::Mul(load(code + slot * dim + i), hn::Set(float_tag(), float(scale[slot * kv_blocks(dim) + i / kv_block])));
  }
};

/// Registers of positions at once, and queries at once: as many sums as the registers hold.
inline constexpr std::size_t score_vectors = lanes == 16 ? 4 : 2;
inline constexpr std::size_t query_block = 4;

/// scores[n][64] = q_n k for Queries queries.
template <std::size_t Queries, class Reader>
HWY_INLINE void score_tile(const Reader& keys, std::size_t head_dim, const float* const* query, float* scores) {
  const float_tag d;
  for (std::size_t slot = 0; slot < page_positions; slot += score_vectors * lanes) {
    float_vec sum[Queries][score_vectors];
    NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < score_vectors; ++v) sum[n][v] = hn::Zero(d);
    }
    for (std::size_t i = 0; i < head_dim; ++i) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < score_vectors; ++v) {
        const auto k = keys.key(i, slot + v * lanes);
        NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) sum[n][v] = hn::MulAdd(hn::Set(d, query[n][i]), k, sum[n][v]);
      }
    }
    NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < score_vectors; ++v) {
        hn::Store(sum[n][v], d, scores + n * page_positions + slot + v * lanes);
      }
    }
  }
}

/// out_n = out_n * keep_n + sum over slots [begin, end) of weights[n][slot] * v, for Vectors registers of dimensions from i on.
template <std::size_t Queries, std::size_t Vectors, class Reader>
HWY_INLINE void weigh_values(const Reader& values, std::size_t dim, std::size_t i, std::size_t begin, std::size_t end,
                             const float* weights, const float* keep, float* const* out) {
  const float_tag d;
  float_vec sum[Queries][Vectors];
  NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      sum[n][v] = hn::Mul(hn::LoadU(d, out[n] + i + v * lanes), hn::Set(d, keep[n]));
    }
  }
  for (std::size_t slot = begin; slot < end; ++slot) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      const auto x = values.value(dim, slot, i + v * lanes);
      NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
        sum[n][v] = hn::MulAdd(hn::Set(d, weights[n * page_positions + slot]), x, sum[n][v]);
      }
    }
  }
  NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) hn::StoreU(sum[n][v], d, out[n] + i + v * lanes);
  }
}

/// The state of one query between tiles.
struct online_softmax {
  float largest, total;
};

/// Turns 64 scores into weights, updates the state; returns the factor that the output so far is to be multiplied by.
/// Only slots [begin, end) are seen; begin < end.
HWY_INLINE float soften(const attention_args& a, std::size_t begin, std::size_t end, float* scores, online_softmax& state) {
  const float_tag d;
  const int_tag di;
  constexpr std::size_t vectors = page_positions / lanes;
  const auto seen = [&](std::size_t v) NIBBLE_ATTR {
    const auto slot = hn::Iota(di, static_cast<std::int32_t>(v * lanes));
    const auto in = hn::AndNot(hn::VecFromMask(di, hn::Lt(slot, hn::Set(di, static_cast<std::int32_t>(begin)))),
                               hn::VecFromMask(di, hn::Lt(slot, hn::Set(di, static_cast<std::int32_t>(end)))));
    return hn::RebindMask(d, hn::MaskFromVec(in));
  };
  const auto lowest = hn::Set(d, std::numeric_limits<float>::lowest());
  auto top = lowest;
  for (std::size_t v = 0; v < vectors; ++v) {
    auto s = hn::Mul(hn::Load(d, scores + v * lanes), hn::Set(d, a.scale));
    if (a.softcap > 0) s = capped(s, a.softcap);
    hn::Store(s, d, scores + v * lanes);
    top = hn::Max(top, hn::IfThenElse(seen(v), s, lowest));
  }
  const float before = state.largest;
  state.largest = std::max(before, max_of(top));
  const auto now = hn::Set(d, state.largest);
  auto total = hn::Zero(d);
  for (std::size_t v = 0; v < vectors; ++v) {
    const auto w = hn::IfThenElseZero(seen(v), hn::Exp(d, hn::Sub(hn::Load(d, scores + v * lanes), now)));
    hn::Store(w, d, scores + v * lanes);
    total = hn::Add(total, w);
  }
  const float keep = hn::GetLane(hn::Exp(d, hn::Set(d, before - state.largest)));
  state.total = hn::GetLane(hn::MulAdd(hn::Set(d, state.total), hn::Set(d, keep), hn::Set(d, sum_of(total))));
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
  std::size_t first[max_queries] = {};  // the first position each query sees
  for (std::size_t n = 0; n < queries; ++n) {
    const std::size_t token = n / a.heads, head = n % a.heads, last = a.position + token;
    query[n] = a.query + token * a.query_stride + head * a.head_dim;
    out[n] = a.output + token * a.output_stride + head * a.value_dim;
    first[n] = a.window && last + 1 > a.window ? last + 1 - a.window : 0;
    state[n] = a.sinks ? online_softmax{a.sinks[head], 1} : online_softmax{std::numeric_limits<float>::lowest(), 0};
    std::fill_n(out[n], a.value_dim, 0.0f);
  }

  const std::size_t block_last = a.position + a.tokens - 1;
  for (std::size_t base = first[0] / page_positions * page_positions; base <= block_last; base += page_positions) {
    const std::byte* page = a.pages + a.page_of[base / page_positions] * a.page_bytes;
    const kv_reader<Format> keys(page + a.k_offset, a.head_dim), values(page + a.v_offset, a.value_dim);

    std::size_t n = 0;
    for (; n + query_block <= queries; n += query_block) {
      score_tile<query_block>(keys, a.head_dim, query + n, scores + n * page_positions);
    }
    for (; n < queries; ++n) score_tile<1>(keys, a.head_dim, query + n, scores + n * page_positions);

    for (n = 0; n < queries; ++n) {
      const std::size_t last = a.position + n / a.heads;
      const std::size_t begin = std::max(first[n], base) - base,
                        end = std::min(page_positions, last + 1 > base ? last + 1 - base : 0);
      if (begin < end) {
        keep[n] = soften(a, begin, end, scores + n * page_positions, state[n]);
      } else {  // this tile is for other queries of the block
        keep[n] = 1;
        std::fill_n(scores + n * page_positions, page_positions, 0.0f);
      }
    }

    const std::size_t begin = std::max(first[0], base) - base, end = std::min(page_positions, block_last + 1 - base);
    for (n = 0; n < queries;) {
      const float* w = scores + n * page_positions;
      std::size_t i = 0;
      if (n + query_block <= queries) {
        for (; i + 2 * lanes <= a.value_dim; i += 2 * lanes) {
          weigh_values<query_block, 2>(values, a.value_dim, i, begin, end, w, keep + n, out + n);
        }
        for (; i + lanes <= a.value_dim; i += lanes) {
          weigh_values<query_block, 1>(values, a.value_dim, i, begin, end, w, keep + n, out + n);
        }
      } else {
        for (; i + 4 * lanes <= a.value_dim; i += 4 * lanes) {
          weigh_values<1, 4>(values, a.value_dim, i, begin, end, w, keep + n, out + n);
        }
        for (; i + lanes <= a.value_dim; i += lanes) {
          weigh_values<1, 1>(values, a.value_dim, i, begin, end, w, keep + n, out + n);
        }
      }
      const std::size_t done = n + query_block <= queries ? query_block : 1;
      for (std::size_t m = n; m < n + done && i < a.value_dim; ++m) {  // dimensions that fill no register
        for (std::size_t j = i; j < a.value_dim; ++j) {
          float sum = out[m][j] * keep[m];
          for (std::size_t slot = begin; slot < end; ++slot) {
            sum += scores[m * page_positions + slot] * read_kv<Format, kv_role::value>(page + a.v_offset, a.value_dim, slot, j);
          }
          out[m][j] = sum;
        }
      }
      n += done;
    }
  }
  for (std::size_t n = 0; n < queries; ++n) scale(out[n], 1 / state[n].total, a.value_dim);
}

}  // namespace HWY_NAMESPACE
}  // namespace nibble::inline NIBBLE_ABI
NIBBLE_AFTER_NAMESPACE();
#endif
