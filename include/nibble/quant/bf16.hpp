/// BF16: single precision cut to its upper 16 bits.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A weight is the nearest number of 8 significant bits and the range of a float; NaN stays NaN.
struct bf16 {
  static constexpr std::string_view name = "BF16";
  static constexpr tensor_type type = tensor_type::bf16;
  static constexpr std::size_t block_size = 1;
  using block = bhalf;

  static void decode(const block& stored, std::span<float, 1> out) noexcept { out[0] = stored; }
  static void encode(std::span<const float, 1> values, const encode_hint&, block& out) noexcept { out = to_bhalf(values[0]); }
};

static_assert(sizeof(bf16::block) == 2);

}  // namespace NIBBLE_ABI
}  // namespace nibble
