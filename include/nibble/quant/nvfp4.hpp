/// NVFP4: 4.5 bits a weight, 64 numbers of 4 bits as in MXFP4; each 16 have a scale of 8 bits without a sign.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/encode.hpp"
#include "nibble/quant/format.hpp"
#include "nibble/quant/mxfp4.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = scale[j] / 2 * codebook[code]: four bits of exponent and three of mantissa a scale, j = column / 16.
/// @source  NVIDIA 2025, "Introducing NVFP4"
struct nvfp4 {
  static constexpr std::string_view name = "NVFP4";
  static constexpr tensor_type type = tensor_type::nvfp4;
  static constexpr std::size_t block_size = 64;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = mxfp4::zero_point;
  static constexpr auto codebook = mxfp4::codebook;
  using scales = small_float_scales;

  struct block {
    std::array<std::uint8_t, 4> scale;
    std::array<std::uint8_t, 32> low;  ///< byte 8 j + i: columns 16 j + i (low four bits) and 16 j + 8 + i (high four)
  };

  static constexpr unsigned largest_scale = 0x7E;
  static constexpr float largest_value = 2688;

  static void codes(const block& stored, std::span<std::uint8_t, 64> out) noexcept {
    detail::split_nibbles<8>(stored.low, out);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.scale}; }
  static void pack(std::span<const std::uint8_t, 64> code, const scales& s, block& out) noexcept {
    out.scale = s.e;
    detail::join_nibbles<8>(code, out.low);
  }

  static void decode(const block& stored, std::span<float, 64> out) noexcept { detail::decode_codes<nvfp4>(stored, out); }
  static void encode(std::span<const float, 64> values, const encode_hint& hint, block& out) noexcept {
    std::array<float, 64> x;
    std::transform(values.begin(), values.end(), x.begin(), detail::encodable);
    const auto weights = detail::error_weights(x, hint);
    for (std::size_t j = 0; j < 4; ++j) {
      float largest = 0, least = -1;
      for (std::size_t i = 16 * j; i < 16 * j + 16; ++i) largest = std::max(largest, std::abs(x[i]));
      for (unsigned byte = 0; byte <= largest_scale; ++byte) {
        const float d = scales::of_byte(std::uint8_t(byte)), reach = d * 12;
        if (reach < largest * 0.55f && byte > 0 && byte < largest_scale) continue;
        if (reach > largest * 2.2f && byte > 1) break;
        std::array<std::uint8_t, 16> code;
        float error = 0;
        for (std::size_t i = 0; i < 16; ++i) {
          code[i] = mxfp4::nearest(x[16 * j + i], d);
          const float off = x[16 * j + i] - d * float(mxfp4::codebook[code[i]]);
          error += weights[16 * j + i] * off * off;
        }
        if (least >= 0 && !(error < least)) continue;
        least = error, out.scale[j] = std::uint8_t(byte);
        for (std::size_t i = 0; i < 8; ++i) out.low[8 * j + i] = std::uint8_t(code[i] | code[i + 8] << 4);
      }
    }
  }
};

static_assert(sizeof(nvfp4::block) == 36);

}  // namespace NIBBLE_ABI
}  // namespace nibble
