/// Bit layouts that several formats share: nibbles, fifth bits, 6-bit scales. Each way in, and back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/quant/format.hpp"

namespace nibble::inline NIBBLE_ABI {
namespace detail {

/// Codes of 2 * Run columns come from Run bytes: first their low four bits, then their high four.
template <std::size_t Run, std::size_t Bytes>
void split_nibbles(const std::array<std::uint8_t, Bytes>& bytes, std::span<std::uint8_t, 2 * Bytes> out) noexcept {
  for (std::size_t i = 0; i < Bytes; ++i) {
    const std::size_t at = i / Run * 2 * Run + i % Run;
    out[at] = bytes[i] & 15u;
    out[at + Run] = bytes[i] >> 4;
  }
}

template <std::size_t Run, std::size_t Bytes>
void join_nibbles(std::span<const std::uint8_t, 2 * Bytes> code, std::array<std::uint8_t, Bytes>& out) noexcept {
  for (std::size_t i = 0; i < Bytes; ++i) {
    const std::size_t at = i / Run * 2 * Run + i % Run;
    out[i] = std::uint8_t((code[at] & 15u) | (code[at + Run] & 15u) << 4);
  }
}

/// Bit i of the 32 in `high` is the fifth bit of code i.
inline void add_fifth_bits(const std::array<std::uint8_t, 4>& high, std::span<std::uint8_t, 32> code) noexcept {
  for (std::size_t i = 0; i < 32; ++i) code[i] = std::uint8_t(code[i] | (high[i / 8] >> (i % 8) & 1) << 4);
}

inline void take_fifth_bits(std::span<const std::uint8_t, 32> code, std::array<std::uint8_t, 4>& high) noexcept {
  high.fill(0);
  for (std::size_t i = 0; i < 32; ++i) high[i / 8] = std::uint8_t(high[i / 8] | (code[i] >> 4 & 1) << (i % 8));
}

/// Eight scales and eight minima of six bits in twelve bytes. Bytes 0-3 and 4-7 hold scales and minima 0-3 in their lower six
/// bits; bytes 8-11 hold the lower four bits of scales 4-7 (low half) and minima 4-7 (high half), whose upper two bits are the
/// upper two of bytes 0-3 and 4-7.
inline super_scale_min unpack_scales(half d, half dmin, const std::array<std::uint8_t, 12>& bytes) noexcept {
  super_scale_min s{d, dmin, {}, {}};
  for (std::size_t j = 0; j < 4; ++j) {
    s.scale[j] = bytes[j] & 63u;
    s.min[j] = bytes[j + 4] & 63u;
    s.scale[j + 4] = std::uint8_t((bytes[j + 8] & 15) | (bytes[j] >> 6) << 4);
    s.min[j + 4] = std::uint8_t((bytes[j + 8] >> 4) | (bytes[j + 4] >> 6) << 4);
  }
  return s;
}

inline void pack_scales(const super_scale_min& s, std::array<std::uint8_t, 12>& bytes) noexcept {
  for (std::size_t j = 0; j < 4; ++j) {
    bytes[j] = std::uint8_t((s.scale[j] & 63u) | (s.scale[j + 4] >> 4 & 3u) << 6);
    bytes[j + 4] = std::uint8_t((s.min[j] & 63u) | (s.min[j + 4] >> 4 & 3u) << 6);
    bytes[j + 8] = std::uint8_t((s.scale[j + 4] & 15u) | (s.min[j + 4] & 15u) << 4);
  }
}

}  // namespace detail
}  // namespace nibble::inline NIBBLE_ABI
