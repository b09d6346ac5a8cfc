/// Matrix products over panels of float formats: columns one by one, all sixteen rows of a group in lanes.
///
/// Sums are float, of parts of 16 columns, then of 64, then of all: the order is the same for one token and for many. Many
/// tokens share weights that are widened once.
#if defined(NIBBLE_KERNELS_MATMUL_FLOAT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_MATMUL_FLOAT_INL_HPP
#undef NIBBLE_KERNELS_MATMUL_FLOAT_INL_HPP
#else
#define NIBBLE_KERNELS_MATMUL_FLOAT_INL_HPP
#endif

#include <algorithm>
#include <type_traits>

#include "nibble/kernels/matmul-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/registry.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Columns that are summed on their own, and columns whose sums then join the row's: sums of sums of sums lose less than one
/// chain.
inline constexpr std::size_t float_part = 16, float_columns = unit_columns<f32>;

/// Adds the products of up to float_columns columns of some groups to the sums of Tokens tokens: rows of 16 for each group,
/// that are `stride` apart. w says where each group's weights begin, x(i) where the columns of token i do.
template <std::size_t Tokens, std::size_t Groups, class T, class Input>
HWY_INLINE void add_float_columns(const T* const (&w)[Groups], std::size_t columns, const Input& x, float* sums,
                                  std::size_t stride) {
  const float_tag d;
  constexpr std::size_t rows = Groups * panel_rows, vectors = std::min<std::size_t>(rows / lanes, Tokens == 1 ? 4 : 2);
  const float* in[Tokens];
  NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) in[i] = x(i);
  for (std::size_t r = 0; r < rows; r += vectors * lanes) {
    const T* from[vectors];
    NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
      from[v] = w[(r + v * lanes) / panel_rows] + (r + v * lanes) % panel_rows;
    }
    float_vec sum[Tokens][vectors];
    NIBBLE_UNROLL for (auto& of_token : sum) NIBBLE_UNROLL for (auto& s : of_token) s = hn::Zero(d);
    for (std::size_t first = 0; first < columns; first += float_part) {
      float_vec part[Tokens][vectors];
      NIBBLE_UNROLL for (auto& of_token : part) NIBBLE_UNROLL for (auto& s : of_token) s = hn::Zero(d);
      for (std::size_t k = first; k < std::min(columns, first + float_part); ++k) {
        float_vec weight[vectors];
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) weight[v] = load(from[v] + k * panel_rows);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          const auto xi = hn::Set(d, in[i][k]);
          NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) part[i][v] = hn::MulAdd(xi, weight[v], part[i][v]);
        }
      }
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) sum[i][v] = hn::Add(sum[i][v], part[i][v]);
      }
    }
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
        float* to = sums + i * stride + r + v * lanes;
        hn::StoreU(hn::Add(hn::LoadU(d, to), sum[i][v]), d, to);
      }
    }
  }
}

/// Tokens whose sums are in registers at once.
inline constexpr std::size_t float_token_block = lanes == 16 ? 8 : lanes == 8 ? 6 : 4;

/// The sums of one group for one token.
template <float_format Q>
HWY_INLINE void add_group(unit_source<Q>& units, std::size_t columns, const float* x, float* sums) {
  std::fill_n(sums, panel_rows, 0.0f);
  for (std::size_t k = 0; k < columns; k += float_columns) {
    const std::size_t count = std::min(float_columns, columns - k);
    const auto* w = reinterpret_cast<const typename Q::block*>(units.at(k, count));
    prefetch_ahead<1>(w, count * panel_rows * sizeof *w);
    add_float_columns<1>(
        {w}, count, [&](std::size_t) { return x + k; }, sums, panel_rows);
  }
}
/// The sums of tile_groups groups for more tokens, whose inputs are `step` apart: rows of 16 for each group. Weights are
/// widened once for all tokens.
template <float_format Q>
HWY_INLINE void add_groups(unit_source<Q> (&units)[tile_groups], std::size_t columns, const float* x, std::size_t step,
                           std::size_t tokens, float* sums) {
  constexpr std::size_t rows = tile_groups * panel_rows;
  constexpr bool copied = !std::is_same_v<Q, f32>;
  alignas(64) float wide[tile_groups][copied ? float_columns * panel_rows : 1];
  std::fill_n(sums, tokens * rows, 0.0f);
  for (std::size_t k = 0; k < columns; k += float_columns) {
    const std::size_t count = std::min(float_columns, columns - k);
    const float* w[tile_groups];
    for (std::size_t g = 0; g < tile_groups; ++g) {
      const auto* unit = reinterpret_cast<const typename Q::block*>(units[g].at(k, count));
      if constexpr (copied) {
        for (std::size_t i = 0; i < count * panel_rows; i += lanes) hn::Store(load(unit + i), float_tag(), wide[g] + i);
        w[g] = wide[g];
      } else {
        w[g] = unit;
      }
    }
    for_each_block<float_token_block>(0, tokens, [&](auto block, std::size_t i) NIBBLE_ATTR {
      add_float_columns<block()>(
          w, count, [&](std::size_t t) { return x + (i + t) * step + k; }, sums + i * rows, rows);
    });
  }
}

template <float_format Q>
void matmul(const matmul_args& m) {
  alignas(64) float sums[token_chunk * tile_groups * panel_rows];
  for (std::size_t token = 0; token < m.tokens; token += token_chunk) {
    const std::size_t tokens = std::min(token_chunk, m.tokens - token), groups = tokens == 1 ? 1 : tile_groups;
    const auto* input = static_cast<const float*>(m.input) + token * m.input_stride;
    for (std::size_t g = m.first; g < m.last; g += groups) {
      unit_source<Q> units[tile_groups];
      for (std::size_t k = 0; k < groups; ++k) units[k].open(m, std::min(g + k, m.last - 1));
      if (tokens == 1) {
        add_group<Q>(units[0], m.columns, input, sums);
      } else {
        add_groups<Q>(units, m.columns, input, m.input_stride, tokens, sums);
      }
      store_rows(m, g, token, tokens, sums, groups * panel_rows);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
