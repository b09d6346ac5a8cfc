/// The meaning of attention in plain C++, to the bit: tile by tile of 64 positions, with an online softmax. The kernels' own
/// words for it are in attention-inl.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "nibble/core/fused.hpp"
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
    if constexpr (coded_kv_format<Format>) {
      float padded[max_head_dim] = {};
      std::copy_n(query, head_dim, padded);
      quantize(padded, kv_columns(head_dim), codes_, 1);
    }
  }
  /// With the key of one slot of a tile.
  float with(const std::byte* tile, std::size_t slot) const {
    float sum = 0;
    if constexpr (coded_kv_format<Format>) {
      key_unit_buffer completed;
      const std::size_t columns = kv_columns(head_dim_);
      const std::byte* group = tile + slot / panel_rows * key_group_bytes<Format>(head_dim_);
      for (std::size_t k = 0; k < columns; k += unit_columns<Format>) {
        const std::byte* unit = group + k / unit_columns<Format> * unit_bytes<Format>(unit_columns<Format>);
        if constexpr (std::is_same_v<Format, q8_0>) unit = key_unit(group, head_dim_, k, completed);
        sum = add_unit<Format>(sum, {unit, std::min(unit_columns<Format>, columns - k)}, slot % panel_rows, codes_ + k / 32, 1);
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
  activation_block codes_[coded_kv_format<Format> ? max_head_dim / 32 : 1];
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
    if (a.sinks) largest_ = fused(a.sinks[head], math_numbers::log2_e, 0.0f), total_[0] = 1;
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
      if (has_slope_) u = fused(u, factor_, -(slope_ * std::fabs(float(distance))));
      top = std::max(top, u * factor);
    }
    const float before = largest_;
    largest_ = std::max(before, top);
    const float rescale = before == largest_ ? 1.0f : power_of_2(before - largest_);
    for (std::size_t slot = 0; slot < page_positions; ++slot) {
      float& p = scores[slot];
      p = slot >= begin && slot < end ? power_of_2(fused(p, factor, -largest_)) : 0.0f;
      total_[slot] = slot < 16 ? fused(total_[slot], rescale, p) : total_[slot] + p;
    }
    return rescale;
  }
  float total() const { return total_.total(); }
  /// From now on the query's own position is this one.
  void stand_at(std::size_t position) { position_ = position; }

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
      if constexpr (coded_kv_format<Format>) {
        const auto level = float(kv_level<Format, kv_role::value>(at));
        sum = fused(probabilities[slot] * float(*at.scale), level, sum);
      } else {
        sum = fused(probabilities[slot], float(*at.value), sum);
      }
    }
    out[i] = fused(out[i], rescale, sum);
  }
}

/// That function for a format by its index in kv_formats.
inline auto add_values_of(std::size_t format) {
  decltype(&add_values<f32>) found = nullptr;
  std::size_t i = 0;
  any_type(kv_formats{}, [&]<class F>(std::type_identity<F>) { return i++ == format && (found = &add_values<F>, true); });
  return found;
}

/// What one query adds up over positions [first, last), whose pages a table has from position `origin` on.
template <kv_format Format>
void attend_pages(const attention_args& a, const query_products<Format>& query, std::size_t first, std::size_t last,
                  const std::uint32_t* page_of, std::size_t origin, online_softmax& softmax, float* out) {
  for (std::size_t base = first / page_positions * page_positions; base < last; base += page_positions) {
    const std::byte* page = a.pages + page_of[(base - origin) / page_positions] * a.page_bytes;
    const std::size_t begin = std::max(first, base) - base, end = std::min(last - base, page_positions);
    float scores[page_positions] = {};
    for (std::size_t slot = begin; slot < end; ++slot) scores[slot] = query.with(page, slot);
    const float rescale = softmax.add_tile(base, begin, end, scores);
    add_values_of(a.value_format)(page + a.value_offset, a.value_dim, begin, end, scores, rescale, out);
  }
}

/// @shape   see attention_args
template <kv_format Format>
void attention(const attention_args& a) {
  for (std::size_t q = 0; q < a.tokens * a.heads; ++q) {
    const std::size_t token = q / a.heads, head = q % a.heads, position = a.position + token;
    const std::size_t place = token * a.query_stride + head * a.head_dim, forgotten = a.sliding.forgotten(position);
    float* out = a.output + token * a.output_stride + head * a.value_dim;
    std::fill_n(out, a.value_dim, 0.0f);
    online_softmax softmax(a, head, position - forgotten);
    if (forgotten > 0 && a.sliding.kept > 0) {
      const query_products<Format> query(a.kept_query + place, a.head_dim);
      attend_pages(a, query, 0, a.sliding.kept, a.kept_page_of, 0, softmax, out);
    }
    const query_products<Format> query(a.query + place, a.head_dim);
    const std::size_t first = std::max(a.mask.first(position), a.sliding.first(position));
    softmax.stand_at(position);
    attend_pages(a, query, first, a.mask.end(position, a.positions), a.page_of, a.origin, softmax, out);
    const float factor = 1 / softmax.total();
    for (std::size_t i = 0; i < a.value_dim; ++i) out[i] *= factor;
  }
}

}  // namespace reference
}  // namespace NIBBLE_ABI
}  // namespace nibble
