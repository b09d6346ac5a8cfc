/// Bit layouts that several formats share: nibbles, fifth bits, 6-bit scales. Each way in, and back.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "nibble/quant/format.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Some bytes as one number, for steps that no byte carries over to the next.
template <std::unsigned_integral Word>
Word load_bytes(const std::uint8_t* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}
template <std::unsigned_integral Word>
void store_bytes(Word word, std::uint8_t* to) noexcept {
  std::memcpy(to, &word, sizeof word);
}
/// A word of these bytes.
template <std::unsigned_integral Word>
constexpr Word every_byte(std::uint8_t value) noexcept {
  return static_cast<Word>(std::numeric_limits<Word>::max() / 255 * value);
}

/// Codes of 2 * Run columns come from Run bytes: first their low four bits, then their high four.
template <std::size_t Run, std::size_t Bytes>
void split_nibbles(const std::array<std::uint8_t, Bytes>& bytes, std::span<std::uint8_t, 2 * Bytes> out) noexcept {
  using word = std::uint64_t;
  NIBBLE_UNROLL for (std::size_t i = 0; i < Bytes; i += sizeof(word)) {
    const std::size_t at = i / Run * 2 * Run + i % Run;
    const auto both = load_bytes<word>(bytes.data() + i), mask = every_byte<word>(15);
    store_bytes<word>(both & mask, out.data() + at);
    store_bytes<word>(both >> 4 & mask, out.data() + at + Run);
  }
}

/// ORs bits that stand in planes onto codes, from bit At on: byte i of `planes`, of Run columns each, holds the Width bits of
/// column i in its lowest, those of column i + Run in the next, and so on.
template <unsigned Width, std::size_t Run, unsigned At = 4>
void add_planes(const std::uint8_t* planes, std::span<std::uint8_t, Run * 8 / Width> code) noexcept {
  using word = std::uint64_t;
  const auto mask = every_byte<word>((1u << Width) - 1);
  NIBBLE_UNROLL for (std::size_t i = 0; i < Run * 8 / Width; i += sizeof(word)) {
    const auto upper = load_bytes<word>(planes + i % Run) >> (i / Run * Width) & mask;
    store_bytes<word>(load_bytes<word>(code.data() + i) | upper << At, code.data() + i);
  }
}
/// And the way back: bits from At on into planes.
template <unsigned Width, std::size_t Run, unsigned At>
void take_planes(std::span<const std::uint8_t, Run * 8 / Width> code, std::uint8_t* planes) noexcept {
  std::fill_n(planes, Run, std::uint8_t{0});
  for (std::size_t i = 0; i < code.size(); ++i) {
    planes[i % Run] = std::uint8_t(planes[i % Run] | (code[i] >> At & ((1u << Width) - 1)) << (i / Run * Width));
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
  using word = std::uint64_t;
  constexpr std::array<std::uint8_t, 8> bit{1, 2, 4, 8, 16, 32, 64, 128}, carry{127, 126, 124, 120, 112, 96, 64, 0};
  NIBBLE_UNROLL for (std::size_t i = 0; i < 32; i += 8) {  // byte k keeps its bit k, and a sum carries it to the top
    const auto kept = every_byte<word>(high[i / 8]) & load_bytes<word>(bit.data());
    const auto top = (kept + load_bytes<word>(carry.data())) & every_byte<word>(128);
    store_bytes<word>(load_bytes<word>(code.data() + i) | top >> 3, code.data() + i);
  }
}

inline void take_fifth_bits(std::span<const std::uint8_t, 32> code, std::array<std::uint8_t, 4>& high) noexcept {
  high.fill(0);
  for (std::size_t i = 0; i < 32; ++i) high[i / 8] = std::uint8_t(high[i / 8] | (code[i] >> 4 & 1) << (i % 8));
}

/// Eight scales and eight minima of six bits in twelve bytes. Bytes 0-3 and 4-7 hold scales and minima 0-3 in their lower six
/// bits; bytes 8-11 hold the lower four bits of scales 4-7 (low half) and minima 4-7 (high half), whose upper two bits are the
/// upper two of bytes 0-3 and 4-7.
inline super_scale_min unpack_scales(half d, half dmin, const std::array<std::uint8_t, 12>& bytes) noexcept {
  using word = std::uint32_t;
  super_scale_min s{d, dmin, {}, {}};
  const auto scales = load_bytes<word>(bytes.data()), mins = load_bytes<word>(bytes.data() + 4),
             low = load_bytes<word>(bytes.data() + 8);
  const auto six = every_byte<word>(63), four = every_byte<word>(15), upper = every_byte<word>(48);
  store_bytes(scales & six, s.scale.data());
  store_bytes(mins & six, s.min.data());
  store_bytes((low & four) | (scales >> 2 & upper), s.scale.data() + 4);
  store_bytes((low >> 4 & four) | (mins >> 2 & upper), s.min.data() + 4);
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
}  // namespace NIBBLE_ABI
}  // namespace nibble
