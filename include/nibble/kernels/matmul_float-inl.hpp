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
namespace nibble::inline NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Columns that are summed on their own, and columns whose sums then join the row's: sums of sums of sums lose less than one
/// chain.
inline constexpr std::size_t float_part = 16, float_columns = unit_columns<f32>;

/// Adds the products of up to float_columns columns to the sums of Tokens tokens, rows of 16 that are `stride` apart. x(i) is
/// where the columns of token i begin.
template <std::size_t Tokens, class T, class Input>
HWY_INLINE void add_float_columns(const T* w, std::size_t columns, const Input& x, float* sums, std::size_t stride) {
  const float_tag d;
  constexpr std::size_t vectors = std::min<std::size_t>(panel_rows / lanes, Tokens == 1 ? 4 : 2);
  const float* in[Tokens];
  NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) in[i] = x(i);
  for (std::size_t r = 0; r < panel_rows; r += vectors * lanes) {
    float_vec sum[Tokens][vectors];
    NIBBLE_UNROLL for (auto& of_token : sum) NIBBLE_UNROLL for (auto& s : of_token) s = hn::Zero(d);
    for (std::size_t first = 0; first < columns; first += float_part) {
      float_vec part[Tokens][vectors];
      NIBBLE_UNROLL for (auto& of_token : part) NIBBLE_UNROLL for (auto& s : of_token) s = hn::Zero(d);
      for (std::size_t k = first; k < std::min(columns, first + float_part); ++k) {
        float_vec weight[vectors];
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) weight[v] = load(w + k * panel_rows + r + v * lanes);
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

template <float_format Q>
void matmul(const matmul_args& m) {
  alignas(64) float sums[token_chunk * panel_rows];
  alignas(64) float wide[float_columns * panel_rows];
  for (std::size_t token = 0; token < m.tokens; token += token_chunk) {
    const std::size_t tokens = std::min(token_chunk, m.tokens - token);
    const auto* input = static_cast<const float*>(m.input) + token * m.input_stride;
    for (std::size_t g = m.first; g < m.last; ++g) {
      unit_source<Q> units(m, g);
      std::fill_n(sums, tokens * panel_rows, 0.0f);
      for (std::size_t k = 0; k < m.columns; k += float_columns) {
        const std::size_t columns = std::min(float_columns, m.columns - k);
        const auto add = [&](const auto* weights) NIBBLE_ATTR {
          for_each_block<float_token_block>(0, tokens, [&](auto block, std::size_t i) NIBBLE_ATTR {
            add_float_columns<block()>(
                weights, columns, [&](std::size_t t) { return input + (i + t) * m.input_stride + k; }, sums + i * panel_rows,
                panel_rows);
          });
        };
        const auto* narrow = reinterpret_cast<const typename Q::block*>(units.at(k, columns));
        if (tokens == 1) prefetch_ahead<1>(narrow, columns * panel_rows * sizeof *narrow);
        if (std::is_same_v<Q, f32> || tokens == 1) {
          add(narrow);
        } else {  // widened once for all tokens
          for (std::size_t i = 0; i < columns * panel_rows; i += lanes) hn::Store(load(narrow + i), float_tag(), wide + i);
          add(wide);
        }
      }
      store_rows(m, g, token, tokens, sums);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nibble::inline NIBBLE_ABI
NIBBLE_AFTER_NAMESPACE();
#endif
