/// How encoders choose scales and codes: one search for each kind of scale.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/format.hpp"

namespace nibble::inline NIBBLE_ABI {
namespace detail {

/// Value as encoders see it: NaN counts as 0, and magnitudes above 65504 (the largest half), infinities included, as 65504.
inline float encodable(float value) noexcept { return value == value ? std::clamp(value, -65504.0f, 65504.0f) : 0.0f; }

/// The code nearest to `value` in [0, top]; value must be finite.
inline std::uint8_t nearest_code(float value, int top) noexcept {
  return std::uint8_t(std::clamp(value + 0.5f, 0.0f, float(top)));
}

/// Codes and scales of one block of an integer format, from its extremes.
template <class Q>
void encode_codes(std::span<const float, Q::block_size> values, const encode_hint&, typename Q::block& out) noexcept {
  using scales = typename Q::scales;
  constexpr std::size_t sub_block = scales::sub_block, subs = Q::block_size / sub_block;
  constexpr int top = (1 << Q::code_bits) - 1;
  std::array<float, Q::block_size> x;
  std::transform(values.begin(), values.end(), x.begin(), encodable);
  std::array<float, subs> step{}, least{};
  for (std::size_t j = 0; j < subs; ++j) {
    const auto [low, high] = std::minmax_element(x.begin() + j * sub_block, x.begin() + (j + 1) * sub_block);
    least[j] = scales::has_offset ? std::min(*low, 0.0f) : 0.0f;
    step[j] = scales::has_offset ? (std::max(*high, least[j]) - least[j]) / float(top)
                                 : std::max(-*low, *high) / float(Q::center - 1);
  }
  const float most_step = *std::max_element(step.begin(), step.end());
  const float most_least = -*std::min_element(least.begin(), least.end());
  scales s;
  std::array<float, subs> scale, offset{};
  if constexpr (std::is_same_v<scales, block_scale>) {
    s = {to_half(step[0])};
    scale[0] = s.d;
  } else if constexpr (std::is_same_v<scales, block_scale_min>) {
    s = {to_half(step[0]), to_half(least[0])};
    scale[0] = s.d, offset[0] = s.m;
  } else if constexpr (std::is_same_v<scales, super_scale_min>) {
    s.d = to_half(most_step / 63), s.dmin = to_half(most_least / 63);
    for (std::size_t j = 0; j < subs; ++j) {
      s.scale[j] = float(s.d) > 0 ? nearest_code(step[j] / float(s.d), 63) : std::uint8_t(0);
      s.min[j] = float(s.dmin) > 0 ? nearest_code(-least[j] / float(s.dmin), 63) : std::uint8_t(0);
      scale[j] = float(s.d) * float(s.scale[j]), offset[j] = -float(s.dmin) * float(s.min[j]);
    }
  } else {
    s.d = to_half(most_step / 127);
    for (std::size_t j = 0; j < subs; ++j) {
      s.scale[j] = float(s.d) > 0 ? std::int8_t(nearest_code(step[j] / float(s.d), 127)) : std::int8_t(0);
      scale[j] = float(s.d) * float(s.scale[j]);
    }
  }
  std::array<std::uint8_t, Q::block_size> code;
  for (std::size_t i = 0; i < Q::block_size; ++i) {
    const std::size_t j = i / sub_block;
    const float steps = scale[j] > 0 ? std::clamp((x[i] - offset[j]) / scale[j], -512.0f, 512.0f) : 0.0f;
    code[i] = nearest_code(steps + float(Q::center), top);
  }
  Q::pack(code, s, out);
}

}  // namespace detail
}  // namespace nibble::inline NIBBLE_ABI
