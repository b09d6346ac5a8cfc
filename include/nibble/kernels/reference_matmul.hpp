/// The meaning of the matrix products, in plain C++, and of what quantises their inputs. Templates by format: they multiply
/// with any format, a user's own as well.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "nibble/kernels/reference_activation.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/quant/activation.hpp"
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

/// @shape   in (columns); out: columns / 32 x activation_block, `step` blocks apart
inline void quantize(const float* in, std::size_t columns, void* out, std::size_t step) {
  auto* blocks = static_cast<activation_block*>(out);
  for (std::size_t b = 0; b < columns / 32; ++b, in += 32) {
    activation_block& block = blocks[b * step];
    const float peak = peak_of(in, 32);
    float inverse = 0, least = 0;
    if (!is_finite(peak)) {
      block = activation_block::not_finite();
      continue;
    }
    for (std::size_t n = 0; n < activation_peaks.size() && peak >= activation_block::least; ++n) {
      float squares = 0;
      for (std::size_t i = 0; i < 32; ++i) {
        const float e = in[i] - std::nearbyint(in[i] * (activation_peaks[n] / peak)) * (peak / activation_peaks[n]);
        squares += e * e;
      }
      if (n == 0 || squares < least) least = squares, inverse = activation_peaks[n] / peak;
    }
    float along = 0, squares = 0;
    block.half_sums = {};
    for (std::size_t i = 0; i < 32; ++i) {
      const float code = limited(std::nearbyint(in[i] * inverse), 127);
      block.code[i] = static_cast<std::int8_t>(code);
      block.half_sums[i / 16] += block.code[i];
      along += in[i] * float(block.code[i]);
      squares += float(block.code[i]) * float(block.code[i]);
    }
    block.scale = inverse > 0 ? along / squares : 0;
    if (!is_finite(along)) block = activation_block::not_finite();
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
    float along = 0, squares = 0;
    to->half_sums = {};
    for (std::size_t g = 0; g < 8; ++g) {
      const float peak = peak_of(in + g * 32, 32);
      std::int32_t exponent = super::largest;
      while (exponent > 0 && std::ldexp(peak, super::largest - exponent + 1) <= largest) --exponent;
      const float inverse = largest < super::least ? 0 : std::ldexp(127 / largest, super::largest - exponent);
      const float power = std::ldexp(1.0f, exponent);
      for (std::size_t i = g * 32; i < g * 32 + 32; ++i) {
        const float x = in[i] * inverse;
        const float code = limited(std::nearbyint(x), 127);
        to->code[i] = static_cast<std::int8_t>(code);
        to->half_sums[i / 16] = static_cast<std::int16_t>(to->half_sums[i / 16] + to->code[i]);
        along += (x * power) * (code * power);
        squares += (code * power) * (code * power);
      }
      to->exponent[g] = exponent * super::one;
      const float sum = std::ldexp(float(to->half_sums[2 * g] + to->half_sums[2 * g + 1]), exponent - super::sum_exponent);
      to->sums[g] = static_cast<std::int16_t>(std::nearbyint(sum));
    }
    to->scale = largest < super::least ? 0 : along / squares * (largest / float(127 << super::largest));
  }
}

/// sum + the products of one unit for one row, in the order that all kernels share.
/// @shape   a: the blocks of one token for the columns of the unit, `step` blocks apart
template <integer_format Q>
float add_unit(float sum, const panel_unit<Q, const std::byte>& unit, std::size_t row, const activation_of<Q>* a,
               std::size_t step) {
  using scales = typename Q::scales;
  const auto product_of = [&](std::size_t k, const std::int8_t* code) {  // of a sub-block
    const auto* granule = unit.codes + k / 32 * code_bytes(Q::code_bits);
    std::int32_t n = 0;
    for (std::size_t i = 0; i < scales::sub_block; ++i) {
      n += level_of<Q>(read_code(Q::code_bits, granule, row, k % 32 + i)) * code[i];
    }
    return n;
  };
  if constexpr (super_block_format<Q>) {
    const auto s = unit.scales[0].get(row);
    float part = 0;
    for (std::size_t k = 0; k < unit.columns; k += scales::sub_block) {
      const float n = std::ldexp(float(product_of(k, a->code.data() + k)), a->exponent[k / 32] / activation_super_block::one);
      part += n * affine_of(s, k / scales::sub_block).scale;
    }
    if constexpr (scales::has_offset) {
      std::int32_t mins = 0;
      for (std::size_t j = 0; j < 8; ++j) mins += s.min[j] * a->sums[j];
      part += float(mins) * -(float(s.dmin) * float(1 << activation_super_block::sum_exponent));
    }
    sum += part * a->scale;
  } else {
    for (std::size_t k = 0; k < unit.columns; k += 32) {
      const activation_block& block = a[k / 32 * step];
      const affine s = affine_of(unit.scales[k / 32].get(row), 0);
      sum += float(product_of(k, block.code.data())) * block.scale * s.scale;
      if constexpr (scales::has_offset) sum += block.sum * s.offset;
    }
  }
  return sum;
}

/// @shape   see matmul_args
template <quant_format Q>
void matmul(const matmul_args& m) {
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
          if constexpr (integer_format<Q>) {
            constexpr std::size_t in_block = activation_of<Q>::columns;
            const auto [start, step] = place_of(token, m.tokens, m.columns / in_block);
            const auto* a = static_cast<const activation_of<Q>*>(m.input) + start;
            sum = add_unit<Q>(sum, {unit, columns}, row, a + first / in_block * step, step);
          } else {
            const auto* w = reinterpret_cast<const typename Q::block*>(unit);
            const auto* x = static_cast<const float*>(m.input) + token * m.input_stride + first;
            for (std::size_t k = 0; k < columns; ++k) sum += x[k] * float(w[k * panel_rows + row]);
          }
        }
      }
      float* out = m.output + token * m.output_stride + first_row;
      for (std::size_t row = 0; row < rows; ++row) {
        if (m.how == epilogue::gate) sums[row] = gated(out[row], sums[row], m.gate);
        out[row] = m.how == epilogue::add ? out[row] + sums[row] : sums[row];
      }
    }
  }
}

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
