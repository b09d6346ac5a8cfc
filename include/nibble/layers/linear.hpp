/// linear: matrix products of one input with one or more weights, and the pair of a gated feed-forward layer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <utility>

#include "nibble/layers/compute.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/tensor/weight.hpp"

namespace nibble::inline NIBBLE_ABI {

/// One product of linear(): out(token, row) = sum over columns of w(row, column) * x(token, column).
struct product {
  const weight& w;
  activations out;  ///< (tokens, w.rows)
};

namespace detail {
/// The input of products: as it is, for float formats, and in 8-bit blocks where a weight has an integer format.
struct operand {
  activations x;
  const std::byte* blocks;
  std::size_t block_bytes;  ///< of one token
};
inline operand quantized_if(compute& c, activations x, bool integer) noexcept {
  const std::size_t blocks = x.width / activation_block::columns, bytes = blocks * sizeof(activation_block);
  if (!integer) return {x, nullptr, 0};
  std::byte* out = c.scratch_memory().take(x.tokens * bytes);
  constexpr std::size_t least_blocks = 64;
  c.for_each_range(x.tokens * blocks, least_blocks, [&](std::size_t begin, std::size_t end) {  // rows follow each other
    c.kernels().quantize(x.data + begin * activation_block::columns, (end - begin) * activation_block::columns,
                         out + begin * sizeof(activation_block));
  });
  return {x, out, bytes};
}

inline std::size_t groups_of(const weight& w) noexcept { return (w.rows + panel_rows - 1) / panel_rows; }

/// Rows of groups [first, last) of one product.
inline void multiply(compute& c, const operand& in, const product& p, std::size_t first, std::size_t last) noexcept {
  c.kernels().matmul[p.w.format]({p.w.panels, p.w.group_bytes, p.w.rows, p.w.columns, first, last,
                                  p.w.integer ? static_cast<const void*>(in.blocks) : in.x.data,
                                  p.w.integer ? in.block_bytes : in.x.width * sizeof(float), in.x.tokens, p.out.data,
                                  p.out.width, p.w.stored, p.w.row_bytes});
}

/// f(begin, end) over parts of `groups` groups of sixteen rows, each a matrix product with x. One token is read from memory: in
/// fewer, longer pieces.
template <class F>
void for_each_group_range(compute& c, activations x, std::size_t groups, F&& f) noexcept {
  const std::size_t least = std::max<std::size_t>(1, least_elements * 2 / (panel_rows * x.width * x.tokens + 1));
  c.for_each_range(groups, least, x.tokens == 1 ? 2 : 4, std::forward<F>(f));
}
}  // namespace detail

/// Multiplies x with several weights at once: it is quantised once, and the threads meet once.
/// @shape   x (tokens, columns); each product's weight (rows, columns) and out (tokens, rows)
/// @errors  none (noexcept); precondition: integer formats need columns to be a multiple of 32
/// @cost    tokens * sum of rows * columns multiply-adds
inline void linear(compute& c, activations x, std::initializer_list<product> products) noexcept {
  const scratch_scope scope(c);
  std::size_t groups = 0;
  bool integer = false;
  for (const product& p : products) {
    groups += detail::groups_of(p.w);
    integer = integer || p.w.integer;
  }
  const detail::operand in = detail::quantized_if(c, x, integer);
  detail::for_each_group_range(c, x, groups, [&](std::size_t begin, std::size_t end) {
    std::size_t first = 0;  // of this product, in the groups of all
    for (const product& p : products) {
      const std::size_t last = first + detail::groups_of(p.w);
      const std::size_t from = std::max(begin, first), to = std::min(end, last);
      if (from < to) detail::multiply(c, in, p, from - first, to - first);
      first = last;
    }
  });
}

/// out = f(gate x) * (up x): a gate is closed over rows that are still in cache, and the threads meet once.
/// @shape   x (tokens, columns); gate, up (rows, columns); out (tokens, rows)
/// @errors  none (noexcept); precondition: as of linear()
/// @source  Shazeer 2020
inline void gated_linear(compute& c, activations x, const weight& gate, const weight& up, glu f, activations out) noexcept {
  const scratch_scope scope(c);
  const activations factor = c.scratch(x.tokens, up.rows);
  const detail::operand in = detail::quantized_if(c, x, gate.integer || up.integer);
  detail::for_each_group_range(c, x, detail::groups_of(gate), [&](std::size_t begin, std::size_t end) {
    detail::multiply(c, in, {gate, out}, begin, end);
    detail::multiply(c, in, {up, factor}, begin, end);
    const std::size_t row = begin * panel_rows, rows = std::min(gate.rows, end * panel_rows) - row;
    for (std::size_t t = 0; t < x.tokens; ++t) c.kernels().gated(out.row(t) + row, factor.row(t) + row, rows, f);
  });
}

}  // namespace nibble::inline NIBBLE_ABI
