/// TQ1_0: 1.69 bits a weight, 256 ternary digits and one scale.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/encode.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// value = d * (digit - 1), digit = 0, 1 or 2. A byte holds up to five digits: the largest part of 256 that they are of 3^5.
struct tq1_0 {
  static constexpr std::string_view name = "TQ1_0";
  static constexpr tensor_type type = tensor_type::tq1_0;
  static constexpr std::size_t block_size = 256;
  static constexpr float largest_value = largest_half;
  static constexpr int largest_level = 1;

  struct block {
    std::array<std::uint8_t, 48> five;  ///< byte i < 32: columns i + 32 k; byte 32 + i: columns 160 + i + 16 k, for k < 5
    std::array<std::uint8_t, 4> four;   ///< byte i: columns 240 + i + 4 k, for k < 4
    half d;
  };

  static void widen(const block& stored, std::span<widened_block, 8> out) noexcept {
    // of bytes of a word at once, in lanes of twice their width; digit k of all is `step` columns from digit k - 1
    const auto spread = [&]<class Word>(Word bytes, std::size_t digits, std::size_t column, std::size_t step) {
      constexpr Word lanes = std::numeric_limits<Word>::max() / 257;  // 0x00FF00FF...
      Word even = bytes & lanes, odd = bytes >> 8 & lanes;
      for (std::size_t k = 0; k < digits; ++k, column += step) {
        even *= 3, odd *= 3;
        const Word digit = (even >> 8 & lanes) | (odd & ~lanes);
        detail::store_bytes<Word>(digit + detail::every_byte<Word>(widened_small::zero_point - 1),
                                  out[column / 32].code.data() + column % 32);
        even &= lanes, odd &= lanes;
      }
    };
    for (std::size_t i = 0; i < 32; i += 8) spread(detail::load_bytes<std::uint64_t>(stored.five.data() + i), 5, i, 32);
    for (std::size_t i = 0; i < 16; i += 8)
      spread(detail::load_bytes<std::uint64_t>(stored.five.data() + 32 + i), 5, 160 + i, 16);
    spread(detail::load_bytes<std::uint32_t>(stored.four.data()), 4, 240, 4);
    for (auto& w : out) w.scale.fill(float(stored.d));
  }

  static void decode(const block& stored, std::span<float, 256> out) noexcept { detail::decode_widened<tq1_0>(stored, out); }
  static void encode(std::span<const float, 256> values, const encode_hint& hint, block& out) noexcept {
    std::array<std::uint8_t, 256> digit;
    out = {};
    out.d = detail::encode_ternary(values, hint, digit);
    const auto join = [&](std::uint8_t* bytes, std::size_t run, std::size_t digits, std::size_t column) {
      for (std::size_t i = 0; i < run; ++i) {
        unsigned number = 0;  // of five digits, the first counting most
        for (std::size_t k = 0; k < 5; ++k) number = number * 3 + (k < digits ? digit[column + i + run * k] : 0u);
        bytes[i] = std::uint8_t((number * 256 + 242) / 243);
      }
    };
    join(out.five.data(), 32, 5, 0);
    join(out.five.data() + 32, 16, 5, 160);
    join(out.four.data(), 4, 4, 240);
  }
};

static_assert(sizeof(tq1_0::block) == 54);

}  // namespace NIBBLE_ABI
}  // namespace nibble
