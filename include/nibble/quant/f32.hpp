/// F32: plain single precision.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A weight is an IEEE 754 binary32 number, kept as it is.
struct f32 {
  static constexpr std::string_view name = "F32";
  static constexpr tensor_type type = tensor_type::f32;
  static constexpr std::size_t block_size = 1;
  using block = float;

  static void decode(const block& stored, std::span<float, 1> out) noexcept { out[0] = stored; }
  static void encode(std::span<const float, 1> values, const encode_hint&, block& out) noexcept { out = values[0]; }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
