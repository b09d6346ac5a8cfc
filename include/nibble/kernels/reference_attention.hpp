/// The meaning of attention in plain C++, to the bit: tile by tile of 64 positions, with an online softmax. The kernels' own
/// words for it are in attention-inl.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "nibble/kernels/reference_math.hpp"
#include "nibble/kernels/reference_matmul.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace reference {

/// One query and its products with keys: in float, or in 8 bits where keys are.
template <kv_format Format>
class query_products {
 public:
  query_products(const float* query, std::size_t head_dim) : query_(query), head_dim_(head_dim) {
    if constexpr (std::is_same_v<Format, q8_0>) {
      float padded[max_head_dim] = {};
      std::copy_n(query, head_dim, padded);
      quantize(padded, kv_columns(head_dim), codes_, 1);
    }
  }
  /// With the key of one slot of a tile.
  float with(const std::byte* tile, std::size_t slot) const {
    float sum = 0;
    if constexpr (std::is_same_v<Format, q8_0>) {
      key_unit_buffer completed;
      const std::size_t columns = kv_columns(head_dim_);
      const std::byte* group = tile + slot / panel_rows * key_group_bytes<q8_0>(head_dim_);
      for (std::size_t k = 0; k < columns; k += unit_columns<q8_0>) {
        const std::byte* unit = key_unit(group, head_dim_, k, completed);
        sum = add_unit<q8_0>(sum, {unit, std::min(unit_columns<q8_0>, columns - k)}, slot % panel_rows, codes_ + k / 32, 1);
      }
    } else {
      for (std::size_t first = 0; first < head_dim_; first += float_columns) {
        const auto key = [&](std::size_t k) { return read_kv<Format, kv_role::key>(tile, head_dim_, slot, first + k); };
        sum = add_float_columns(sum, std::min(float_columns, head_dim_ - first), key, query_ + first);
      }
    }
    return sum;
  }

 private:
  const float* query_;
  std::size_t head_dim_;
  activation_block codes_[std::is_same_v<Format, q8_0> ? max_head_dim / 32 : 1];
};

/// The softmax of one query, up to the tiles seen so far. Scores are in units of ln 2, and u * factor each: the product is not
/// stored but fused with what is subtracted from it.
class online_softmax {
 public:
  online_softmax(const attention_args& a, std::size_t head, std::size_t position)
      : scale_(a.scale),
        cap_(a.softcap),
        factor_((a.softcap > 0 ? a.softcap : a.scale) * math_numbers::log2_e),
        has_slope_(a.slopes != nullptr),
        slope_(a.slopes ? a.slopes[head] * math_numbers::log2_e : 0),
        position_(position) {
    if (a.sinks) largest_ = std::fma(a.sinks[head], math_numbers::log2_e, 0.0f), total_[0] = 1;
  }
  /// Turns products of slots [begin, end) of the tile at position `base` into unnormalized probabilities, in place. Returns the
  /// factor by which the output so far is to be rescaled.
  float add_tile(std::size_t base, std::size_t begin, std::size_t end, float* scores) {
    float top = std::numeric_limits<float>::lowest();
    const float factor = has_slope_ ? 1.0f : factor_;
    for (std::size_t slot = begin; slot < end; ++slot) {
      float& u = scores[slot];
      if (cap_ > 0) u = tanh(u * scale_ / cap_);
      const auto distance = std::int64_t(base + slot) - std::int64_t(position_);
      if (has_slope_) u = std::fma(u, factor_, -(slope_ * std::fabs(float(distance))));
      top = std::max(top, u * factor);
    }
    const float before = largest_;
    largest_ = std::max(before, top);
    const float rescale = before == largest_ ? 1.0f : power_of_2(before - largest_);
    for (std::size_t slot = 0; slot < page_positions; ++slot) {
      float& p = scores[slot];
      p = slot >= begin && slot < end ? power_of_2(std::fma(p, factor, -largest_)) : 0.0f;
      total_[slot] = slot < 16 ? std::fma(total_[slot], rescale, p) : total_[slot] + p;
    }
    return rescale;
  }
  float total() const { return total_.total(); }

 private:
  float scale_, cap_, factor_;
  bool has_slope_;
  float slope_;
  std::size_t position_;
  float largest_ = std::numeric_limits<float>::lowest();
  lane_sums total_;
};

/// out = out * rescale + the values of slots [begin, end) of a tile, times their probabilities.
template <kv_format Format>
void add_values(const std::byte* tile, std::size_t dim, std::size_t begin, std::size_t end, const float* probabilities,
                float rescale, float* out) {
  for (std::size_t i = 0; i < dim; ++i) {
    float sum = 0;
    for (std::size_t slot = begin; slot < end; ++slot) {
      const auto at = kv_at<Format, kv_role::value>(tile, dim, slot, i);
      if constexpr (std::is_same_v<Format, q8_0>) {
        sum = std::fma(probabilities[slot] * float(*at.scale), float(static_cast<std::int8_t>(*at.value)), sum);
      } else {
        sum = std::fma(probabilities[slot], float(*at.value), sum);
      }
    }
    out[i] = std::fma(out[i], rescale, sum);
  }
}

/// @shape   see attention_args
template <kv_format Format>
void attention(const attention_args& a) {
  for (std::size_t q = 0; q < a.tokens * a.heads; ++q) {
    const std::size_t token = q / a.heads, head = q % a.heads, position = a.position + token;
    const std::size_t first = a.mask.first(position), last = a.mask.end(position, a.positions);
    const query_products<Format> query(a.query + token * a.query_stride + head * a.head_dim, a.head_dim);
    float* out = a.output + token * a.output_stride + head * a.value_dim;
    std::fill_n(out, a.value_dim, 0.0f);
    online_softmax softmax(a, head, position);
    for (std::size_t base = first / page_positions * page_positions; base < last; base += page_positions) {
      const std::byte* page = a.pages + a.page_of[base / page_positions] * a.page_bytes;
      const std::size_t begin = std::max(first, base) - base, end = std::min(last - base, page_positions);
      float scores[page_positions] = {};
      for (std::size_t slot = begin; slot < end; ++slot) scores[slot] = query.with(page, slot);
      const float rescale = softmax.add_tile(base, begin, end, scores);
      add_values<Format>(page + a.value_offset, a.value_dim, begin, end, scores, rescale, out);
    }
    const float factor = 1 / softmax.total();
    for (std::size_t i = 0; i < a.value_dim; ++i) out[i] *= factor;
  }
}

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
