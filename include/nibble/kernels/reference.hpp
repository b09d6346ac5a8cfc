/// The meaning of every kernel in plain C++: what the SIMD versions are tested against, and the table of CPUs without SIMD. The
/// matrix products are in reference_matmul.hpp. Sums are float, in the order of the columns, positions and dimensions.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "nibble/kernels/format_info.hpp"
#include "nibble/kernels/reference_activation.hpp"
#include "nibble/kernels/reference_math.hpp"
#include "nibble/kernels/reference_matmul.hpp"
#include "nibble/kernels/reference_recurrent.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace reference {

/// The sum of squares of numbers whose squares are too large for a float.
inline double sum_of_squares(const float* in, std::size_t n) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += double(in[i]) * double(in[i]);
  return squares;
}
inline void rms_norm(const float* in, const float* gain, float eps, std::size_t n, float* out) {
  float squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += in[i] * in[i];
  float factor = 1 / std::sqrt(squares / float(n) + eps);
  if (!is_finite(squares)) factor = float(1 / std::sqrt(sum_of_squares(in, n) / double(n) + double(eps)));
  for (std::size_t i = 0; i < n; ++i) out[i] = in[i] * factor * gain[i];
}

inline void add(float* x, const float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] += y[i];
}
inline void scale(float* x, float factor, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] *= factor;
}
inline void softcap(float* x, float cap, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = cap * tanh(x[i] / cap);
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

/// Attention of each query, position by position, with an online softmax.
/// @shape   see attention_args
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
    key_unit_buffer completed;
    const auto score = [&](std::size_t p) {
      const std::byte* keys = page(p);
      const std::size_t slot = p % page_positions, columns = kv_columns(a.head_dim);
      float s = 0;
      if constexpr (std::is_same_v<Format, q8_0>) {
        const std::byte* group = keys + slot / panel_rows * key_group_bytes<q8_0>(a.head_dim);
        for (std::size_t k = 0; k < columns; k += unit_columns<q8_0>) {
          const std::byte* unit = key_unit(group, a.head_dim, k, completed);
          s = add_unit<q8_0>(s, {unit, std::min(unit_columns<q8_0>, columns - k)}, slot % panel_rows, codes + k / 32, 1);
        }
      } else {
        for (std::size_t i = 0; i < a.head_dim; ++i) s += query[i] * read_kv<Format, kv_role::key>(keys, a.head_dim, slot, i);
      }
      s *= a.scale;
      if (a.softcap > 0) s = a.softcap * tanh(s / a.softcap);
      if (a.slopes) s -= a.slopes[head] * std::fabs(float(std::int64_t(p) - std::int64_t(a.position + token)));
      return s;
    };
    float largest = a.sinks ? a.sinks[head] : std::numeric_limits<float>::lowest(), total = a.sinks ? 1.0f : 0.0f;
    std::fill_n(out, a.value_dim, 0.0f);
    for (std::size_t p = first; p < end; ++p) {
      const float s = score(p), before = largest;
      largest = std::max(largest, s);
      const float rescale = std::exp(before - largest), probability = std::exp(s - largest);
      total = total * rescale + probability;
      for (std::size_t i = 0; i < a.value_dim; ++i) {
        out[i] = out[i] * rescale +
                 probability * read_kv<Format, kv_role::value>(page(p) + a.value_offset, a.value_dim, p % page_positions, i);
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
    ((t.formats[i++] = reference_kernels<Qs>), ...);
  }(quant_formats{});
  t.rms_norm = &rms_norm;
  t.add = &add;
  t.scale = &scale;
  t.softcap = &softcap;
  t.activate = &activate;
  t.gate = &gate;
  t.xielu = &xielu;
  t.rope = &rope;
  t.multiply = &multiply;
  t.normalize = &normalize;
  t.step_decay = &step_decay;
  t.convolve = &convolve;
  t.scan = &scan;
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
