/// Sums of products over panels of integer formats: what a granule adds. Written once for every format.
///
/// A weight's codes become bytes u = level + zero_point (quant/format.hpp), activations are signed codes a in blocks of 32
/// columns with a scale dx. For each row, in the order of the columns, block by block:
///
///     n    = sum (u - zero_point) * a                  exact, in 32 bits: |n| <= 32 * 255 * 127 < 2^21
///     sum += (dx * n) * scale;   sum += (dx * sum a) * offset          in float, fused
///
/// and for super-blocks of 256 columns, whose blocks share dx up to a power of two, 2^e:
///
///     part = 0;   part += (2^e * n) * scale        sub-block by sub-block of 16 or 32 columns
///     part += (sum of s * min) * (-dmin * 2^10)    s = 2^(e - 10) * sum a, in 16 bits (activation_super_block::sums): the
///                                                  inner sum is at most 8 * 63 * 2^15 < 2^24 in size; of sub-blocks of 16
///                                                  columns, granule by granule: (2^e * sum of (sum a) * min) * -dmin
///     sum += dx * part
///
/// Where the processor adds four products at once (dot::quads), n is a chain of those. Where it does not (dot::pairs), pairs of
/// products are added up in 16 bits. A pair of b-bit values is at most 2 * (2^b - 1) * 127, so the sum of 8 pairs of 4 bits
/// (30480), 4 of 5 bits (31496) and 2 of 6 bits (32004) is below 2^15. Of values of 8 bits one pair of |u - zero_point| * +-a
/// is (32512), where an instruction moves signs; elsewhere they are split into two of 4 bits. One pair of 7 bits is, too
/// (32258).
///
/// One token reads panels as they stand (one_token-inl.hpp). So do a few, and many unpack 256 columns of one or two groups into
/// a tile that stays in the first cache, and all tokens of a chunk use it (many_tokens-inl.hpp). Each way adds the same numbers
/// in the same order, to the same bits. The bits are those of the scalar reference on every target that fuses, which is tested.
#if defined(NIBBLE_KERNELS_PRODUCTS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_PRODUCTS_INL_HPP
#undef NIBBLE_KERNELS_PRODUCTS_INL_HPP
#else
#define NIBBLE_KERNELS_PRODUCTS_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/panel-inl.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/format.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// What remains to be subtracted of the zero point, where what is multiplied lacks a part of it, or all; see quad_zero_point.
template <class Q, dot Dot>
inline constexpr int zero_point_left = signed_levels<Q, Dot>
                                           ? 0
                                           : Q::zero_point - (Dot == dot::quads ? quad_zero_point<value_bits<Q>> : 0);
/// Where an integer sum starts, of a block or its half: at -zero_point times the sum of the activations' codes, so that adding
/// products of u gives the sum of products of levels. Or of sub-block j of granule g of a super-block.
template <class Q, dot Dot>
HWY_INLINE int_vec sum_start(const activation_block& a) {
  return hn::Set(int_tag(), -zero_point_left<Q, Dot> * (a.half_sums[0] + a.half_sums[1]));
}
template <class Q, dot Dot>
HWY_INLINE int_vec sum_start(const activation_block& a, std::size_t half) {
  return hn::Set(int_tag(), -zero_point_left<Q, Dot> * a.half_sums[half]);
}
template <class Q, dot Dot>
HWY_INLINE int_vec sum_start(const activation_super_block& a, std::size_t g, std::size_t j) {
  const auto* halves = a.half_sums.data() + 2 * g;
  return hn::Set(int_tag(), -zero_point_left<Q, Dot> * (Q::scales::sub_block == 16 ? halves[j] : halves[0] + halves[1]));
}

/// How many pairs of products of such values are added up in 16 bits.
template <unsigned Bits>
requires(Bits >= 4 && Bits <= 7) inline constexpr std::size_t pairs_in_16_bits = 32767 / (2 * 127 * ((1u << Bits) - 1));

/// 16-bit lane k = the products of levels 2k and 2k + 1 with s, added up.
HWY_INLINE short_vec mul_signed_pairs(parts_vec levels, signed_byte_vec s) {
  return mul_pairs(levels.first, with_signs(s, hn::BitCast(signed_byte_tag(), levels.second)));
}

/// The codes of a granule for `lanes` rows from row r on, from one of its quads on.
template <class Q>
struct granule_codes {
  const std::uint8_t* granule;
  std::size_t r, first = 0;

  HWY_INLINE granule_codes from(std::size_t quad) const { return {granule, r, first + quad}; }
  HWY_INLINE byte_vec operator()(std::size_t q) const { return values<Q>(granule, first + q, r); }
  HWY_INLINE parts_vec parts(std::size_t q) const { return read_parts<Q>(granule, first + q, r); }
};

/// sum + the products of Quads quads with the activations at a, from those of the first quad on.
template <class Q, dot Dot, std::size_t Quads>
HWY_INLINE int_vec add_products(int_vec sum, const granule_codes<Q>& code, const std::int8_t* a) {
  constexpr unsigned Bits = value_bits<Q>;
  const auto one = hn::Set(short_tag(), 1);
  if constexpr (Dot == dot::quads) {
    NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) sum = add_quads<Bits>(sum, code(q), a + 4 * q);
    return sum;
  } else if constexpr (signed_levels<Q, Dot>) {
    NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) {
      sum = add_pairs(sum, mul_signed_pairs(code.parts(q), broadcast_quad(a + 4 * q)), one);
    }
    return sum;
  } else if constexpr (Bits == 8) {
    auto low = hn::Zero(short_tag()), high = low;
    NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) {
      const auto half = code.parts(q);
      const auto s = broadcast_quad(a + 4 * q);
      low = hn::Add(low, mul_pairs(half.first, s));
      high = hn::Add(high, mul_pairs(half.second, s));
    }
    return add_pairs(add_pairs(sum, low, one), high, hn::Set(short_tag(), 16));
  } else {
    constexpr std::size_t chain = std::min(Quads, pairs_in_16_bits<Bits>);
    NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; q += chain) {
      auto pairs = mul_pairs(code(q), broadcast_quad(a + 4 * q));
      NIBBLE_UNROLL for (std::size_t i = 1; i < chain; ++i) {
        pairs = hn::Add(pairs, mul_pairs(code(q + i), broadcast_quad(a + 4 * (q + i))));
      }
      sum = add_pairs(sum, pairs, one);
    }
    return sum;
  }
}

/// sum + one granule, 32 columns, for `lanes` rows and one token.
template <class Q, dot Dot>
HWY_INLINE float_vec add_granule(float_vec sum, const granule_codes<Q>& code, const affine_vec& s, const activation_block& a) {
  const float_tag d;
  if constexpr (two_halves<Q>) {
    NIBBLE_UNROLL for (std::size_t j = 0; j < 2; ++j) {
      const auto n = add_products<Q, Dot, 4>(sum_start<Q, Dot>(a, j), code.from(j * 4), a.code.data() + j * 16);
      sum = hn::MulAdd(hn::Mul(hn::ConvertTo(d, n), hn::Set(d, a.scale)), j == 0 ? s.scale : s.offset, sum);
    }
    return sum;
  }
  const auto n = hn::ConvertTo(d, add_products<Q, Dot, 8>(sum_start<Q, Dot>(a), code, a.code.data()));
  sum = hn::MulAdd(hn::Mul(n, hn::Set(d, a.scale)), s.scale, sum);
  if constexpr (Q::scales::has_offset) sum = hn::MulAdd(hn::Set(d, a.sum), s.offset, sum);
  return sum;
}
/// The same for granule g of a super-block: the scale of the activations is left for later. scale(j) is that of sub-block j.
template <class Q, dot Dot, class Scale>
HWY_INLINE float_vec add_granule(float_vec part, const granule_codes<Q>& code, const Scale& scale,
                                 const activation_super_block& a, std::size_t g) {
  constexpr std::size_t sub_blocks = super_sub_blocks<Q>, quads = 8 / sub_blocks;
  NIBBLE_UNROLL for (std::size_t j = 0; j < sub_blocks; ++j) {
    const auto n =
        add_products<Q, Dot, quads>(sum_start<Q, Dot>(a, g, j), code.from(j * quads), a.code.data() + g * 32 + j * quads * 4);
    part = hn::MulAdd(scaled(n, a.exponent[g]), scale(j), part);
  }
  return part;
}
/// part + the minima of granule g of a super-block whose sub-blocks have 16 columns. mins: of its two sub-blocks, in pairs.
HWY_INLINE float_vec add_half_mins(float_vec part, short_vec mins, float_vec scale, const activation_super_block& a,
                                   std::size_t g) {
  const auto n = add_pairs(hn::Zero(int_tag()), mins, broadcast_pair(a.half_sums.data() + 2 * g));
  return hn::MulAdd(scaled(n, a.exponent[g]), scale, part);
}
}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
