/// linear: matrix products of one input with one or more weights, and the three of a gated feed-forward layer. A norm before a
/// product, and the residual sum behind it, are steps of the product: they find its rows in cache.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <utility>

#include "nibble/kernels/weight.hpp"
#include "nibble/layers/compute.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What is multiplied: rows as they are, or normed first.
struct layer_input {
  activations x;                ///< (tokens, columns); not changed
  bool norm = false;            ///< said apart, for a pass that only measures has no gains
  std::span<const float> gain;  ///< of the norm, (columns)
  float eps = 0;

  layer_input(activations rows) noexcept : x(rows) {}
  layer_input(activations rows, std::span<const float> norm_gain, float norm_eps) noexcept
      : x(rows), norm(true), gain(norm_gain), eps(norm_eps) {}
};
/// x / sqrt(mean(x^2) + eps) * gain for each token.
/// @source  Zhang and Sennrich 2019
inline layer_input normed(activations x, std::span<const float> gain, float eps) noexcept { return {x, gain, eps}; }

/// Where a layer's result goes: into these rows, or together with what they hold.
struct layer_output {
  activations y;  ///< (tokens, rows)
  epilogue how = epilogue::replace;
  glu gate = glu::silu;

  layer_output(activations rows) noexcept : y(rows) {}
  layer_output(activations rows, epilogue with_rows, glu f = glu::silu) noexcept : y(rows), how(with_rows), gate(f) {}
};
/// y += result.
inline layer_output added_to(activations y) noexcept { return {y, epilogue::add}; }
/// y = f(y) * result.
inline layer_output gated_by(activations y, glu f) noexcept { return {y, epilogue::gate, f}; }

/// One product of linear(): out(token, row) = sum over columns of w(row, column) * x(token, column).
struct product {
  const weight& w;
  layer_output out;  ///< (tokens, w.rows())
};

namespace detail {
/// The input of products: floats, and what formats of weights take instead.
struct operand {
  activations x;
  activation_block* blocks = nullptr;
  activation_super_block* super_blocks = nullptr;

  const void* as(activation_format f) const noexcept {
    return f == activation_format::blocks         ? static_cast<const void*>(blocks)
           : f == activation_format::super_blocks ? static_cast<const void*>(super_blocks)
                                                  : x.data;
  }
  bool quantised() const noexcept { return blocks || super_blocks; }
  /// Columns that are quantised together.
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
inline operand operand_of(compute& c, activations x, const input_formats& formats) noexcept {
  operand out{x};
  const auto take = [&]<class Block>(activation_format f, Block*& blocks) {
    if (!formats.has(f)) return;
    blocks = reinterpret_cast<Block*>(c.scratch_memory().take(x.tokens * (x.width / Block::columns) * sizeof(Block)));
  };
  take(activation_format::blocks, out.blocks);
  take(activation_format::super_blocks, out.super_blocks);
  return out;
}

/// Quantises `count` columns of token t from column `first` on, which stand at `from`.
inline void quantize(compute& c, const operand& to, std::size_t t, std::size_t first, std::size_t count,
                     const float* from) noexcept {
  const auto blocks = [&]<class Block>(Block* out, auto* kernel) {
    if (!out) return;
    const auto [start, step] = place_of(t, to.x.tokens, to.x.width / Block::columns);
    kernel(from, count, out + start + first / Block::columns * step, step);
  };
  blocks(to.blocks, c.kernels().quantize);
  blocks(to.super_blocks, c.kernels().quantize_super);
}
/// Quantises all of an operand.
inline void quantize(compute& c, const operand& to) noexcept {
  if (!to.quantised()) return;
  const std::size_t columns = to.columns_of_block(), blocks = to.x.width / columns;
  c.for_each_range(to.x.tokens * blocks, 2048 / columns, [&](std::size_t begin, std::size_t end) {
    for (std::size_t count; begin < end; begin += count) {
      const std::size_t t = begin / blocks, first = begin % blocks;
      count = std::min(end - begin, blocks - first);
      quantize(c, to, t, first * columns, count * columns, to.x.row(t) + first * columns);
    }
  });
}

inline operand prepare(compute& c, const layer_input& in, const input_formats& formats) noexcept {
  const std::size_t tokens = in.x.tokens, width = in.x.width;
  const operand out = operand_of(c, in.norm ? c.scratch(tokens, width) : in.x, formats);
  if (!in.norm) {
    quantize(c, out);
    return out;
  }
  c.for_each_range(tokens, 2048 / (width + 1) + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      c.kernels().rms_norm(in.x.row(t), in.gain.data(), in.eps, width, out.x.row(t));
      quantize(c, out, t, 0, width, out.x.row(t));
    }
  });
  return out;
}

/// Rows of groups [first, last) of one product.
inline void multiply(compute& c, const operand& in, const product& p, std::size_t first, std::size_t last) noexcept {
  p.w.multiply(c.kernels(), {.first = first,
                             .last = last,
                             .input = in.as(p.w.input()),
                             .input_stride = in.x.width,
                             .tokens = in.x.tokens,
                             .output = p.out.y.data,
                             .output_stride = p.out.y.width,
                             .how = p.out.how,
                             .gate = p.out.gate});
}

/// f(begin, end) over parts of `groups` groups of sixteen rows, each a matrix product with x. One token is read from memory: in
/// two long parts a thread, for one that begins anew waits for its first bytes; in up to eight where each keeps a million
/// weights, for no two threads are equally quick.
template <class F>
void for_each_group_range(compute& c, activations x, std::size_t groups, F&& f) noexcept {
  const std::size_t least = std::max<std::size_t>(1, least_elements * 4 / (panel_rows * x.width * x.tokens + 1));
  const std::size_t millions = (panel_rows * x.width * groups >> 20) / c.concurrency();
  c.for_each_range(groups, least, x.tokens == 1 ? std::clamp<std::size_t>(millions, 2, 8) : 4, std::forward<F>(f));
}
}  // namespace detail

/// Multiplies x with several weights at once: one pass norms and quantises it, and one multiplies.
/// @shape   x (tokens, columns); each product's weight (rows, columns) and out (tokens, rows)
/// @errors  none (noexcept); precondition: integer formats need columns to be a multiple of 32; out may be x's memory only
///          where x is normed or all weights have integer formats
/// @cost    tokens * sum of rows * columns multiply-adds
inline void linear(compute& c, const layer_input& x, std::initializer_list<product> products) noexcept {
  const scratch_scope scope(c);
  std::size_t groups = 0;
  detail::input_formats formats;
  for (const product& p : products) {
    groups += p.w.groups();
    formats.add(p.w);
  }
  const detail::operand in = detail::prepare(c, x, formats);
  detail::for_each_group_range(c, in.x, groups, [&](std::size_t begin, std::size_t end) {
    std::size_t first = 0;  // of this product, in the groups of all
    for (const product& p : products) {
      const std::size_t last = first + p.w.groups();
      const std::size_t from = std::max(begin, first), to = std::min(end, last);
      if (from < to) detail::multiply(c, in, p, from - first, to - first);
      first = last;
    }
  });
}

/// out = down(f(gate x) * (up x)). Where `down` takes the hidden activations in 8 bits, and there are blocks of them for all
/// threads, they never stand whole in memory: each thread makes a strip that its second cache holds, and quantises it there.
/// @shape   x (tokens, columns); gate, up (hidden, columns); down (rows, hidden); out (tokens, rows)
/// @errors  none (noexcept); precondition: as of linear()
/// @cost    tokens * hidden * (2 * columns + rows) multiply-adds
/// @source  Shazeer 2020
inline void feed_forward(compute& c, const layer_input& x, const weight& gate, const weight& up, glu f, const weight& down,
                         layer_output out) noexcept {
  const scratch_scope scope(c);
  const std::size_t tokens = x.x.tokens, hidden = gate.rows(), groups = gate.groups();
  const detail::operand h = detail::operand_of(c, c.scratch(tokens, hidden), detail::input_formats(down));
  const detail::operand in = detail::prepare(c, x, detail::input_formats(gate, up));
  const std::size_t in_block = h.columns_of_block() / panel_rows;  // groups whose rows are quantised together
  const bool in_strips = h.quantised() && groups / in_block >= 2 * c.concurrency();
  // Groups of a strip: 128 KB of floats, but 256 columns at least, for weights are read best in long stretches.
  const std::size_t strip = std::max<std::size_t>(16, round_up(2048 / (tokens + 1), in_block));
  detail::for_each_group_range(c, in.x, groups, [&](std::size_t begin, std::size_t end) {
    if (!in_strips) {
      detail::multiply(c, in, {gate, h.x}, begin, end);
      detail::multiply(c, in, {up, gated_by(h.x, f)}, begin, end);
      return;
    }
    begin = std::min(round_up(begin, in_block), groups), end = std::min(round_up(end, in_block), groups);
    float* memory = h.x.data + begin * panel_rows * tokens;
    for (std::size_t count; begin < end; begin += count) {
      count = std::min(strip, end - begin);
      const activations part{memory, tokens, count * panel_rows};
      detail::multiply(c, in, {gate.row_groups(begin, count), part}, 0, count);
      detail::multiply(c, in, {up.row_groups(begin, count), gated_by(part, f)}, 0, count);
      for (std::size_t t = 0; t < tokens; ++t) detail::quantize(c, h, t, begin * panel_rows, part.width, part.row(t));
    }
  });
  if (!in_strips) detail::quantize(c, h);
  detail::for_each_group_range(c, h.x, down.groups(), [&](std::size_t begin, std::size_t end) {
    detail::multiply(c, h, {down, out}, begin, end);
  });
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
