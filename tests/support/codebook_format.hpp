/// Formats that are not registered, for tests: what a program brings along itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/quant/iq4_nl.hpp"
#include "nibble/quant/widened.hpp"

namespace nibble_test {

/// IQ4_NL under a name and a number of its own.
struct codebook_sample : nibble::iq4_nl {
  static constexpr std::string_view name = "codebook sample";
  static constexpr auto type = static_cast<nibble::tensor_type>(1020);
};
static_assert(nibble::integer_format<codebook_sample>);

/// The same with levels that need five bits only, some of them twice.
struct small_codebook_sample : codebook_sample {
  static constexpr int zero_point = 12;
  static constexpr std::array<std::int8_t, 16> codebook{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
};
static_assert(nibble::value_bits<codebook_sample> == 8 && nibble::value_bits<small_codebook_sample> == 5);

/// Bytes that are widened as they are, so that a weight can have every level there is.
struct widened_sample {
  static constexpr std::string_view name = "widened sample";
  static constexpr auto type = static_cast<nibble::tensor_type>(1021);
  static constexpr std::size_t block_size = 32;
  static constexpr float largest_value = 64;
  static constexpr int largest_level = 63;
  struct block {
    std::array<std::uint8_t, 32> code;
  };
  static void widen(const block& stored, std::span<nibble::widened_block, 1> out) noexcept {
    out[0] = {stored.code, {1.0f, 0.5f}};
  }
  static void decode(const block& stored, std::span<float, 32> out) noexcept {
    nibble::detail::decode_widened<widened_sample>(stored, out);
  }
  static void encode(std::span<const float, 32> values, const nibble::encode_hint&, block& out) noexcept {
    for (std::size_t i = 0; i < 32; ++i) out.code[i] = static_cast<std::uint8_t>(64 + int(values[i] * 100));
  }
};
/// The same with levels that need five bits.
struct small_widened_sample : widened_sample {
  static constexpr int largest_level = 15;
  static void decode(const block& stored, std::span<float, 32> out) noexcept {
    nibble::detail::decode_widened<small_widened_sample>(stored, out);
  }
  static void encode(std::span<const float, 32> values, const nibble::encode_hint&, block& out) noexcept {
    for (std::size_t i = 0; i < 32; ++i) out.code[i] = static_cast<std::uint8_t>(16 + int(values[i] * 20));
  }
};
static_assert(nibble::widened_format<widened_sample> && nibble::widened_format<small_widened_sample>);

}  // namespace nibble_test
