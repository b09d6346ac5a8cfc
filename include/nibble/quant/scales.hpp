/// Kinds of scale: what a block of codes carries beside them, widened no further than a file has it, and what it makes of a
/// level: value = scale * level, or scale * level + offset.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/core/half.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The scale and offset of one sub-block of columns.
struct affine {
  float scale, offset;
};

// Of each kind: the columns of a block and of a sub-block, which has a scale of its own; whether there are offsets; whether
// its products take activations in super-blocks. Kinds with sub-blocks: the multiples of d (and dmin) that a file can hold.

/// One scale for all columns: value = d * level.
template <std::size_t Columns>
struct block_scale_of {
  static constexpr std::size_t columns = Columns, sub_block = Columns;
  static constexpr bool has_offset = false, super_block = false;
  half d;

  affine of(std::size_t) const noexcept { return {d, 0}; }
};
using block_scale = block_scale_of<32>;

/// One power of two a block of 32: value = 2^(e - 128) * level.
struct block_exponent {
  static constexpr std::size_t columns = 32, sub_block = 32;
  static constexpr bool has_offset = false, super_block = false;
  std::uint8_t e;

  /// The scale, of which the two smallest are subnormal.
  float d() const noexcept { return std::bit_cast<float>(e < 2 ? std::uint32_t{1} << (21 + e) : (std::uint32_t{e} - 1) << 23); }
  affine of(std::size_t) const noexcept { return {d(), 0}; }
};
/// One float of 8 bits for each 16 of 64 columns: value = of_byte(e[column / 16]) * level.
struct small_float_scales {
  static constexpr std::size_t columns = 64, sub_block = 16;
  static constexpr bool has_offset = false, super_block = false;
  std::array<std::uint8_t, 4> e;

  /// Half the number that a byte is: four bits of exponent, three of mantissa, and one that counts for nothing. 0x7F is none.
  static float of_byte(std::uint8_t byte) noexcept {
    const std::uint32_t seven = byte & 127u;
    if (byte == 0x7F) return 0;
    return seven < 8 ? float(seven) * 0x1p-10f : std::bit_cast<float>((seven << 20) + (std::uint32_t{119} << 23));
  }
  affine of(std::size_t j) const noexcept { return {of_byte(e[j]), 0}; }
};
/// One scale and one offset a block of 32: value = d * level + m.
struct block_scale_min {
  static constexpr std::size_t columns = 32, sub_block = 32;
  static constexpr bool has_offset = true, super_block = false;
  half d, m;

  affine of(std::size_t) const noexcept { return {d, m}; }
};
/// One scale for each 16 of 32 columns, as floats: no file has it, formats are widened to it (quant/widened.hpp).
struct two_scales {
  static constexpr std::size_t columns = 32, sub_block = 16;
  static constexpr bool has_offset = false, super_block = false;
  std::array<float, 2> d;

  affine of(std::size_t j) const noexcept { return {d[j], 0}; }
};

/// Sub-blocks in a block of 256: value = (d * scale) * level - (dmin * min), with multiples below 2^Bits.
template <std::size_t SubBlock, unsigned Bits>
struct super_scale_min_of {
  static constexpr std::size_t columns = 256, sub_block = SubBlock;
  static constexpr bool has_offset = true, super_block = true;
  static constexpr int least_scale = 0, most_scale = (1 << Bits) - 1, most_min = most_scale;
  half d, dmin;
  std::array<std::uint8_t, columns / SubBlock> scale, min;

  affine of(std::size_t j) const noexcept { return {float(d) * float(scale[j]), -(float(dmin) * float(min[j]))}; }
};
using super_scale_min = super_scale_min_of<32, 6>;
using half_super_scale_min = super_scale_min_of<16, 4>;

/// Sub-blocks in a block of 256: value = (d * scale) * level, with signed multiples of so many bits.
template <std::size_t SubBlock, unsigned Bits>
struct super_scale_of {
  static constexpr std::size_t columns = 256, sub_block = SubBlock;
  static constexpr bool has_offset = false, super_block = true;
  static constexpr int least_scale = -(1 << (Bits - 1)), most_scale = -least_scale - 1;
  half d;
  std::array<std::int8_t, columns / SubBlock> scale;

  affine of(std::size_t j) const noexcept { return {float(d) * float(scale[j]), 0}; }
};
using super_scale = super_scale_of<16, 8>;

}  // namespace NIBBLE_ABI
}  // namespace nibble
