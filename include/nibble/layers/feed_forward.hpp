/// feed_forward: the three products of a gated feed-forward layer, or the two of a plain one, with biases or without.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "nibble/layers/elementwise.hpp"
#include "nibble/layers/linear.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Of each product, or empty.
struct feed_forward_biases {
  std::span<const float> gate, up;  ///< (hidden)
  std::span<const float> down;      ///< (rows)
};

namespace detail {
/// out = down(hidden). make(operand, first, count, part) writes `count` groups of columns of `hidden` from `first` on, of all
/// tokens. Where `down` takes them in 8 bits, and there are blocks of them for all threads, they never stand whole in memory:
/// each thread makes a strip that its second cache holds, and quantizes it there.
template <class Make>
void feed_forward_by(compute& c, const layer_input& x, const input_formats& taken, activations hidden, const weight& down,
                     layer_output out, const Make& make) NIBBLE_NOEXCEPT {
  const std::size_t tokens = hidden.tokens, groups = (hidden.width + panel_rows - 1) / panel_rows;
  const operand h = operand_of(c, hidden, input_formats(down)), in = prepare(c, x, taken);
  const std::size_t in_block = h.columns_of_block() / panel_rows;  // groups whose rows are quantized together
  const bool in_strips = h.quantized() && groups / in_block >= 2 * c.concurrency();
  // Groups of a strip: 128 KB of floats, but 256 columns at least, for weights are read best in long stretches.
  const std::size_t strip = std::max<std::size_t>(16, round_up(2048 / (tokens + 1), in_block));
  for_each_group_range(c, tokens, in.x.width, groups, [&](std::size_t begin, std::size_t end) {
    if (!in_strips) {
      activations part = hidden;
      part.data += begin * panel_rows, part.width = std::min(end * panel_rows, hidden.width) - begin * panel_rows;
      return make(in, begin, end - begin, part);
    }
    begin = std::min(round_up(begin, in_block), groups), end = std::min(round_up(end, in_block), groups);
    float* memory = hidden.data + begin * panel_rows * tokens;
    for (std::size_t count; begin < end; begin += count) {
      count = std::min(strip, end - begin);
      const activations part{memory, tokens, count * panel_rows};
      make(in, begin, count, part);
      for (std::size_t t = 0; t < tokens; ++t) quantize(c, h, t, begin * panel_rows, part.width, part.row(t));
    }
  });
  if (!in_strips) quantize(c, h);
  for_each_group_range(c, tokens, hidden.width, down.groups(),
                       [&](std::size_t begin, std::size_t end) { multiply(c, h, down, out, begin, end); });
}

/// Adds some columns of a bias, from `first` on, to rows that have those columns alone.
inline void add_columns(compute& c, activations x, std::span<const float> bias, std::size_t first) noexcept {
  if (bias.empty()) return;
  for (std::size_t t = 0; t < x.tokens; ++t) c.kernels().add(x.row(t), bias.data() + first, x.width);
}
/// Whether an adapter changes one of these weights in this step.
template <class... Weights>
bool is_adapted(const compute& c, const Weights&... weights) noexcept {
  return std::any_of(c.adapters().begin(), c.adapters().end(),
                     [&](const active_adapter& a) { return (... || (a.find(weights) != nullptr)); });
}
}  // namespace detail

/// out = down(f(gate x + its bias) * (up x + its bias)) + its bias.
/// @shape   x (tokens, columns); gate, up (hidden, columns); down (rows, hidden); out (tokens, rows)
/// @errors  none (noexcept); precondition: as of linear(), and each bias is empty or has the shape that it says
/// @cost    tokens * hidden * (2 * columns + rows) multiply-adds
/// @source  Shazeer 2020
inline void feed_forward(compute& c, const layer_input& x, const weight& gate, const weight& up, activation f,
                         const weight& down, const feed_forward_biases& biases, layer_output out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(gate.rows() == up.rows() && up.rows() == down.columns() && gate.columns() == up.columns());
  NIBBLE_ASSERT(x.x.width == gate.columns() && out.y.width == down.rows() && out.y.tokens == x.x.tokens);
  NIBBLE_ASSERT(biases.gate.empty() || biases.gate.size() == gate.rows());
  NIBBLE_ASSERT(biases.up.empty() || biases.up.size() == up.rows());
  NIBBLE_ASSERT(biases.down.empty() || biases.down.size() == down.rows());
  if (x.x.tokens == 0) return;
  const scratch_scope scope(c);
  const bool biased = !biases.gate.empty() || !biases.up.empty();
  const bool adapted = detail::is_adapted(c, gate, up, down);
  const activations hidden = c.scratch(x.x.tokens, gate.rows()),
                    factors = biased || adapted ? c.scratch(x.x.tokens, up.rows()) : hidden;
  if (adapted) {
    linear(c, x, {{gate, hidden}, {up, factors}});
    add_bias(c, hidden, biases.gate), add_bias(c, factors, biases.up);
    detail::for_each_token(c, hidden, [&](std::size_t t) { c.kernels().gate(hidden.row(t), factors.row(t), hidden.width, f); });
    linear(c, hidden, {{down, out}});
    if (!c.measuring()) return add_bias(c, out.y, biases.down);
  }
  detail::feed_forward_by(c, x, detail::input_formats(gate, up), hidden, down, out,
                          [&](const detail::operand& in, std::size_t first, std::size_t count, activations part) {
                            const weight gates = gate.row_groups(first, count), ups = up.row_groups(first, count);
                            detail::multiply(c, in, gates, part, 0, count);
                            if (!biased) return detail::multiply(c, in, ups, gated_by(part, f), 0, count);
                            activations by = part;
                            by.data = factors.data + (part.data - hidden.data);
                            detail::multiply(c, in, ups, by, 0, count);
                            detail::add_columns(c, part, biases.gate, first * panel_rows),
                                detail::add_columns(c, by, biases.up, first * panel_rows);
                            for (std::size_t t = 0; t < part.tokens; ++t)
                              c.kernels().gate(part.row(t), by.row(t), part.width, f);
                          });
  add_bias(c, out.y, biases.down);
}
/// The same without biases.
/// @errors  none (noexcept); precondition: as above
inline void feed_forward(compute& c, const layer_input& x, const weight& gate, const weight& up, activation f,
                         const weight& down, layer_output out) NIBBLE_NOEXCEPT {
  feed_forward(c, x, gate, up, f, down, {}, out);
}

/// out = down(f(up x + its bias)) + its bias; f(numbers, count) activates some hidden numbers of a token in place.
/// @shape   as above, without a gate
/// @errors  none (noexcept); precondition: as above
/// @cost    tokens * hidden * (columns + rows) multiply-adds
template <class F>
void plain_feed_forward(compute& c, const layer_input& x, const weight& up, const F& f, const weight& down,
                        const feed_forward_biases& biases, layer_output out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(up.rows() == down.columns() && biases.gate.empty());
  NIBBLE_ASSERT(x.x.width == up.columns() && out.y.width == down.rows() && out.y.tokens == x.x.tokens);
  NIBBLE_ASSERT(biases.up.empty() || biases.up.size() == up.rows());
  NIBBLE_ASSERT(biases.down.empty() || biases.down.size() == down.rows());
  if (x.x.tokens == 0) return;
  const scratch_scope scope(c);
  const activations hidden = c.scratch(x.x.tokens, up.rows());
  if (detail::is_adapted(c, up, down)) {
    linear(c, x, {{up, hidden}});
    add_bias(c, hidden, biases.up);
    detail::for_each_token(c, hidden, [&](std::size_t t) { f(hidden.row(t), hidden.width); });
    linear(c, hidden, {{down, out}});
    if (!c.measuring()) return add_bias(c, out.y, biases.down);
  }
  detail::feed_forward_by(c, x, detail::input_formats(up), hidden, down, out,
                          [&](const detail::operand& in, std::size_t first, std::size_t count, activations part) {
                            detail::multiply(c, in, up.row_groups(first, count), part, 0, count);
                            detail::add_columns(c, part, biases.up, first * panel_rows);
                            for (std::size_t t = 0; t < part.tokens; ++t) f(part.row(t), part.width);
                          });
  add_bias(c, out.y, biases.down);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
