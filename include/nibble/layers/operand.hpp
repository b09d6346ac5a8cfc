/// operand: the input of matrix products, as each format of weights takes it: floats, or quantized to 8 bits. A norm before a
/// product is part of making it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "nibble/kernels/weight.hpp"
#include "nibble/layers/norm.hpp"
#include "nibble/quant/activation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What is multiplied: rows as they are, or normed first.
struct layer_input {
  activations x;  ///< (tokens, columns); not changed
  bool is_normed = false;
  norm_weights norm = {};

  layer_input(activations rows) noexcept : x(rows) {}
  layer_input(activations rows, const norm_weights& by) noexcept : x(rows), is_normed(true), norm(by) {}
  /// The same of other rows.
  layer_input with(activations rows) const noexcept {
    layer_input in = *this;
    in.x = rows;
    return in;
  }
};
inline layer_input normed(activations x, const norm_weights& by) noexcept { return {x, by}; }
/// An input whose norm is behind it: for what more than one step reads.
inline activations as_normed(compute& c, const layer_input& in) NIBBLE_NOEXCEPT {
  if (!in.is_normed) return in.x;
  const activations out = c.scratch(in.x.tokens, in.x.width);
  apply(c, in.norm, in.x, out);
  return out;
}

namespace detail {
/// Rows of floats, and what formats of weights take instead.
struct operand {
  activations x;
  activation_block* blocks = nullptr;
  activation_super_block* super_blocks = nullptr;

  const void* as(activation_format f) const noexcept {
    return f == activation_format::blocks         ? static_cast<const void*>(blocks)
           : f == activation_format::super_blocks ? static_cast<const void*>(super_blocks)
                                                  : x.data;
  }
  bool quantized() const noexcept { return blocks || super_blocks; }
  /// Columns that are quantized together.
  std::size_t columns_of_block() const noexcept {
    return super_blocks ? activation_super_block::columns : activation_block::columns;
  }
};

/// Which of activation_format some weights take.
class input_formats {
 public:
  template <class... Weights>
  explicit input_formats(const Weights&... weights) noexcept {
    (add(weights), ...);
  }
  void add(const weight& w) noexcept { taken_[static_cast<std::size_t>(w.input())] = true; }
  bool has(activation_format f) const noexcept { return taken_[static_cast<std::size_t>(f)]; }

 private:
  std::array<bool, 3> taken_{};
};

/// Rows, and scratch for what is taken of them.
inline operand operand_of(compute& c, activations x, const input_formats& formats) NIBBLE_NOEXCEPT {
  operand out{x};
  const auto take = [&]<class Block>(activation_format f, Block*& blocks) {
    if (!formats.has(f)) return;
    blocks =
        reinterpret_cast<Block*>(c.scratch_memory().take(product_of_sizes(x.tokens, x.width / Block::columns, sizeof(Block))));
  };
  take(activation_format::blocks, out.blocks);
  take(activation_format::super_blocks, out.super_blocks);
  return out;
}

/// Quantizes `count` columns of token t from column `first` on, which stand at `from`.
inline void quantize(compute& c, const operand& to, std::size_t t, std::size_t first, std::size_t count,
                     const float* from) NIBBLE_NOEXCEPT {
  const auto blocks = [&]<class Block>(Block* out, auto* kernel) {
    if (!out) return;
    const auto [start, step] = place_of(t, to.x.tokens, to.x.width / Block::columns);
    kernel(from, count, out + start + first / Block::columns * step, step);
  };
  blocks(to.blocks, c.kernels().quantize);
  blocks(to.super_blocks, c.kernels().quantize_super);
}
/// Quantizes all of an operand.
inline void quantize(compute& c, const operand& to) NIBBLE_NOEXCEPT {
  if (!to.quantized()) return;
  const std::size_t columns = to.columns_of_block(), blocks = to.x.width / columns;
  c.for_each_range(to.x.tokens * blocks, 2048 / columns, [&](std::size_t begin, std::size_t end) {
    for (std::size_t count; begin < end; begin += count) {
      const std::size_t t = begin / blocks, first = begin % blocks;
      count = std::min(end - begin, blocks - first);
      quantize(c, to, t, first * columns, count * columns, to.x.row(t) + first * columns);
    }
  });
}

/// Whether the rows of an input must be written anew: normed, or gathered for formats that take floats.
inline bool is_copied(const layer_input& in, const input_formats& formats) noexcept {
  return in.is_normed || (in.x.listed && formats.has(activation_format::floats));
}
/// Makes row t of an operand from that of its input.
inline void prepare_row(compute& c, const layer_input& in, const operand& to, std::size_t t) NIBBLE_NOEXCEPT {
  const float* row = in.x.row(t);
  if (to.x.data != in.x.data) {
    if (in.is_normed) {
      apply_norm(c.kernels(), in.norm, row, in.x.width, to.x.row(t));
    } else {
      std::memcpy(to.x.row(t), row, in.x.width * sizeof(float));
    }
    row = to.x.row(t);
  }
  quantize(c, to, t, 0, in.x.width, row);
}
/// Rows of `width` that a thread should at least prepare: 2048 numbers, the time of a few hundred multiply-adds each.
inline std::size_t least_prepared(std::size_t width) noexcept { return 2048 / (width + 1) + 1; }

/// An operand of one input.
inline operand prepare(compute& c, const layer_input& in, const input_formats& formats) NIBBLE_NOEXCEPT {
  const bool copied = is_copied(in, formats);
  const operand out = operand_of(c, copied ? c.scratch(in.x.tokens, in.x.width) : in.x, formats);
  if (copied) {
    c.for_each_range(in.x.tokens, least_prepared(in.x.width), [&](std::size_t begin, std::size_t end) {
      for (std::size_t t = begin; t < end; ++t) prepare_row(c, in, out, t);
    });
  } else {
    quantize(c, out);
  }
  return out;
}
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
