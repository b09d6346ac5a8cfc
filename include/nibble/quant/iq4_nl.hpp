/// IQ4_NL: 4.5 bits a weight, 32 codes of 4 bits and one scale; levels that stand closer together near zero.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/q4_0.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d * codebook[code]; its blocks are laid out as those of Q4_0.
struct iq4_nl : q4_0 {
  static constexpr std::string_view name = "IQ4_NL";
  static constexpr tensor_type type = tensor_type::iq4_nl;
  static constexpr int zero_point = 127;
  static constexpr std::array<std::int8_t, 16> codebook{-127, -104, -83, -65, -49, -35, -22, -10,
                                                        1,    13,   25,  38,  53,  69,  89,  113};

  static void decode(const block& stored, std::span<float, 32> out) noexcept { detail::decode_codes<iq4_nl>(stored, out); }
  static void encode(std::span<const float, 32> values, const encode_hint& hint, block& out) noexcept {
    detail::encode_codes<iq4_nl>(values, hint, out);
  }
};

static_assert(sizeof(iq4_nl::block) == 18);

}  // namespace NIBBLE_ABI
}  // namespace nibble
