/// linear: matrix products, any number at once: of one input with several weights (q, k and v), or each of rows of its own
/// (experts). All of them are one list of tasks. A norm before a product, and a sum or a gate behind it, are steps of the
/// product: they find its rows in cache.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <utility>

#include "nibble/layers/operand.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Where a product's result goes: into these rows, or together with what they hold.
struct layer_output {
  activations y;  ///< (tokens, rows); all rows of a memory, not a list of some
  epilogue how = epilogue::replace;
  activation gate = activation::silu;

  /// Replaces rows, or goes together with what they hold.
  layer_output(activations rows) noexcept : y(rows) {}
  layer_output(activations rows, epilogue with_rows, activation f = activation::silu) noexcept
      : y(rows), how(with_rows), gate(f) {}
};
/// y += result.
inline layer_output added_to(activations y) noexcept { return {y, epilogue::add}; }
/// y = f(y) * result.
inline layer_output gated_by(activations y, activation f) noexcept { return {y, epilogue::gate, f}; }

/// out(token, row) = sum over columns of w(row, column) * in(token, column).
struct product {
  weight w;
  layer_input in;       ///< (tokens, columns)
  layer_output out;     ///< (tokens, rows)
  bool shares = false;  ///< its input is that of the product before it, and is normed and quantized once for both
  /// If it is not empty: out = gate_function(gate in) * (w in), as a gated feed-forward layer wants it. As large as w.
  weight gate = {};
  activation gate_function = activation::silu;
  /// Added to the sums of w's rows and the gate's, or empty; a gated product with either needs memory `beside` its output.
  std::span<const float> bias = {}, gate_bias = {};
  activations beside = {};
  bool activated = false;  ///< where there is no gate: out = gate_function(w in)

  detail::operand prepared = {};  ///< written by linear()
};

/// A weight and where its product goes, for several of one input.
struct projection {
  const weight& w;
  layer_output out;
};

namespace detail {
/// Rows of groups [first, last) of one product.
inline void multiply(compute& c, const operand& in, const weight& w, const layer_output& out, std::size_t first,
                     std::size_t last) NIBBLE_NOEXCEPT {
  matmul_args a{};
  a.first = first, a.last = last;
  a.input = in.as(w.input()), a.input_stride = in.x.stride, a.tokens = in.x.tokens;
  a.output = out.y.data, a.output_stride = out.y.stride;
  a.how = out.how, a.gate = out.gate;
  w.multiply(c.kernels(), a);
}
inline void multiply(compute& c, const product& p, std::size_t first, std::size_t last) NIBBLE_NOEXCEPT {
  const activations y = p.out.y;
  const std::size_t begin = first * panel_rows, count = std::min(last * panel_rows, y.width) - begin;
  const auto biased = [&](activations sums, std::span<const float> bias) {
    for (std::size_t t = 0; t < sums.tokens && !bias.empty(); ++t) {
      c.kernels().add(sums.row(t) + begin, bias.data() + begin, count);
    }
  };
  if (p.gate.empty()) {
    multiply(c, p.prepared, p.w, p.out, first, last);
    biased(y, p.bias);
    for (std::size_t t = 0; t < y.tokens && p.activated; ++t) {
      c.kernels().activate(y.row(t) + begin, count, p.gate_function);
    }
    return;
  }
  multiply(c, p.prepared, p.gate, y, first, last);
  if (p.bias.empty() && p.gate_bias.empty()) {
    return multiply(c, p.prepared, p.w, gated_by(y, p.gate_function), first, last);
  }
  biased(y, p.gate_bias);
  multiply(c, p.prepared, p.w, p.beside, first, last);
  biased(p.beside, p.bias);
  for (std::size_t t = 0; t < y.tokens; ++t) {
    c.kernels().gate(y.row(t) + begin, p.beside.row(t) + begin, count, p.gate_function);
  }
}

/// f(begin, end) over parts of `groups` groups of sixteen rows, each a product with `tokens` rows of x. One token is read from
/// memory: in two long parts a thread, for one that begins anew waits for its first bytes; in up to eight where each keeps a
/// million weights, for no two threads are equally quick.
template <class F>
void for_each_group_range(compute& c, std::size_t tokens, std::size_t width, std::size_t groups, F&& f) NIBBLE_NOEXCEPT {
  const std::size_t least = std::max<std::size_t>(1, least_elements * 4 / (panel_rows * width * tokens + 1));
  const std::size_t millions = (panel_rows * width * groups >> 20) / c.concurrency();
  c.for_each_range(groups, least, tokens == 1 ? std::clamp<std::size_t>(millions, 2, 8) : 4, std::forward<F>(f));
}

/// Makes the operand of each product: one for those that share their input.
inline void prepare_all(compute& c, std::span<product> products) NIBBLE_NOEXCEPT {
  std::size_t tokens = 0, width = 0;
  for (std::size_t i = 0, next; i < products.size(); i = next) {
    input_formats formats;
    for (next = i; next < products.size() && (next == i || products[next].shares); ++next) {
      formats.add(products[next].w);
      if (!products[next].gate.empty()) formats.add(products[next].gate);
    }
    const layer_input& in = products[i].in;
    if (next == products.size() && i == 0) {
      const operand only = prepare(c, in, formats);
      for (product& p : products) p.prepared = only;
      return;
    }
    const operand made = operand_of(c, is_copied(in, formats) ? c.scratch(in.x.tokens, in.x.width) : in.x, formats);
    for (std::size_t k = i; k < next; ++k) products[k].prepared = made;
    tokens += in.x.tokens, width = std::max(width, in.x.width);
  }
  c.for_each_range(tokens, least_prepared(width), [&](std::size_t begin, std::size_t end) {
    std::size_t first = 0;  // of this input, among the rows of all
    for (std::size_t i = 0; i < products.size(); ++i) {
      const layer_input& in = products[i].in;
      if (i > 0 && products[i].shares) continue;
      const std::size_t last = first + in.x.tokens;
      for (std::size_t t = std::max(begin, first); t < std::min(end, last); ++t) {
        prepare_row(c, in, products[i].prepared, t - first);
      }
      first = last;
    }
  });
}
/// The products themselves, whatever adapters add.
inline void multiply_all(compute& c, std::span<product> products) NIBBLE_NOEXCEPT {
  const scratch_scope scope(c);
  std::size_t groups = 0, tokens = 0, width = 0;
  for (const product& p : products) {
    groups += p.w.groups();
    tokens = std::max(tokens, p.in.x.tokens), width = std::max(width, p.in.x.width);
  }
  if (tokens == 0) return;
  prepare_all(c, products);
  for_each_group_range(c, tokens, width, groups, [&](std::size_t begin, std::size_t end) {
    std::size_t first = 0;  // of this product, in the groups of all
    for (const product& p : products) {
      const std::size_t last = first + p.w.groups();
      const std::size_t from = std::max(begin, first), to = std::min(end, last);
      if (from < to) multiply(c, p, from - first, to - first);
      first = last;
    }
  });
}

/// f(product, adapter, factors) for each product that an adapter changes, in a fixed order.
template <class F>
void for_each_adapted(compute& c, std::span<product> products, F&& f) NIBBLE_NOEXCEPT {
  for (const active_adapter& adapter : c.adapters()) {
    for (const product& p : products) {
      const low_rank_factors* factors = adapter.find(p.w);
      if (factors && !adapter.scales(p.in.x.tokens).empty()) f(p, adapter, *factors);
    }
  }
}
/// f(first, count) for rows that follow each other and take something of an adapter.
template <class F>
void for_each_adapted_range(std::span<const float> scales, F&& f) NIBBLE_NOEXCEPT {
  for (std::size_t first = 0, last; first < scales.size(); first = last + 1) {
    for (last = first; last < scales.size() && scales[last] != 0;) ++last;
    if (last > first) f(first, last - first);
  }
}
/// A x of all products that adapters change, one behind the other in scratch, each with rows of its rank.
inline float* shrink(compute& c, std::span<product> products) NIBBLE_NOEXCEPT {
  std::size_t numbers = 0;
  for_each_adapted(c, products, [&](const product& p, const active_adapter&, const low_rank_factors& f) {
    numbers = sum_of_sizes(numbers, product_of_sizes(p.in.x.tokens, f.a.rows()));
  });
  float* const shrunk = c.scratch(1, numbers).data;
  std::size_t at = 0;
  for_each_adapted(c, products, [&](const product& p, const active_adapter& adapter, const low_rank_factors& f) {
    const activations out(shrunk ? shrunk + at : nullptr, p.in.x.tokens, f.a.rows());
    const std::span<const float> scales = adapter.scales(out.tokens);
    for_each_adapted_range(scales, [&](std::size_t first, std::size_t count) {
      product own{f.a, p.in.with(p.in.x.range(first, count)), out.range(first, count)};
      multiply_all(c, {&own, 1});
      if (c.measuring()) return;
      for (std::size_t t = first; t < first + count; ++t) c.kernels().scale(out.row(t), scales[t], out.width);
    });
    at += out.tokens * out.width;
  });
  return shrunk;
}
/// Adds B of that to the results.
inline void widen(compute& c, std::span<product> products, float* shrunk) NIBBLE_NOEXCEPT {
  std::size_t at = 0;
  for_each_adapted(c, products, [&](const product& p, const active_adapter& adapter, const low_rank_factors& f) {
    const activations in(shrunk ? shrunk + at : nullptr, p.in.x.tokens, f.a.rows());
    for_each_adapted_range(adapter.scales(in.tokens), [&](std::size_t first, std::size_t count) {
      product own{f.b, in.range(first, count), added_to(p.out.y.range(first, count))};
      multiply_all(c, {&own, 1});
    });
    at += in.tokens * in.width;
  });
}
}  // namespace detail

/// Multiplies. One pass norms and quantizes the inputs, and one multiplies: each a flat list of tasks over all products. What
/// adapters add comes behind them, to the rows that take it: a product of these is neither gated nor activated.
/// @errors  none (noexcept); precondition: integer formats need columns to be a multiple of 32; out may be the input's memory
///          only where that is normed or all weights have integer formats, and no product's that stands apart
/// @cost    sum of tokens * rows * columns multiply-adds
inline void linear(compute& c, std::span<product> products) NIBBLE_NOEXCEPT {
  for ([[maybe_unused]] const product& p : products) {
    NIBBLE_ASSERT(p.in.x.width == p.w.columns() && p.out.y.width == p.w.rows() && p.in.x.tokens == p.out.y.tokens);
    NIBBLE_ASSERT(p.w.columns() % p.w.format().block_size == 0 && !p.out.y.listed);
  }
  if (c.adapters().empty()) return detail::multiply_all(c, products);
  const scratch_scope scope(c);
  float* const shrunk = detail::shrink(c, products);
  detail::multiply_all(c, products);
  detail::widen(c, products, shrunk);
}

/// The products of one input with several weights.
/// @shape   x (tokens, columns); each weight (rows, columns), its output (tokens, rows)
template <std::size_t N>
void linear(compute& c, const layer_input& x, const projection (&projections)[N]) NIBBLE_NOEXCEPT {
  [&]<std::size_t... Index>(std::index_sequence<Index...>) {
    std::array<product, N> products{product{projections[Index].w, x, projections[Index].out, Index > 0}...};
    linear(c, std::span<product>(products));
  }
  (std::make_index_sequence<N>());
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
