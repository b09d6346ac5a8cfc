/// scale_panel: the scales of the blocks of sixteen rows, equal fields of the rows side by side.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "nibble/config.hpp"
#include "nibble/quant/scales.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

template <class Scales>
struct scale_panel;
template <std::size_t Columns>
struct scale_panel<block_scale_of<Columns>> {
  std::array<half, 16> d;
  void set(std::size_t row, const block_scale_of<Columns>& s) noexcept { d[row] = s.d; }
  block_scale_of<Columns> get(std::size_t row) const noexcept { return {d[row]}; }
};
template <>
struct scale_panel<block_exponent> {
  std::array<std::uint8_t, 16> e;
  void set(std::size_t row, const block_exponent& s) noexcept { e[row] = s.e; }
  block_exponent get(std::size_t row) const noexcept { return {e[row]}; }
};
template <>
struct scale_panel<small_float_scales> {
  std::array<std::array<std::uint8_t, 16>, 4> e;
  void set(std::size_t row, const small_float_scales& s) noexcept {
    for (std::size_t j = 0; j < 4; ++j) e[j][row] = s.e[j];
  }
  small_float_scales get(std::size_t row) const noexcept { return {{e[0][row], e[1][row], e[2][row], e[3][row]}}; }
};
template <>
struct scale_panel<block_scale_min> {
  std::array<half, 16> d, m;
  void set(std::size_t row, const block_scale_min& s) noexcept { d[row] = s.d, m[row] = s.m; }
  block_scale_min get(std::size_t row) const noexcept { return {d[row], m[row]}; }
};
template <>
struct scale_panel<two_scales> {
  std::array<std::array<float, 16>, 2> d;
  void set(std::size_t row, const two_scales& s) noexcept { d[0][row] = s.d[0], d[1][row] = s.d[1]; }
  two_scales get(std::size_t row) const noexcept { return {{d[0][row], d[1][row]}}; }
};
template <>
struct scale_panel<super_scale_min> {
  std::array<half, 16> d, dmin;
  std::array<std::array<std::uint8_t, 16>, 8> low;   // of sub-block j: 4 bits of its scale, 4 of its minimum
  std::array<std::array<std::uint8_t, 16>, 4> high;  // of sub-blocks j and j + 4: 2 more of scale, minimum, scale, minimum
  void set(std::size_t row, const super_scale_min& s) noexcept {
    d[row] = s.d, dmin[row] = s.dmin;
    NIBBLE_UNROLL for (std::size_t j = 0; j < 8; ++j) low[j][row] =
        static_cast<std::uint8_t>((s.scale[j] & 15) | s.min[j] << 4);
    NIBBLE_UNROLL for (std::size_t j = 0; j < 4; ++j) {
      high[j][row] =
          static_cast<std::uint8_t>(s.scale[j] >> 4 | (s.min[j] >> 2 & 12) | (s.scale[j + 4] & 48) | (s.min[j + 4] & 48) << 2);
    }
  }
  super_scale_min get(std::size_t row) const noexcept {
    super_scale_min s{d[row], dmin[row], {}, {}};
    for (std::size_t j = 0; j < 8; ++j) {
      const unsigned two_bits = unsigned(high[j % 4][row]) >> j / 4 * 4;
      s.scale[j] = static_cast<std::uint8_t>((low[j][row] & 15u) | (two_bits & 3) << 4);
      s.min[j] = static_cast<std::uint8_t>(low[j][row] >> 4 | (two_bits & 12) << 2);
    }
    return s;
  }
};
template <>
struct scale_panel<half_super_scale_min> {
  std::array<half, 16> d, dmin;
  std::array<std::array<std::uint8_t, 16>, 16> both;  // 4 bits of the scale, 4 of the minimum
  void set(std::size_t row, const half_super_scale_min& s) noexcept {
    d[row] = s.d, dmin[row] = s.dmin;
    for (std::size_t j = 0; j < 16; ++j) both[j][row] = static_cast<std::uint8_t>((s.scale[j] & 15) | s.min[j] << 4);
  }
  half_super_scale_min get(std::size_t row) const noexcept {
    half_super_scale_min s{d[row], dmin[row], {}, {}};
    for (std::size_t j = 0; j < 16; ++j) s.scale[j] = both[j][row] & 15, s.min[j] = both[j][row] >> 4;
    return s;
  }
};
template <std::size_t SubBlock>
struct scale_panel<super_scale_of<SubBlock, 8>> {
  using scales = super_scale_of<SubBlock, 8>;
  static constexpr std::size_t count = 256 / SubBlock;
  std::array<half, 16> d;
  std::array<std::array<std::int8_t, 16>, count> scale;
  void set(std::size_t row, const scales& s) noexcept {
    d[row] = s.d;
    NIBBLE_UNROLL for (std::size_t j = 0; j < count; ++j) scale[j][row] = s.scale[j];
  }
  scales get(std::size_t row) const noexcept {
    scales s{d[row], {}};
    for (std::size_t j = 0; j < count; ++j) s.scale[j] = scale[j][row];
    return s;
  }
};
/// Scales + 32.
template <std::size_t SubBlock>
struct scale_panel<super_scale_of<SubBlock, 6>> {
  using scales = super_scale_of<SubBlock, 6>;
  static constexpr std::size_t count = 256 / SubBlock, halves = count / 2, quarters = count / 4;
  std::array<half, 16> d;
  std::array<std::array<std::uint8_t, 16>, halves> low;     // of sub-blocks j and j + halves: 4 bits each
  std::array<std::array<std::uint8_t, 16>, quarters> high;  // of sub-blocks j + k * quarters: 2 more bits each
  void set(std::size_t row, const scales& s) noexcept {
    const auto code = [&](std::size_t j) { return static_cast<unsigned>(s.scale[j] + 32); };
    d[row] = s.d;
    for (std::size_t j = 0; j < halves; ++j) {
      low[j][row] = static_cast<std::uint8_t>((code(j) & 15) | (code(j + halves) & 15) << 4);
    }
    for (std::size_t j = 0; j < quarters; ++j) {
      unsigned bits = 0;
      for (std::size_t k = 0; k < 4; ++k) bits |= (code(j + k * quarters) >> 4 & 3) << (2 * k);
      high[j][row] = static_cast<std::uint8_t>(bits);
    }
  }
  scales get(std::size_t row) const noexcept {
    scales s{d[row], {}};
    for (std::size_t j = 0; j < count; ++j) {
      const unsigned four = unsigned(low[j % halves][row]) >> (j / halves * 4) & 15;
      const unsigned two = unsigned(high[j % quarters][row]) >> (j / quarters * 2) & 3;
      s.scale[j] = static_cast<std::int8_t>(int(four | two << 4) - 32);
    }
    return s;
  }
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
