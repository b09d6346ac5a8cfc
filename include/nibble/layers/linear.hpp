/// linear: matrix products of one input with one or more weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>

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

/// Multiplies x with several weights at once: it is quantised once, and the threads meet once.
/// @shape   x (tokens, columns); each product's weight (rows, columns) and out (tokens, rows)
/// @errors  none (noexcept); precondition: integer formats need columns to be a multiple of 32
/// @cost    tokens * sum of rows * columns multiply-adds
inline void linear(compute& c, activations x, std::initializer_list<product> products) noexcept {
  const scratch_scope scope(c);
  std::size_t groups = 0;
  bool codes = false;
  for (const product& p : products) {
    groups += (p.w.rows + panel_rows - 1) / panel_rows;
    codes = codes || p.w.integer;
  }
  const std::size_t blocks = x.width / activation_block::columns, code_bytes = blocks * sizeof(activation_block);
  std::byte* quantized = codes ? c.scratch_memory().take(x.tokens * code_bytes) : nullptr;
  if (codes) {  // rows follow each other, and so do their blocks
    constexpr std::size_t least_blocks = 64;
    c.for_each_range(x.tokens * blocks, least_blocks, [&](std::size_t begin, std::size_t end) {
      c.kernels().quantize(x.data + begin * activation_block::columns, (end - begin) * activation_block::columns,
                           quantized + begin * sizeof(activation_block));
    });
  }
  const std::size_t least = std::max<std::size_t>(1, least_elements * 2 / (panel_rows * x.width * x.tokens + 1));
  const std::size_t parts = x.tokens == 1 ? 2 : 4;  // one token is read from memory: in fewer, longer pieces
  c.for_each_range(groups, least, parts, [&](std::size_t begin, std::size_t end) {
    std::size_t first = 0;  // of this product, in the groups of all
    for (const product& p : products) {
      const std::size_t count = (p.w.rows + panel_rows - 1) / panel_rows;
      const std::size_t from = std::max(begin, first), to = std::min(end, first + count);
      if (from < to) {
        c.kernels().matmul[p.w.format]({p.w.panels, p.w.group_bytes, p.w.rows, p.w.columns, from - first, to - first,
                                        p.w.integer ? static_cast<const void*>(quantized) : x.data,
                                        p.w.integer ? code_bytes : x.width * sizeof(float), x.tokens, p.out.data, p.out.width});
      }
      first += count;
    }
  });
}

}  // namespace nibble::inline NIBBLE_ABI
