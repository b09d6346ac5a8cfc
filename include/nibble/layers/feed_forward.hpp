/// feed_forward: the three products of a gated feed-forward layer, or the two of a plain one, with biases or without.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "nibble/layers/elementwise.hpp"
#include "nibble/layers/linear.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// out = down(f(gate x) * (up x)). Where `down` takes the hidden activations in 8 bits, and there are blocks of them for all
/// threads, they never stand whole in memory: each thread makes a strip that its second cache holds, and quantises it there.
/// @shape   x (tokens, columns); gate, up (hidden, columns); down (rows, hidden); out (tokens, rows)
/// @errors  none (noexcept); precondition: as of linear()
/// @cost    tokens * hidden * (2 * columns + rows) multiply-adds
/// @source  Shazeer 2020
inline void feed_forward(compute& c, const layer_input& x, const weight& gate, const weight& up, activation f,
                         const weight& down, layer_output out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(gate.rows() == up.rows() && up.rows() == down.columns() && gate.columns() == up.columns());
  NIBBLE_ASSERT(x.x.width == gate.columns() && out.y.width == down.rows() && out.y.tokens == x.x.tokens);
  const std::size_t tokens = x.x.tokens, hidden = gate.rows(), groups = gate.groups();
  if (tokens == 0) return;
  const scratch_scope scope(c);
  const detail::operand h = detail::operand_of(c, c.scratch(tokens, hidden), detail::input_formats(down));
  const detail::operand in = detail::prepare(c, x, detail::input_formats(gate, up));
  const std::size_t in_block = h.columns_of_block() / panel_rows;  // groups whose rows are quantised together
  const bool in_strips = h.quantised() && groups / in_block >= 2 * c.concurrency();
  // Groups of a strip: 128 KB of floats, but 256 columns at least, for weights are read best in long stretches.
  const std::size_t strip = std::max<std::size_t>(16, round_up(2048 / (tokens + 1), in_block));
  detail::for_each_group_range(c, tokens, in.x.width, groups, [&](std::size_t begin, std::size_t end) {
    if (!in_strips) {
      detail::multiply(c, in, gate, h.x, begin, end);
      detail::multiply(c, in, up, gated_by(h.x, f), begin, end);
      return;
    }
    begin = std::min(round_up(begin, in_block), groups), end = std::min(round_up(end, in_block), groups);
    float* memory = h.x.data + begin * panel_rows * tokens;
    for (std::size_t count; begin < end; begin += count) {
      count = std::min(strip, end - begin);
      const activations part{memory, tokens, count * panel_rows};
      detail::multiply(c, in, gate.row_groups(begin, count), part, 0, count);
      detail::multiply(c, in, up.row_groups(begin, count), gated_by(part, f), 0, count);
      for (std::size_t t = 0; t < tokens; ++t) detail::quantize(c, h, t, begin * panel_rows, part.width, part.row(t));
    }
  });
  if (!in_strips) detail::quantize(c, h);
  detail::for_each_group_range(c, tokens, hidden, down.groups(),
                               [&](std::size_t begin, std::size_t end) { detail::multiply(c, h, down, out, begin, end); });
}

/// Of each product, or empty.
struct feed_forward_biases {
  std::span<const float> gate, up;  ///< (hidden)
  std::span<const float> down;      ///< (rows)
};

/// out = down(f(gate x + its bias) * (up x + its bias)) + its bias. The hidden activations stand whole in memory here.
/// @shape   as above
/// @errors  none (noexcept); precondition: as of linear(), and each bias is empty or has the shape that it says
inline void feed_forward(compute& c, const layer_input& x, const weight& gate, const weight& up, activation f,
                         const weight& down, const feed_forward_biases& biases, layer_output out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(gate.rows() == up.rows() && up.rows() == down.columns());
  NIBBLE_ASSERT(biases.gate.empty() || biases.gate.size() == gate.rows());
  NIBBLE_ASSERT(biases.up.empty() || biases.up.size() == up.rows());
  NIBBLE_ASSERT(biases.down.empty() || biases.down.size() == down.rows());
  if (biases.gate.empty() && biases.up.empty()) {
    feed_forward(c, x, gate, up, f, down, out);
  } else {
    const scratch_scope scope(c);
    const activations g = c.scratch(x.x.tokens, gate.rows()), u = c.scratch(x.x.tokens, up.rows());
    linear(c, x, {{gate, g}, {up, u}});
    detail::for_each_token(c, g, [&](std::size_t t) {
      if (!biases.gate.empty()) c.kernels().add(g.row(t), biases.gate.data(), g.width);
      if (!biases.up.empty()) c.kernels().add(u.row(t), biases.up.data(), u.width);
      c.kernels().gate(g.row(t), u.row(t), g.width, f);
    });
    linear(c, g, {{down, out}});
  }
  add_bias(c, out.y, biases.down);
}

/// out = down(f(up x + its bias)) + its bias; f(numbers, count) activates the hidden numbers of a token in place.
/// @shape   as above, without a gate
/// @errors  none (noexcept); precondition: as above
/// @cost    tokens * hidden * (columns + rows) multiply-adds
template <class F>
void plain_feed_forward(compute& c, const layer_input& x, const weight& up, const F& f, const weight& down,
                        const feed_forward_biases& biases, layer_output out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(up.rows() == down.columns() && biases.gate.empty());
  NIBBLE_ASSERT(biases.up.empty() || biases.up.size() == up.rows());
  NIBBLE_ASSERT(biases.down.empty() || biases.down.size() == down.rows());
  const scratch_scope scope(c);
  const activations h = c.scratch(x.x.tokens, up.rows());
  linear(c, x, {{up, h}});
  detail::for_each_token(c, h, [&](std::size_t t) {
    if (!biases.up.empty()) c.kernels().add(h.row(t), biases.up.data(), h.width);
    f(h.row(t), h.width);
  });
  linear(c, h, {{down, out}});
  add_bias(c, out.y, biases.down);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
