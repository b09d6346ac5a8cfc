/// The meaning of the matrix products, in plain C++, and of what quantizes their inputs: the kernels give the same bits.
/// Templates by format: they multiply with any format, a user's own as well.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "nibble/core/fused.hpp"
#include "nibble/kernels/reference_activation.hpp"
#include "nibble/kernels/reference_math.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/f32.hpp"
#include "nibble/quant/panel.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace reference {

/// The largest absolute value of n numbers; NaN if one of them is.
inline float peak_of(const float* in, std::size_t n) {
  float peak = 0;
  for (std::size_t i = 0; i < n; ++i) peak = peak >= std::fabs(in[i]) || is_nan(peak) ? peak : std::fabs(in[i]);
  return peak;
}

/// The squared error of 32 numbers, in units of a code, over the square of the largest code `target`, if that is what their
/// largest absolute value gets: as an integer, whose lowest bits are `index`.
inline std::int32_t error_of_peak(const float* in, float peak, float target, std::int32_t index) {
  const float up = target / std::max(peak, activation_block::least);
  float squares[4] = {};
  for (std::size_t i = 0; i < 32; ++i) {
    const float e = fused(in[i], up, -std::nearbyint(in[i] * up));
    squares[i % 4] = fused(e, e, squares[i % 4]);
  }
  const float error = ((squares[0] + squares[1]) + (squares[2] + squares[3])) / (target * target);
  return (std::bit_cast<std::int32_t>(error) & ~std::int32_t(activation_peaks.size() - 1)) | index;
}

/// @shape   in (columns); out: columns / 32 x activation_block, `step` blocks apart
inline void quantize(const float* in, std::size_t columns, void* out, std::size_t step) {
  auto* blocks = static_cast<activation_block*>(out);
  for (std::size_t b = 0; b < columns / 32; ++b, in += 32) {
    activation_block& block = blocks[b * step];
    const float peak = peak_of(in, 32);
    float inverse = 0;
    if (!is_finite(peak)) {
      block = activation_block::not_finite();
      continue;
    }
    if (peak >= activation_block::least) {
      std::int32_t least = std::numeric_limits<std::int32_t>::max();
      for (std::size_t n = 0; n < activation_peaks.size(); ++n) {
        least = std::min(least, error_of_peak(in, peak, activation_peaks[n], std::int32_t(n)));
      }
      inverse = activation_peaks[std::size_t(least) % activation_peaks.size()] / peak;
    }
    lane_sums along, squares;
    block.half_sums = {};
    for (std::size_t i = 0; i < 32; ++i) {
      const float code = limited(std::nearbyint(in[i] * inverse), 127);
      block.code[i] = static_cast<std::int8_t>(code);
      block.half_sums[i / 16] += block.code[i];
      along.add_product(i, in[i], code);
      squares.add_product(i, code, code);
    }
    block.scale = inverse > 0 ? along.total() / squares.total() : 0;
    if (!is_finite(along.total())) block = activation_block::not_finite();
    block.sum = block.scale * float(block.half_sums[0] + block.half_sums[1]);
  }
}

/// @shape   in (columns); out: columns / 256 x activation_super_block, `step` blocks apart
inline void quantize_super(const float* in, std::size_t columns, void* out, std::size_t step) {
  using super = activation_super_block;
  auto* to = static_cast<super*>(out);
  for (std::size_t b = 0; b < columns / super::columns; ++b, in += super::columns, to += step) {
    const float largest = peak_of(in, super::columns);
    if (!is_finite(largest)) {
      *to = super::not_finite();
      continue;
    }
    lane_sums along, squares;
    to->half_sums = {};
    for (std::size_t g = 0; g < 8; ++g) {
      const float peak = peak_of(in + g * 32, 32);
      std::int32_t exponent = super::largest;
      while (largest >= super::least && exponent > 0 && std::ldexp(peak, super::largest - exponent + 1) <= largest) --exponent;
      const float inverse = largest < super::least ? 0 : std::ldexp(127 / largest, super::largest - exponent);
      const float power = std::ldexp(1.0f, exponent);
      lane_sums of_part_along, of_part_squares;
      for (std::size_t i = g * 32; i < g * 32 + 32; ++i) {
        const float x = in[i] * inverse;
        const float code = limited(std::nearbyint(x), 127);
        to->code[i] = static_cast<std::int8_t>(code);
        to->half_sums[i / 16] = static_cast<std::int16_t>(to->half_sums[i / 16] + to->code[i]);
        of_part_along.add_product(i, x, code);
        of_part_squares.add_product(i, code, code);
      }
      for (std::size_t i = 0; i < 16; ++i) {
        along.add_product(i, of_part_along[i], power * power);
        squares.add_product(i, of_part_squares[i], power * power);
      }
      to->exponent[g] = exponent * super::one;
      const float sum = std::ldexp(float(to->half_sums[2 * g] + to->half_sums[2 * g + 1]), exponent - super::sum_exponent);
      to->sums[g] = static_cast<std::int16_t>(std::nearbyint(sum));
    }
    to->scale = largest < super::least ? 0 : along.total() / squares.total() * (largest / float(127 << super::largest));
  }
}

/// n * 2^e as the kernels compute it, where exponent = e * 2^23: for n = 0 it is 2^(e - 127), which no sum notices.
inline float scaled(std::int32_t n, std::int32_t exponent) {
  return std::bit_cast<float>(std::bit_cast<std::int32_t>(float(n)) + exponent);
}

/// sum + the products of one unit for one row, in the order that all kernels share.
/// @shape   a: the blocks of one token for the columns of the unit, `step` blocks apart
template <coded_format Q>
float add_unit(float sum, const panel_unit<Q, const std::byte>& unit, std::size_t row, const activation_of<Q>* a,
               std::size_t step) {
  using scales = typename Q::scales;
  const auto product_of = [&](std::size_t k, const std::int8_t* code, std::size_t count) {
    const auto* granule = unit.codes + k / 32 * code_bytes(Q::code_bits);
    std::int32_t n = 0;
    for (std::size_t i = 0; i < count; ++i) {
      n += level_of<Q>(read_code(Q::code_bits, granule, row, k % 32 + i)) * code[i];
    }
    return n;
  };
  if constexpr (super_block_format<Q>) {
    const auto s = unit.scales[0].get(row);
    float part = 0;
    for (std::size_t k = 0; k < unit.columns; k += scales::sub_block) {
      const float n = scaled(product_of(k, a->code.data() + k, scales::sub_block), a->exponent[k / 32]);
      part = fused(n, s.of(k / scales::sub_block).scale, part);
      if constexpr (scales::has_offset && scales::sub_block == 16) {
        const std::size_t j = k / 16;
        const std::int32_t mins = s.min[j] * a->half_sums[j] + s.min[j ^ 1] * a->half_sums[j ^ 1];
        if (j % 2 == 1) part = fused(scaled(mins, a->exponent[k / 32]), -float(s.dmin), part);
      }
    }
    if constexpr (scales::has_offset && scales::sub_block == 32) {
      std::int32_t mins = 0;
      for (std::size_t j = 0; j < 8; ++j) mins += s.min[j] * a->sums[j];
      part = fused(float(mins), -(float(s.dmin) * float(1 << activation_super_block::sum_exponent)), part);
    }
    sum = fused(part, a->scale, sum);
  } else {
    constexpr std::size_t columns = std::min<std::size_t>(scales::sub_block, 32);
    for (std::size_t k = 0; k < unit.columns; k += columns) {
      const activation_block& block = a[k / 32 * step];
      const affine s = unit.scales[k / scales::columns].get(row).of(k % scales::columns / scales::sub_block);
      sum = fused(float(product_of(k, block.code.data() + k % 32, columns)) * block.scale, s.scale, sum);
      if constexpr (scales::has_offset) sum = fused(block.sum, s.offset, sum);
    }
  }
  return sum;
}

/// Columns of a part of a float product, and columns whose sums then join the row's.
inline constexpr std::size_t float_part = 16, float_columns = unit_columns<f32>;

/// sum + the products of up to float_columns columns: in parts, for a sum of sums of sums loses less to rounding than one
/// chain. weight(k) and x[k] are those of column k.
template <class Weight>
float add_float_columns(float sum, std::size_t columns, const Weight& weight, const float* x) {
  float of_columns = 0;
  for (std::size_t first = 0; first < columns; first += float_part) {
    float part = 0;
    for (std::size_t k = first; k < std::min(columns, first + float_part); ++k) part = fused(x[k], weight(k), part);
    of_columns += part;
  }
  return sum + of_columns;
}

/// @shape   see matmul_args, which Args are, or widened_args; Q: as units are read, a float format or codes
template <class Q, class Args>
void multiply(const Args& m) {
  for (std::size_t g = m.first; g < m.last; ++g) {
    unit_source<Q> units;
    units.open(m, g);
    const std::size_t first_row = g * panel_rows, rows = std::min(panel_rows, m.rows - first_row);
    for (std::size_t token = 0; token < m.tokens; ++token) {
      float sums[panel_rows] = {};
      for (std::size_t first = 0; first < m.columns; first += unit_columns<Q>) {
        const std::size_t columns = std::min(unit_columns<Q>, m.columns - first);
        const std::byte* unit = units.at(first, columns);
        for (std::size_t row = 0; row < rows; ++row) {
          float& sum = sums[row];
          if constexpr (coded_format<Q>) {
            constexpr std::size_t in_block = activation_of<Q>::columns;
            const auto [start, step] = place_of(token, m.tokens, m.columns / in_block);
            const auto* a = static_cast<const activation_of<Q>*>(m.input) + start;
            sum = add_unit<Q>(sum, {unit, columns}, row, a + first / in_block * step, step);
          } else {
            const auto* w = reinterpret_cast<const typename Q::block*>(unit);
            const auto* x = static_cast<const float*>(m.input) + token * m.input_stride + first;
            sum = add_float_columns(
                sum, columns, [&](std::size_t k) { return float(w[k * panel_rows + row]); }, x);
          }
        }
      }
      float* out = m.output + token * m.output_stride + first_row;
      for (std::size_t row = 0; row < rows; ++row) {
        sums[row] = fused(sums[row], m.scale, -0.0f);  // a product that no flags can fuse with the sum below
        if (m.how == epilogue::gate) sums[row] = gated(out[row], sums[row], m.gate);
        out[row] = m.how == epilogue::add ? out[row] + sums[row] : sums[row];
      }
    }
  }
}

/// @shape   see matmul_args
template <multiplied_format Q>
void matmul(const matmul_args& m) {
  if constexpr (widened_format<Q>) {
    multiply<wide_of<Q>>(widened_args{m, &widen_unit<Q>});
  } else {
    multiply<Q>(m);
  }
}

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
