/// A format with a codebook, for tests: what none of the registered formats has must work for the next one that does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/bits.hpp"
#include "nibble/quant/encode.hpp"
#include "nibble/quant/format.hpp"

namespace nibble_test {

/// value = d * codebook[code], in the published blocks of IQ4_NL.
struct codebook_sample {
  static constexpr std::string_view name = "IQ4_NL";
  static constexpr auto type = static_cast<nibble::tensor_type>(20);
  static constexpr std::size_t block_size = 32;
  static constexpr unsigned code_bits = 4;
  static constexpr int zero_point = 127;
  static constexpr std::array<std::int8_t, 16> codebook{-127, -104, -83, -65, -49, -35, -22, -10,
                                                        1,    13,   25,  38,  53,  69,  89,  113};
  using scales = nibble::block_scale;

  struct block {
    nibble::half d;
    std::array<std::uint8_t, 16> low;  // codes of columns i (low four bits) and i + 16 (high four)
  };

  static void codes(const block& stored, std::span<std::uint8_t, 32> out) noexcept {
    nibble::detail::split_nibbles<16>(stored.low, out);
  }
  static scales read_scales(const block& stored) noexcept { return {stored.d}; }
  static void pack(std::span<const std::uint8_t, 32> code, const scales& s, block& out) noexcept {
    out.d = s.d;
    nibble::detail::join_nibbles<16>(code, out.low);
  }
  static void decode(const block& stored, std::span<float, 32> out) noexcept {
    nibble::detail::decode_codes<codebook_sample>(stored, out);
  }
  static void encode(std::span<const float, 32> values, const nibble::encode_hint& hint, block& out) noexcept {
    nibble::detail::encode_codes<codebook_sample>(values, hint, out);
  }
};
static_assert(sizeof(codebook_sample::block) == 18 && nibble::integer_format<codebook_sample>);

/// The same with levels that need five bits only, some of them twice.
struct small_codebook_sample : codebook_sample {
  static constexpr int zero_point = 12;
  static constexpr std::array<std::int8_t, 16> codebook{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
};
static_assert(nibble::value_bits<codebook_sample> == 8 && nibble::value_bits<small_codebook_sample> == 5);

}  // namespace nibble_test
