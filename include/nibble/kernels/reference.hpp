/// The meaning of every kernel, in plain C++: the oracle of the SIMD versions, and the table of CPUs without SIMD.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "nibble/kernels/kv_tile.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace reference {

inline void quantize(const float* in, std::size_t columns, void* out, std::size_t step) {
  auto* blocks = static_cast<activation_block*>(out);
  for (std::size_t b = 0; b < columns / 32; ++b, in += 32) {
    float peak = 0, inverse = 0, least = 0;
    for (std::size_t i = 0; i < 32; ++i) peak = std::max(peak, std::fabs(in[i]));
    for (std::size_t n = 0; n < activation_peaks.size() && peak > 0; ++n) {
      float squares = 0;
      for (std::size_t i = 0; i < 32; ++i) {
        const float e = in[i] - std::nearbyint(in[i] * (activation_peaks[n] / peak)) * (peak / activation_peaks[n]);
        squares += e * e;
      }
      if (n == 0 || squares < least) least = squares, inverse = activation_peaks[n] / peak;
    }
    activation_block& block = blocks[b * step];
    float along = 0, squares = 0;
    block.half_sums = {};
    for (std::size_t i = 0; i < 32; ++i) {
      // in this order of min and max a NaN becomes 127; its conversion would be undefined
      const float code = std::max(-127.0f, std::min(127.0f, std::nearbyint(in[i] * inverse)));
      block.code[i] = static_cast<std::int8_t>(code);
      block.half_sums[i / 16] += block.code[i];
      along += in[i] * float(block.code[i]);
      squares += float(block.code[i]) * float(block.code[i]);
    }
    block.scale = inverse > 0 ? along / squares : 0;
    block.sum = block.scale * float(block.half_sums[0] + block.half_sums[1]);
  }
}

inline void quantize_super(const float* in, std::size_t columns, void* out, std::size_t step) {
  using super = activation_super_block;
  auto* to = static_cast<super*>(out);
  for (std::size_t b = 0; b < columns / super::columns; ++b, in += super::columns, to += step) {
    const auto peak_of = [](const float* x, std::size_t n) {
      float peak = 0;
      for (std::size_t i = 0; i < n; ++i) peak = std::max(peak, std::fabs(x[i]));
      return peak;
    };
    const float largest = peak_of(in, super::columns);
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
        const float code = std::max(-127.0f, std::min(127.0f, std::nearbyint(x)));  // see quantize()
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

/// What one unit adds to the sum of one row: in the order that all kernels share.
template <integer_format Q>
float add_unit(float sum, const panel_unit<Q, const std::byte>& unit, std::size_t row, const activation_of<Q>* a,
               std::size_t step) {
  using scales = typename Q::scales;
  const auto product_of = [&](std::size_t k, const std::int8_t* code) {  // of a sub-block
    const auto* granule = unit.codes + k / 32 * code_bytes(Q::code_bits);
    std::int32_t n = 0;
    for (std::size_t i = 0; i < scales::sub_block; ++i) {
      n += (int(read_code(Q::code_bits, granule, row, k % 32 + i)) - Q::zero_point) * code[i];
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

inline float silu(float x) { return x / (1 + std::exp(-x)); }
inline float gelu_tanh(float x) {
  constexpr float root_2_over_pi = 0.797884560802865f;
  return 0.5f * x * (1 + std::tanh(root_2_over_pi * (x + 0.044715f * x * x * x)));
}

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
        if (m.how == epilogue::gate) sums[row] *= m.gate == glu::silu ? silu(out[row]) : gelu_tanh(out[row]);
        out[row] = m.how == epilogue::add ? out[row] + sums[row] : sums[row];
      }
    }
  }
}

inline void rms_norm(const float* in, const float* gain, float eps, std::size_t n, float* out) {
  float squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += in[i] * in[i];
  const float factor = 1 / std::sqrt(squares / float(n) + eps);
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i] * factor * gain[i];
}

inline void add(float* x, const float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] += y[i];
}
inline void scale(float* x, float factor, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
}
inline void softcap(float* x, float cap, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = cap * std::tanh(x[i] / cap);
}
inline void rope(float* head, const float* cosines, const float* sines, std::size_t pairs, rope_pairs order) {
  for (std::size_t i = 0; i < pairs; ++i) {
    float& a = head[order == rope_pairs::halves ? i : 2 * i];
    float& b = head[order == rope_pairs::halves ? i + pairs : 2 * i + 1];
    const float x = a, y = b;
    a = x * cosines[i] - y * sines[i];
    b = x * sines[i] + y * cosines[i];
  }
}

/// Attention of each query by the textbook: all scores, softmax, weighted sum.
template <kv_format Format>
void attention(const attention_args& a) {
  for (std::size_t q = 0; q < a.tokens * a.heads; ++q) {
    const std::size_t token = q / a.heads, head = q % a.heads;
    const std::size_t first = a.mask.first(a.position + token), end = a.mask.end(a.position + token, a.positions);
    const float* query = a.query + token * a.query_stride + head * a.head_dim;
    float* out = a.output + token * a.output_stride + head * a.value_dim;
    const auto page = [&](std::size_t p) { return a.pages + a.page_of[p / page_positions] * a.page_bytes; };
    activation_block codes[max_head_dim / 32];
    if constexpr (std::is_same_v<Format, q8_0>) {
      float padded[max_head_dim] = {};
      std::copy_n(query, a.head_dim, padded);
      quantize(padded, kv_columns(a.head_dim), codes, 1);
    }
    const auto score = [&](std::size_t p) {
      const std::byte* keys = page(p);
      const std::size_t slot = p % page_positions, columns = kv_columns(a.head_dim);
      float s = 0;
      if constexpr (std::is_same_v<Format, q8_0>) {
        const std::byte* group = keys + slot / panel_rows * group_bytes<q8_0>(columns);
        for (std::size_t k = 0; k < columns; k += unit_columns<q8_0>) {
          s = add_unit<q8_0>(s, {group, columns, k}, slot % panel_rows, codes + k / 32, 1);
        }
      } else {
        for (std::size_t i = 0; i < a.head_dim; ++i) s += query[i] * read_kv<Format, kv_role::key>(keys, a.head_dim, slot, i);
      }
      s *= a.scale;
      return a.softcap > 0 ? a.softcap * std::tanh(s / a.softcap) : s;
    };
    float largest = a.sinks ? a.sinks[head] : score(first), total = a.sinks ? 1.0f : 0.0f;
    std::fill_n(out, a.value_dim, 0.0f);
    for (std::size_t p = first; p < end; ++p) {
      const float s = score(p), before = largest;
      largest = std::max(largest, s);
      const float keep = std::exp(before - largest), weight = std::exp(s - largest);
      total = total * keep + weight;
      for (std::size_t i = 0; i < a.value_dim; ++i) {
        out[i] = out[i] * keep +
                 weight * read_kv<Format, kv_role::value>(page(p) + a.value_offset, a.value_dim, p % page_positions, i);
      }
    }
    for (std::size_t i = 0; i < a.value_dim; ++i) out[i] /= total;
  }
}

/// All of the above as a table.
inline constexpr kernel_table table = [] {
  kernel_table t{};
  t.target = "reference";
  t.quantize = &quantize;
  t.quantize_super = &quantize_super;
  [&]<class... Qs>(type_list<Qs...>) {
    std::size_t i = 0;
    ((t.pack[i] = &pack_group<Qs>, t.unpack_row[i] = &unpack_row<Qs>, t.decode_row[i] = &decode_row<Qs>,
      t.matmul[i++] = &matmul<Qs>),
     ...);
  }(quant_formats{});
  t.rms_norm = &rms_norm;
  t.add = &add;
  t.scale = &scale;
  t.softcap = &softcap;
  t.rope = &rope;
  [&]<class... Fs>(type_list<Fs...>) {
    std::size_t i = 0;
    ((t.store_key[i] = &store_kv<Fs, kv_role::key>, t.store_value[i] = &store_kv<Fs, kv_role::value>,
      t.attention[i++] = &attention<Fs>),
     ...);
  }(kv_formats{});
  return t;
}();

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
