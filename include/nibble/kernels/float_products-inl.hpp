/// Sums of products over panels of float formats: columns one by one, all sixteen rows of a group in lanes.
///
/// Sums are float: of parts of 16 columns, then of 64, then of all, in the same order for one token and for many. Many tokens
/// share weights that are widened to float once. The bits are those of the scalar reference on every target that fuses, which
/// is tested.
#if defined(NIBBLE_KERNELS_FLOAT_PRODUCTS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_FLOAT_PRODUCTS_INL_HPP
#undef NIBBLE_KERNELS_FLOAT_PRODUCTS_INL_HPP
#else
#define NIBBLE_KERNELS_FLOAT_PRODUCTS_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/quant/f32.hpp"
#include "nibble/quant/panel.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Columns of a part, and columns whose sums then join the row's: a sum of sums of sums loses less to rounding than one chain.
inline constexpr std::size_t float_part = 16, float_columns = unit_columns<f32>;

/// Adds up to float_columns columns of some groups to the sums of a block of tokens.
/// @shape   w: the columns' first weight, of each group; x(i): the first of the columns of token i; sums (Tokens, Groups * 16),
///          rows `stride` apart
/// @param   streamed  whether w comes from memory, and is read for the first time: what lies ahead is asked for
template <std::size_t Tokens, std::size_t Groups, class T, class Input>
HWY_INLINE void add_float_columns(const T* const (&w)[Groups], std::size_t columns, const Input& x, float* sums,
                                  std::size_t stride, bool streamed = false) {
  const float_tag d;
  constexpr std::size_t rows = Groups * panel_rows, vectors = vectors_beside(Tokens, rows / lanes);
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
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
        if (!streamed || (r + v * lanes) % panel_rows != 0) continue;
        prefetch_ahead<float_stream_cache>(from[v] + first * panel_rows, float_part * panel_rows * sizeof(T));
      }
      float_vec part[Tokens][vectors];
      NIBBLE_UNROLL for (auto& of_token : part) NIBBLE_UNROLL for (auto& s : of_token) s = hn::Zero(d);
      for (std::size_t k = first; k < std::min(columns, first + float_part); ++k) {
        add_outer_product([&](std::size_t i) NIBBLE_ATTR { return hn::Set(d, in[i][k]); },
                          [&](std::size_t v) NIBBLE_ATTR { return load(from[v] + k * panel_rows); }, part);
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

/// The same for one group and one token, from memory.
/// @shape   w (columns, 16); x (columns); sums (16)
template <class T>
HWY_NOINLINE void add_float_columns(const T* w, std::size_t columns, const float* x, float* sums) {
  add_float_columns<1>(
      {w}, columns, [&](std::size_t) { return x; }, sums, panel_rows, true);
}
/// The same for any number of tokens. Not inlined: all formats share it.
/// @shape   x: (tokens, columns), rows `step` apart; sums (tokens, tile_groups * 16)
HWY_NOINLINE inline void add_float_columns(const float* const (&w)[tile_groups], std::size_t columns, const float* x,
                                           std::size_t step, std::size_t tokens, float* sums) {
  constexpr std::size_t rows = tile_groups * panel_rows, smaller = float_token_block == 4 ? 3 : 4;
  for_each_block<true, float_token_block, smaller, 2, 1>(0, tokens, [&](auto block, std::size_t i, std::size_t) NIBBLE_ATTR {
    add_float_columns<block()>(
        w, columns, [&](std::size_t t) { return x + (i + t) * step; }, sums + i * rows, rows);
  });
}

/// The sums of one group for one token.
/// @shape   x (columns); sums (16)
template <float_format Q>
HWY_INLINE void add_group(unit_source<Q>& units, std::size_t columns, const float* x, float* sums) {
  std::fill_n(sums, panel_rows, 0.0f);
  for (std::size_t k = 0; k < columns; k += float_columns) {
    const std::size_t count = std::min(float_columns, columns - k);
    add_float_columns(reinterpret_cast<const typename Q::block*>(units.at(k, count)), count, x + k, sums);
  }
}
/// The sums of tile_groups groups for up to token_chunk tokens.
/// @shape   x: (tokens, columns), rows `step` apart; sums (tokens, tile_groups * 16)
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
    add_float_columns(w, count, x + k, step, tokens, sums);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
