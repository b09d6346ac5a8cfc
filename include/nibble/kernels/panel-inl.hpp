/// Reads the panels of integer formats (quant/panel.hpp): codes as bytes or in two parts, scales, offsets and minima, each for
/// `lanes` rows from row r on.
#if defined(NIBBLE_KERNELS_PANEL_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_PANEL_INL_HPP
#undef NIBBLE_KERNELS_PANEL_INL_HPP
#else
#define NIBBLE_KERNELS_PANEL_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/format.hpp"
#include "nibble/quant/panel.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// The codes of quad q of a granule.
template <unsigned Bits>
HWY_INLINE byte_vec codes(const std::uint8_t* granule, std::size_t q, std::size_t r) {
  const byte_tag d;
  const hn::Repartition<std::uint16_t, byte_tag> d16;  // there are no 8-bit shifts
  const auto shift_right = [&](byte_vec v, int by) { return hn::BitCast(d, hn::ShiftRightSame(hn::BitCast(d16, v), by)); };
  const auto plane = [&](std::size_t i) { return hn::LoadU(d, granule + i * 64 + r * 4); };
  if constexpr (Bits == 8) {
    return plane(q);
  } else if constexpr (Bits == 1) {
    return hn::And(shift_right(plane(0), int(q)), hn::Set(d, 1));
  } else if constexpr (Bits == 2) {
    return hn::And(shift_right(plane(q / 4), int(q % 4 * 2)), hn::Set(d, 3));
  } else if constexpr (Bits == 3) {
    if (q < 6) return hn::And(shift_right(plane(q / 2), int(q % 2 * 3)), hn::Set(d, 7));
    const auto low = hn::And(shift_right(plane(q - 6), 6), hn::Set(d, 3));
    return hn::Or(low, hn::And(shift_right(plane(2), int(q - 2)), hn::Set(d, 4)));
  } else {
    const auto nibbles = hn::And(q < 4 ? plane(q) : shift_right(plane(q - 4), 4), hn::Set(d, 15));
    if constexpr (Bits == 4) return nibbles;
    const std::size_t at = Bits == 5 ? q : q % 4 * 2;
    const auto high = plane(Bits == 5 ? 4 : 4 + q / 4);
    const auto mask = hn::Set(d, Bits == 5 ? 16 : 48);
    const auto there =
        at <= 4 ? hn::BitCast(d, hn::ShiftLeftSame(hn::BitCast(d16, high), int(4 - at))) : shift_right(high, int(at - 4));
    return hn::Or(nibbles, hn::And(there, mask));
  }
}

/// What a product multiplies for these codes: level + zero_point, below 2^value_bits.
template <coded_format Q>
HWY_INLINE byte_vec values(const std::uint8_t* granule, std::size_t q, std::size_t r) {
  const auto code = codes<Q::code_bits>(granule, q, r);
  if constexpr (codebook_format<Q>) {
    return hn::TableLookupBytes(hn::LoadDup128(byte_tag(), value_table<Q>.data()), code);
  } else {
    return code;
  }
}

/// Of two scales a granule, `offset` is the second.
struct affine_vec {  // a compiler's own constructors would lack the target's instructions
  HWY_INLINE affine_vec() {}
  HWY_INLINE affine_vec(float_vec s, float_vec o) : scale(s), offset(o) {}
  float_vec scale, offset;
};
/// Of granule g of the block.
template <std::size_t Columns>
HWY_INLINE affine_vec read_affine(const scale_panel<block_scale_of<Columns>>& p, std::size_t, std::size_t r) {
  return {load(p.d.data() + r), hn::Zero(float_tag())};
}
HWY_INLINE affine_vec read_affine(const scale_panel<block_exponent>& p, std::size_t, std::size_t r) {
  const hn::Rebind<std::uint8_t, float_tag> d8;
  const auto e = hn::PromoteTo(int_tag(), hn::LoadU(d8, p.e.data() + r)), one = hn::Set(int_tag(), 1);
  // below 2 it is subnormal: 2^21 or 2^22 as bits
  const auto least = hn::ShiftLeft<21>(hn::Add(e, one)), usual = hn::ShiftLeft<23>(hn::Sub(e, one));
  const auto bits = hn::IfThenElse(hn::Gt(e, one), usual, least);
  return {hn::BitCast(float_tag(), bits), hn::Zero(float_tag())};
}
HWY_INLINE affine_vec read_affine(const scale_panel<block_scale_min>& p, std::size_t, std::size_t r) {
  return {load(p.d.data() + r), load(p.m.data() + r)};
}
HWY_INLINE affine_vec read_affine(const scale_panel<two_scales>& p, std::size_t, std::size_t r) {
  return {load(p.d[0].data() + r), load(p.d[1].data() + r)};
}
/// See small_float_scales::of_byte.
HWY_INLINE float_vec load_small_floats(const std::uint8_t* p) {
  const int_tag d;
  const hn::Rebind<std::uint8_t, int_tag> d8;
  const auto byte = hn::PromoteTo(d, hn::LoadU(d8, p)), seven = hn::And(byte, hn::Set(d, 127));
  const auto least = hn::BitCast(d, hn::Mul(hn::ConvertTo(float_tag(), seven), hn::Set(float_tag(), 0x1p-10f)));
  const auto usual = hn::Add(hn::ShiftLeft<20>(seven), hn::Set(d, 119 << 23));
  const auto bits = hn::IfThenElse(hn::Gt(seven, hn::Set(d, 7)), usual, least);
  return hn::BitCast(float_tag(), hn::IfThenElse(hn::Eq(byte, hn::Set(d, 127)), hn::Zero(d), bits));
}
HWY_INLINE affine_vec read_affine(const scale_panel<small_float_scales>& p, std::size_t g, std::size_t r) {
  return {load_small_floats(p.e[2 * g].data() + r), load_small_floats(p.e[2 * g + 1].data() + r)};
}

/// The scale of sub-block j.
template <std::size_t SubBlock>
HWY_INLINE float_vec read_scale(const scale_panel<super_scale_of<SubBlock, 8>>& p, std::size_t j, std::size_t r) {
  return hn::Mul(load(p.d.data() + r), load(p.scale[j].data() + r));
}
template <std::size_t SubBlock>
HWY_INLINE float_vec read_scale(const scale_panel<super_scale_of<SubBlock, 6>>& p, std::size_t j, std::size_t r) {
  using panel = scale_panel<super_scale_of<SubBlock, 6>>;
  constexpr std::size_t halves = panel::halves, quarters = panel::quarters;
  const int_tag d;
  const hn::Rebind<std::uint8_t, int_tag> d8;
  const auto low = hn::PromoteTo(d, hn::LoadU(d8, p.low[j % halves].data() + r));
  const auto high = hn::PromoteTo(d, hn::LoadU(d8, p.high[j % quarters].data() + r));
  const auto four = hn::And(hn::ShiftRightSame(low, static_cast<int>(j / halves * 4)), hn::Set(d, 15));
  const auto two = hn::And(hn::ShiftRightSame(high, static_cast<int>(j / quarters * 2)), hn::Set(d, 3));
  const auto scale = hn::Sub(hn::Or(four, hn::ShiftLeft<4>(two)), hn::Set(d, 32));
  return hn::Mul(load(p.d.data() + r), hn::ConvertTo(float_tag(), scale));
}
HWY_INLINE float_vec read_scale(const scale_panel<half_super_scale_min>& p, std::size_t j, std::size_t r) {
  const int_tag d;
  const hn::Rebind<std::uint8_t, int_tag> d8;
  const auto scale = hn::And(hn::PromoteTo(d, hn::LoadU(d8, p.both[j].data() + r)), hn::Set(d, 15));
  return hn::Mul(load(p.d.data() + r), hn::ConvertTo(float_tag(), scale));
}
HWY_INLINE float_vec read_scale(const scale_panel<super_scale_min>& p, std::size_t j, std::size_t r) {
  const int_tag d;
  const hn::Rebind<std::uint8_t, int_tag> d8;
  const auto low = hn::PromoteTo(d, hn::LoadU(d8, p.low[j].data() + r));
  const auto high = hn::ShiftRightSame(hn::PromoteTo(d, hn::LoadU(d8, p.high[j % 4].data() + r)), static_cast<int>(j / 4 * 4));
  const auto scale = hn::Or(hn::And(low, hn::Set(d, 15)), hn::And(hn::ShiftLeft<4>(high), hn::Set(d, 48)));
  return hn::Mul(load(p.d.data() + r), hn::ConvertTo(float_tag(), scale));
}
/// The minima of sub-blocks j and j + 1, in pairs: of 6 bits, they meet sums of 16 bits. And the factor of their sum.
HWY_INLINE short_vec read_mins(const scale_panel<super_scale_min>& p, std::size_t j, std::size_t r) {
  const int_tag d;
  const hn::Rebind<std::uint8_t, int_tag> d8;
  const auto min = [&](std::size_t k) NIBBLE_ATTR {
    const auto low = hn::PromoteTo(d, hn::LoadU(d8, p.low[k].data() + r));
    const auto high =
        hn::ShiftRightSame(hn::PromoteTo(d, hn::LoadU(d8, p.high[k % 4].data() + r)), static_cast<int>(k / 4 * 4));
    return hn::Or(hn::ShiftRight<4>(low), hn::And(hn::ShiftLeft<2>(high), hn::Set(d, 48)));
  };
  return hn::BitCast(short_tag(), hn::Or(min(j), hn::ShiftLeft<16>(min(j + 1))));
}
HWY_INLINE float_vec read_min_scale(const scale_panel<super_scale_min>& p, std::size_t r) {
  return hn::Mul(load(p.dmin.data() + r), hn::Set(float_tag(), -float(1 << activation_super_block::sum_exponent)));
}
/// The same of sub-blocks of 16, whose minima meet sums that are exact.
HWY_INLINE short_vec read_mins(const scale_panel<half_super_scale_min>& p, std::size_t j, std::size_t r) {
  const int_tag d;
  const hn::Rebind<std::uint8_t, int_tag> d8;
  const auto min = [&](std::size_t k)
                       NIBBLE_ATTR { return hn::ShiftRight<4>(hn::PromoteTo(d, hn::LoadU(d8, p.both[k].data() + r))); };
  return hn::BitCast(short_tag(), hn::Or(min(j), hn::ShiftLeft<16>(min(j + 1))));
}
HWY_INLINE float_vec read_min_scale(const scale_panel<half_super_scale_min>& p, std::size_t r) {
  return hn::Neg(load(p.dmin.data() + r));
}

/// Whether the two halves of a granule have a scale each; and of super-blocks: the sub-blocks of a granule, and whether minima
/// are added granule by granule.
template <class Q>
inline constexpr bool two_halves = !super_block_format<Q> && Q::scales::sub_block < 32;
template <class Q>
inline constexpr std::size_t super_sub_blocks = super_block_format<Q> ? 32 / Q::scales::sub_block : 1;
template <class Q>
inline constexpr bool half_mins = super_block_format<Q>&& Q::scales::has_offset&& Q::scales::sub_block == 16;

/// Whether pairs of 8-bit values are multiplied as levels: their magnitudes by activations that have taken their signs.
template <class Q, dot Dot>
inline constexpr bool signed_levels = moves_signs&& Dot == dot::pairs&& value_bits<Q> == 8;

/// What products of pairs multiply of 8-bit values: the magnitudes of levels, and levels; or the values' low and high four
/// bits.
struct parts_vec {
  HWY_INLINE parts_vec() {}
  HWY_INLINE parts_vec(byte_vec a, byte_vec b) : first(a), second(b) {}
  byte_vec first, second;
};
template <class Q>
HWY_INLINE parts_vec parts_of(byte_vec v) {
  const byte_tag d;
  if constexpr (moves_signs) {
    const auto level = hn::Sub(v, hn::Set(d, Q::zero_point));
    return {hn::BitCast(d, hn::Abs(hn::BitCast(signed_byte_tag(), level))), level};
  } else {
    const hn::Repartition<std::uint16_t, byte_tag> d16;
    const auto fifteen = hn::Set(d, 15);
    return {hn::And(v, fifteen), hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d16, v))), fifteen)};
  }
}

/// The parts of the codes of quad q of a granule.
template <coded_format Q>
HWY_INLINE parts_vec read_parts(const std::uint8_t* granule, std::size_t q, std::size_t r) {
  if constexpr (moves_signs && codebook_format<Q>) {
    const byte_tag d;
    const auto code = codes<Q::code_bits>(granule, q, r);
    const auto look_up = [&](std::size_t at)
                             NIBBLE_ATTR { return hn::TableLookupBytes(hn::LoadDup128(d, signed_table<Q>.data() + at), code); };
    return {look_up(0), look_up(16)};
  } else {
    return parts_of<Q>(values<Q>(granule, q, r));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
