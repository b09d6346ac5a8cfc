/// The matrix products of the kernel table: the sums of one_token-inl.hpp, many_tokens-inl.hpp and float_products-inl.hpp for
/// the groups of a call, chunk by chunk of its tokens, and the epilogue that stores them.
#if defined(NIBBLE_KERNELS_MATMUL_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_MATMUL_INL_HPP
#undef NIBBLE_KERNELS_MATMUL_INL_HPP
#else
#define NIBBLE_KERNELS_MATMUL_INL_HPP
#endif

#include <algorithm>
#include <cstddef>

#include "nibble/kernels/activation-inl.hpp"
#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/float_products-inl.hpp"
#include "nibble/kernels/many_tokens-inl.hpp"
#include "nibble/kernels/one_token-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kernels/tile-inl.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/kernels/widen-inl.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Multiplies the sums of groups from `group` on by m.scale and stores them as the epilogue m.how says. Rows that are padding,
/// or beyond m.last, are left out. Sums that are no number become one NaN, so that tokens have the same bits however they were
/// multiplied.
/// @shape   sums (tokens, rows), of tokens from `token` on
HWY_NOINLINE inline void store_rows(const matmul_args& m, std::size_t group, std::size_t token, std::size_t tokens, float* sums,
                                    std::size_t rows) {
  if (m.scale != 1) scale(sums, m.scale, tokens * rows);
  const std::size_t row = group * panel_rows, count = std::min(std::min(rows, (m.last - group) * panel_rows), m.rows - row);
  float* out = m.output + token * m.output_stride + row;
  for (std::size_t i = 0; i < tokens; ++i, out += m.output_stride, sums += rows) {
    switch (m.how) {
      case epilogue::replace:
        zip_in_place(out, sums, count, [](float_vec, float_vec sum) NIBBLE_ATTR { return with_one_nan(sum); });
        break;
      case epilogue::add:
        zip_in_place(out, sums, count, [](float_vec a, float_vec sum) NIBBLE_ATTR { return with_one_nan(hn::Add(a, sum)); });
        break;
      case epilogue::gate:
        gate(out, sums, count, m.gate);
        break;
    }
  }
}

/// @shape   see matmul_args; Args: these, or widened_args
template <coded_format Q, dot Dot, class Args>
HWY_INLINE void multiply_codes(const Args& m) {
  alignas(64) float sums[token_chunk * tile<Q, Dot>::rows];
  const auto* a = static_cast<const activation_of<Q>*>(m.input);
  const std::size_t blocks = m.columns / activation_of<Q>::columns;
  for (std::size_t token = 0; token < m.tokens; token += token_chunk) {
    const std::size_t tokens = std::min(token_chunk, m.tokens - token), groups = tokens <= few_tokens<Q> ? 1 : tile_groups;
    const auto* input = a + token * blocks;
    for (std::size_t g = m.first; g < m.last; g += groups) {
      if (tokens == 1) {
        std::fill_n(sums, panel_rows, 0.0f);
        if (m.groups && !widened_codes<Q>) {
          one_token<Q, Dot>(m.groups + g * m.group_bytes, m.columns, input, sums);
        } else {
          unit_source<Q> units;
          units.open(m, g);
          one_token<Q, Dot>(units, m.columns, input, sums);
        }
      } else if (tokens <= few_tokens<Q>) {
        unit_source<Q> units;
        units.open(m, g);
        add_group<Q, Dot>(units, m.columns, input, tokens, sums, panel_rows);
      } else {
        unit_source<Q> units[tile_groups];
        for (std::size_t k = 0; k < tile_groups; ++k) units[k].open(m, std::min(g + k, m.last - 1));  // the last one twice
        add_groups<Q, Dot>(units, m.columns, input, tokens, 0, sums, tile<Q, Dot>::rows);
      }
      store_rows(m, g, token, tokens, sums, groups * panel_rows);
    }
  }
}

template <integer_format Q, dot Dot = target_dot>
void matmul(const matmul_args& m) {
  multiply_codes<Q, Dot>(m);
}

/// Formats that are widened share two products.
template <widened_codes Q, dot Dot>
HWY_NOINLINE void multiply_widened(const widened_args& m) {
  multiply_codes<Q, Dot>(m);
}
template <widened_format Q, dot Dot = target_dot>
void matmul(const matmul_args& m) {
  multiply_widened<wide_of<Q>, Dot>({m, &widen<Q>});
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
