/// Matrix products over panels: one kernel for one token, one for many, written once for every weight format.
///
/// Integer formats. Weights are unsigned codes u, activations signed codes a in blocks of 32 columns with scale dx. For each
/// row, in the order of the columns, sub-block by sub-block:
///
///     n    = sum (u - center) * a                  exact, in 32 bits: |n| <= 32 * 255 * 127 < 2^21
///     sum += (dx * n) * scale;   sum += (dx * sum a) * offset          in float, fused where the target can
///
/// Without an instruction for four products, pairs are summed in 16 bits: a pair of b-bit codes is below 2 * (2^b - 1) * 127,
/// so 8 pairs of 4 bits (30480), 4 of 5 bits (31496) and 2 of 6 bits (32004) stay below 2^15; 8-bit codes are two 4-bit codes.
/// One token reads the panels as they are. Many tokens unpack 256 columns of a group into a tile that stays in L1, use it for
/// all of a chunk of tokens, and go on: the same sums in the same order.
#if defined(NIBBLE_KERNELS_MATMUL_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_MATMUL_INL_HPP
#undef NIBBLE_KERNELS_MATMUL_INL_HPP
#else
#define NIBBLE_KERNELS_MATMUL_INL_HPP
#endif

#include <algorithm>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble::inline NIBBLE_ABI {
namespace HWY_NAMESPACE {

// ---- reading panels: codes and scales of `lanes` rows from row r on ---------------------------------------------------------

template <unsigned Bits>
HWY_INLINE byte_vec codes(const std::uint8_t* granule, std::size_t q, std::size_t r) {
  const byte_tag d;
  const hn::Repartition<std::uint16_t, byte_tag> d16;  // there are no 8-bit shifts
  const auto shift_right = [&](byte_vec v, int by) { return hn::BitCast(d, hn::ShiftRightSame(hn::BitCast(d16, v), by)); };
  const auto plane = [&](std::size_t i) { return hn::LoadU(d, granule + i * 64 + r * 4); };
  if constexpr (Bits == 8) {
    return plane(q);
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

struct affine_vec {
  float_vec scale, offset;
};
HWY_INLINE affine_vec read_affine(const scale_panel<block_scale>& p, std::size_t, std::size_t r) {
  return {load(p.d.data() + r), hn::Zero(float_tag())};
}
HWY_INLINE affine_vec read_affine(const scale_panel<block_scale_min>& p, std::size_t, std::size_t r) {
  return {load(p.d.data() + r), load(p.m.data() + r)};
}
HWY_INLINE affine_vec read_affine(const scale_panel<super_scale_min>& p, std::size_t j, std::size_t r) {
  return {hn::Mul(load(p.d.data() + r), load(p.scale[j].data() + r)),
          hn::Neg(hn::Mul(load(p.dmin.data() + r), load(p.min[j].data() + r)))};
}
HWY_INLINE affine_vec read_affine(const scale_panel<super_scale>& p, std::size_t j, std::size_t r) {
  return {hn::Mul(load(p.d.data() + r), load(p.scale[j].data() + r)), hn::Zero(float_tag())};
}

// ---- the one sum -----------------------------------------------------------------------------------------------------------

/// Adds the products of Quads quads of codes to `sum`. code(q) gives the codes of quad q, a the activations of the first quad.
template <unsigned Bits, std::size_t Quads, class Code>
HWY_INLINE int_vec add_products(int_vec sum, const Code& code, const std::int8_t* a) {
#if NIBBLE_HAS_QUAD_DOT
  NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) sum = add_quads(sum, code(q), broadcast_quad(a + 4 * q));
  return sum;
#else
  const auto one = hn::Set(short_tag(), 1);
  if constexpr (Bits == 8) {
    const byte_tag d;
    const hn::Repartition<std::uint16_t, byte_tag> d16;
    auto low = hn::Zero(short_tag()), high = low;
    NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) {
      const auto v = code(q);
      const auto s = broadcast_quad(a + 4 * q);
      low = hn::Add(low, mul_pairs(hn::And(v, hn::Set(d, 15)), s));
      high = hn::Add(high, mul_pairs(hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d16, v))), hn::Set(d, 15)), s));
    }
    return add_pairs(add_pairs(sum, low, one), high, hn::Set(short_tag(), 16));
  } else {
    constexpr std::size_t chain = std::min<std::size_t>(Quads, Bits == 4 ? 8 : Bits == 5 ? 4 : 2);
    NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; q += chain) {
      auto pairs = mul_pairs(code(q), broadcast_quad(a + 4 * q));
      NIBBLE_UNROLL for (std::size_t i = 1; i < chain; ++i) {
        pairs = hn::Add(pairs, mul_pairs(code(q + i), broadcast_quad(a + 4 * (q + i))));
      }
      sum = add_pairs(sum, pairs, one);
    }
    return sum;
  }
#endif
}

/// The sum of one granule of 32 columns for `lanes` rows and one token, added to `sum`.
template <class Q, class Code, class Affine>
HWY_INLINE float_vec add_granule(float_vec sum, const Code& code, const Affine& scales, const activation_block& a) {
  const float_tag d;
  const auto dx = hn::Set(d, a.scale);
  const auto add = [&](int_vec n, const affine_vec& s) {
    sum = hn::MulAdd(hn::Mul(hn::ConvertTo(d, n), dx), s.scale, sum);
    if constexpr (Q::scales::has_offset) sum = hn::MulAdd(hn::Set(d, a.sum), s.offset, sum);
  };
  const int_tag di;
  if constexpr (Q::scales::sub_block == 32) {
    const auto start = hn::Set(di, -Q::center * (a.half_sums[0] + a.half_sums[1]));
    add(add_products<Q::code_bits, 8>(start, code, a.code.data()), scales(0));
  } else {
    add(add_products<Q::code_bits, 4>(hn::Set(di, -Q::center * a.half_sums[0]), code, a.code.data()), scales(0));
    add(add_products<Q::code_bits, 4>(
            hn::Set(di, -Q::center * a.half_sums[1]), [&](std::size_t q) NIBBLE_ATTR { return code(q + 4); },
            a.code.data() + 16),
        scales(1));
  }
  return sum;
}

// ---- one token
// ---------------------------------------------------------------------------------------------------------------

template <integer_format Q>
HWY_INLINE void one_token(const std::byte* group, std::size_t columns, const activation_block* a, float* out) {
  using scales = typename Q::scales;
  constexpr std::size_t granules = scales::columns / 32, sub_blocks = 32 / scales::sub_block;
  const auto* panels = reinterpret_cast<const scale_panel<scales>*>(group + scales_offset<Q>(columns));
  for (std::size_t r = 0; r < panel_rows; r += lanes) {
    auto sum = hn::Zero(float_tag());
    const auto* granule = reinterpret_cast<const std::uint8_t*>(group);
    for (std::size_t b = 0; b < columns / scales::columns; ++b) {
      for (std::size_t g = 0; g < granules; ++g, granule += code_bytes(Q::code_bits)) {
        sum = add_granule<Q>(
            sum, [&](std::size_t q) NIBBLE_ATTR { return codes<Q::code_bits>(granule, q, r); },
            [&](std::size_t j) NIBBLE_ATTR { return read_affine(panels[b], g * sub_blocks + j, r); }, a[b * granules + g]);
      }
    }
    hn::StoreU(sum, float_tag(), out + r);
  }
}

// ---- many tokens
// -------------------------------------------------------------------------------------------------------------

/// Up to 256 columns of one group, unpacked: codes as bytes, scales and offsets as floats.
template <class Q>
struct tile {
  static constexpr std::size_t sub_blocks = 32 / Q::scales::sub_block;
  alignas(64) std::uint8_t code[8][8][64];
  alignas(64) float scale[8][sub_blocks][16];
  alignas(64) float offset[Q::scales::has_offset ? 8 : 1][sub_blocks][16];
};

template <integer_format Q>
HWY_INLINE void fill(tile<Q>& t, const std::uint8_t* granule, const scale_panel<typename Q::scales>* panels, std::size_t first,
                     std::size_t count) {
  constexpr std::size_t in_block = Q::scales::columns / 32, sub_blocks = tile<Q>::sub_blocks;
  for (std::size_t g = 0; g < count; ++g, granule += code_bytes(Q::code_bits)) {
    for (std::size_t r = 0; r < panel_rows; r += lanes) {
      NIBBLE_UNROLL for (std::size_t q = 0; q < 8; ++q) {
        hn::StoreU(codes<Q::code_bits>(granule, q, r), byte_tag(), t.code[g][q] + r * 4);
      }
      for (std::size_t j = 0; j < sub_blocks; ++j) {
        const auto s = read_affine(panels[(first + g) / in_block], (first + g) % in_block * sub_blocks + j, r);
        hn::StoreU(s.scale, float_tag(), t.scale[g][j] + r);
        if constexpr (Q::scales::has_offset) hn::StoreU(s.offset, float_tag(), t.offset[g][j] + r);
      }
    }
  }
}

/// Adds `count` granules of a tile to the sums of Tokens tokens, [token][16].
template <class Q, std::size_t Tokens>
HWY_INLINE void add_tile(const tile<Q>& t, std::size_t count, const activation_block* a, std::size_t token_blocks,
                         float* sums) {
  const float_tag d;
  for (std::size_t r = 0; r < panel_rows; r += lanes) {
    float_vec sum[Tokens];
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) sum[i] = hn::Load(d, sums + i * panel_rows + r);
    for (std::size_t g = 0; g < count; ++g) {
      constexpr std::size_t halves = Q::scales::sub_block == 32 ? 1 : 2, quads = 8 / halves;
      NIBBLE_UNROLL for (std::size_t h = 0; h < halves; ++h) {
        int_vec n[Tokens];
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          const auto& b = a[i * token_blocks + g];
          n[i] = hn::Set(int_tag(), -Q::center * (halves == 1 ? b.half_sums[0] + b.half_sums[1] : b.half_sums[h]));
        }
#if NIBBLE_HAS_QUAD_DOT
        NIBBLE_UNROLL for (std::size_t q = 0; q < quads; ++q) {
          const auto v = hn::Load(byte_tag(), t.code[g][h * quads + q] + r * 4);
          NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
            n[i] = add_quads(n[i], v, broadcast_quad(a[i * token_blocks + g].code.data() + (h * quads + q) * 4));
          }
        }
#else
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          n[i] = add_products<Q::code_bits, quads>(
              n[i], [&](std::size_t q) NIBBLE_ATTR { return hn::Load(byte_tag(), t.code[g][h * quads + q] + r * 4); },
              a[i * token_blocks + g].code.data() + h * quads * 4);
        }
#endif
        const auto scale = hn::Load(d, t.scale[g][h] + r);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          const auto& b = a[i * token_blocks + g];
          sum[i] = hn::MulAdd(hn::Mul(hn::ConvertTo(d, n[i]), hn::Set(d, b.scale)), scale, sum[i]);
          if constexpr (Q::scales::has_offset) sum[i] = hn::MulAdd(hn::Set(d, b.sum), hn::Load(d, t.offset[g][h] + r), sum[i]);
        }
      }
    }
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) hn::Store(sum[i], d, sums + i * panel_rows + r);
  }
}

/// Tokens that one unpacked tile serves before the next is unpacked: their activations stay in L2.
inline constexpr std::size_t token_chunk = 128;
/// Tokens whose sums are in registers at once.
#if NIBBLE_HAS_QUAD_DOT
inline constexpr std::size_t token_block = 8;
#else
inline constexpr std::size_t token_block = 4;
#endif

template <integer_format Q>
HWY_INLINE void many_tokens(const std::byte* group, std::size_t columns, const activation_block* a, std::size_t token_blocks,
                            std::size_t tokens, float* sums) {
  tile<Q> t;
  const auto* panels = reinterpret_cast<const scale_panel<typename Q::scales>*>(group + scales_offset<Q>(columns));
  std::fill_n(sums, tokens * panel_rows, 0.0f);
  for (std::size_t first = 0; first < columns / 32; first += 8) {
    const std::size_t count = std::min<std::size_t>(8, columns / 32 - first);
    fill<Q>(t, reinterpret_cast<const std::uint8_t*>(group) + first * code_bytes(Q::code_bits), panels, first, count);
    std::size_t i = 0;
    const auto at = [&](std::size_t token) { return a + token * token_blocks + first; };
    for (; i + token_block <= tokens; i += token_block) {
      add_tile<Q, token_block>(t, count, at(i), token_blocks, sums + i * panel_rows);
    }
    for (; i < tokens; ++i) add_tile<Q, 1>(t, count, at(i), token_blocks, sums + i * panel_rows);
  }
}

/// Writes the sums of one group, (tokens, 16), to the rows that are there.
HWY_INLINE void store_rows(const matmul_args& m, std::size_t group, std::size_t token, std::size_t tokens, const float* sums) {
  const std::size_t row = group * panel_rows, count = std::min(panel_rows, m.rows - row);
  for (std::size_t i = 0; i < tokens; ++i) {
    std::memcpy(m.output + (token + i) * m.output_stride + row, sums + i * panel_rows, count * sizeof(float));
  }
}

template <integer_format Q>
void matmul(const matmul_args& m) {
  alignas(64) float sums[token_chunk * panel_rows];
  const auto* a = static_cast<const activation_block*>(m.input);
  for (std::size_t token = 0; token < m.tokens; token += token_chunk) {
    const std::size_t tokens = std::min(token_chunk, m.tokens - token);
    for (std::size_t g = m.first; g < m.last; ++g) {
      const std::byte* group = m.groups + g * m.group_bytes;
      if (tokens == 1) {
        one_token<Q>(group, m.columns, a + token * (m.columns / 32), sums);
      } else {
        many_tokens<Q>(group, m.columns, a + token * (m.columns / 32), m.columns / 32, tokens, sums);
      }
      store_rows(m, g, token, tokens, sums);
    }
  }
}

// ---- float formats
// -----------------------------------------------------------------------------------------------------------

/// Sums over columns, one after the other, for `lanes` rows and Tokens tokens.
template <float_format Q, std::size_t Tokens>
HWY_INLINE void float_rows(const typename Q::block* w, std::size_t columns, const float* x, std::size_t stride, float* sums) {
  const float_tag d;
  for (std::size_t r = 0; r < panel_rows; r += lanes) {
    float_vec sum[Tokens];
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) sum[i] = hn::Zero(d);
    for (std::size_t k = 0; k < columns; ++k) {
      const auto v = load(w + k * panel_rows + r);
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) sum[i] = hn::MulAdd(hn::Set(d, x[i * stride + k]), v, sum[i]);
    }
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) hn::StoreU(sum[i], d, sums + i * panel_rows + r);
  }
}

template <float_format Q>
void matmul(const matmul_args& m) {
  alignas(64) float sums[8 * panel_rows];
  const auto* x = static_cast<const float*>(m.input);
  const std::size_t stride = m.input_bytes / sizeof(float);
  for (std::size_t g = m.first; g < m.last; ++g) {
    const auto* w = reinterpret_cast<const typename Q::block*>(m.groups + g * m.group_bytes);
    std::size_t token = 0;
    for (; token + 8 <= m.tokens; token += 8) {
      float_rows<Q, 8>(w, m.columns, x + token * stride, stride, sums);
      store_rows(m, g, token, 8, sums);
    }
    for (; token < m.tokens; ++token) {
      float_rows<Q, 1>(w, m.columns, x + token * stride, stride, sums);
      store_rows(m, g, token, 1, sums);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace nibble::inline NIBBLE_ABI
NIBBLE_AFTER_NAMESPACE();
#endif
