/// F16: half precision.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A weight is the nearest IEEE 754 binary16 number. From 65520 on that is infinity; NaN stays NaN.
struct f16 {
  static constexpr std::string_view name = "F16";
  static constexpr tensor_type type = tensor_type::f16;
  static constexpr std::size_t block_size = 1;
  using block = half;

  static void decode(const block& stored, std::span<float, 1> out) noexcept { out[0] = stored; }
  static void encode(std::span<const float, 1> values, const encode_hint&, block& out) noexcept { out = to_half(values[0]); }
};

static_assert(sizeof(f16::block) == 2);

}  // namespace NIBBLE_ABI
}  // namespace nibble
