/// Matrix products over panels of integer formats: one kernel for one token, one for many, written once for every format.
///
/// Weights are unsigned codes u, activations signed codes a in blocks of 32 columns with scale dx. For each
/// row, in the order of the columns, block by block:
///
///     n    = sum (u - zero_point) * a                  exact, in 32 bits: |n| <= 32 * 255 * 127 < 2^21
///     sum += (dx * n) * scale;   sum += (dx * sum a) * offset          in float, fused where the target can
///
/// and for super-blocks of 256 columns, whose activations share dx but for powers of two:
///
///     part = 0;   part += (2^e * n) * scale        sub-block by sub-block of 16 or 32 columns
///     part += (sum of (2^e * sum a) * min) * -dmin                      the inner sum in 32 bits
///     sum += dx * part
///
/// Without an instruction for four products, pairs are summed in 16 bits: a pair of b-bit codes is below 2 * (2^b - 1) * 127,
/// so 8 pairs of 4 bits (30480), 4 of 5 bits (31496) and 2 of 6 bits (32004) stay below 2^15; 8-bit codes are two 4-bit codes.
/// One token, and a few, read the panels as they are. Many tokens unpack 256 columns of a group, or of two, into a tile that
/// stays in L1, use it for all of a chunk of tokens, and go on: the same sums in the same order.
#if defined(NIBBLE_KERNELS_MATMUL_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_MATMUL_INL_HPP
#undef NIBBLE_KERNELS_MATMUL_INL_HPP
#else
#define NIBBLE_KERNELS_MATMUL_INL_HPP
#endif

#include <algorithm>

#include "nibble/kernels/elementwise-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/panel-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kernels/tile-inl.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/registry.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// What a product of codes has still to lose: zero_point, but for what the instruction takes off.
template <class Q>
inline constexpr int zero_point_left = Q::zero_point - quad_zero_point<value_bits<Q>>;
/// What the products of a block start from, and those of sub-block j of granule g of a super-block.
template <class Q>
HWY_INLINE int_vec sum_start(const activation_block& a) {
  return hn::Set(int_tag(), -zero_point_left<Q> * (a.half_sums[0] + a.half_sums[1]));
}
template <class Q>
HWY_INLINE int_vec sum_start(const activation_super_block& a, std::size_t g, std::size_t j) {
  const auto* halves = a.half_sums.data() + 2 * g;
  return hn::Set(int_tag(), -zero_point_left<Q> * (Q::scales::sub_block == 16 ? halves[j] : halves[0] + halves[1]));
}

// ---- the one sum -----------------------------------------------------------------------------------------------------------

/// Adds the products of Quads quads of codes to `sum`. code(q) gives the codes of quad q, a the activations of the first quad.
template <unsigned Bits, std::size_t Quads, class Code>
HWY_INLINE int_vec add_products(int_vec sum, const Code& code, const std::int8_t* a) {
#if NIBBLE_HAS_QUAD_DOT
  NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) sum = add_quads<Bits>(sum, code(q), a + 4 * q);
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
template <class Q, class Code>
HWY_INLINE float_vec add_granule(float_vec sum, const Code& code, const affine_vec& s, const activation_block& a) {
  const float_tag d;
  const auto n = hn::ConvertTo(d, add_products<value_bits<Q>, 8>(sum_start<Q>(a), code, a.code.data()));
  sum = hn::MulAdd(hn::Mul(n, hn::Set(d, a.scale)), s.scale, sum);
  if constexpr (Q::scales::has_offset) sum = hn::MulAdd(hn::Set(d, a.sum), s.offset, sum);
  return sum;
}
/// The same for granule g of a super-block, without the activations' scale. scale(j) gives that of its sub-block j.
template <class Q, class Code, class Scale>
HWY_INLINE float_vec add_granule(float_vec part, const Code& code, const Scale& scale, const activation_super_block& a,
                                 std::size_t g) {
  constexpr std::size_t sub_blocks = 32 / Q::scales::sub_block, quads = 8 / sub_blocks;
  NIBBLE_UNROLL for (std::size_t j = 0; j < sub_blocks; ++j) {
    const auto n = add_products<value_bits<Q>, quads>(
        sum_start<Q>(a, g, j), [&](std::size_t q) NIBBLE_ATTR { return code(j * quads + q); },
        a.code.data() + g * 32 + j * quads * 4);
    part = hn::MulAdd(scaled(n, a.exponent[g]), scale(j), part);
  }
  return part;
}

// ---- one token -------------------------------------------------------------------------------------------------------------

/// Memory answers fastest where bytes are asked for in the order in which they lie, and sums read scales and codes by turns. So
/// with each granule an equal share of the bytes ahead is asked for first, from the codes on: they continue in the next unit.
/// A function of its own, for among the others' registers g++ reads a granule's bytes in an order of its own, too.
template <integer_format Q>
HWY_NOINLINE void one_token(const std::byte* group, std::size_t columns, const activation_of<Q>* a, float* out) {
  constexpr std::size_t vectors = panel_rows / lanes, granules = Q::scales::columns / 32;
  const float_tag d;
  float_vec sum[vectors];
  NIBBLE_UNROLL for (auto& s : sum) s = hn::Zero(d);
  for (std::size_t first = 0; first < columns; first += unit_columns<Q>) {
    const panel_unit<Q, const std::byte> unit(group, columns, first);
    const std::uint8_t* granule = unit.codes;
    for (std::size_t b = 0; b < unit.columns / Q::scales::columns; ++b, ++a) {
      const auto& scales = unit.scales[b];
      float_vec part[vectors];
      int_vec mins[vectors];
      NIBBLE_UNROLL for (auto& p : part) p = hn::Zero(d);
      NIBBLE_UNROLL for (auto& m : mins) m = hn::Zero(int_tag());
      for (std::size_t g = 0; g < granules; ++g, granule += code_bytes(Q::code_bits)) {
        prefetch_ahead<1>(unit.codes, unit.bytes(unit_columns<Q>), b * granules + g, unit_columns<Q> / 32);
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
          const std::size_t r = v * lanes;
          const auto code = [&](std::size_t q) NIBBLE_ATTR { return values<Q>(granule, q, r); };
          if constexpr (super_block_format<Q>) {
            constexpr std::size_t sub_blocks = 32 / Q::scales::sub_block;
            part[v] = add_granule<Q>(
                part[v], code, [&](std::size_t j) NIBBLE_ATTR { return read_scale(scales, g * sub_blocks + j, r); }, *a, g);
            if constexpr (Q::scales::has_offset) {
              // as their granules pass: memory is not asked for more while nothing but sums is worked on
              if (g % 2 == 1) mins[v] = add_pairs(mins[v], read_mins(scales, g - 1, r), broadcast_pair(a->sums.data() + g - 1));
            }
          } else {
            sum[v] = add_granule<Q>(sum[v], code, read_affine(scales, r), *a);
          }
        }
      }
      if constexpr (super_block_format<Q>) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
          if constexpr (Q::scales::has_offset) {
            part[v] = hn::MulAdd(hn::ConvertTo(d, mins[v]), read_min_scale(scales, v * lanes), part[v]);
          }
          sum[v] = hn::MulAdd(part[v], hn::Set(d, a->scale), sum[v]);
        }
      }
    }
  }
  NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) hn::StoreU(sum[v], d, out + v * lanes);
}

// ---- many tokens -----------------------------------------------------------------------------------------------------------

/// Registers of rows, and tokens, whose sums are worked on at once: with a unit as it stands, and with a tile.
template <class Source>
inline constexpr std::size_t row_vectors = std::min<std::size_t>(2, Source::rows / lanes);
inline constexpr std::size_t token_block = NIBBLE_HAS_QUAD_DOT && lanes >= panel_rows ? 8 : 4, tile_tokens = 4;
static_assert(activation_bundle % token_block == 0 && activation_bundle % tile_tokens == 0,
              "a block's activations are one stream");

/// Adds the products of Quads quads of codes to the sums of Tokens tokens: what add_products does, but each register of codes
/// serves all tokens, and each broadcast all registers of codes. load_codes(q, v) gives register v of quad q; a the activations
/// of the first token, from quad `first` on.
template <unsigned Bits, std::size_t Quads, std::size_t Tokens, std::size_t Vectors, class Code, class Block>
HWY_INLINE void add_tile_products(int_vec (&n)[Tokens][Vectors], const Code& load_codes, const Block* a, std::size_t first) {
  const auto quad = [&](std::size_t i, std::size_t q) NIBBLE_ATTR { return a[i].code.data() + (first + q) * 4; };
#if NIBBLE_HAS_QUAD_DOT
  NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) {
    byte_vec codes[Vectors];
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) codes[v] = load_codes(q, v);
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      if constexpr (Vectors == 1) {
        n[i][0] = add_quads<Bits>(n[i][0], codes[0], quad(i, q));
      } else {
        const auto s = broadcast_quad(quad(i, q));
        NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) n[i][v] = add_quads<Bits>(n[i][v], codes[v], s);
      }
    }
  }
#else
  const auto one = hn::Set(short_tag(), 1);
  if constexpr (Bits == 8) {
    const byte_tag d;
    const hn::Repartition<std::uint16_t, byte_tag> d16;
    const auto fifteen = hn::Set(d, 15);
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      short_vec low[Tokens], high[Tokens];
      NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) {
        const auto codes = load_codes(q, v);
        const auto l = hn::And(codes, fifteen),
                   h = hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d16, codes))), fifteen);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          const auto s = broadcast_quad(quad(i, q));
          low[i] = q == 0 ? mul_pairs(l, s) : add_in_order(low[i], mul_pairs(l, s));
          high[i] = q == 0 ? mul_pairs(h, s) : add_in_order(high[i], mul_pairs(h, s));
        }
      }
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        n[i][v] = add_pairs(add_pairs(n[i][v], low[i], one), high[i], hn::Set(short_tag(), 16));
      }
    }
  } else {
    constexpr std::size_t chain = std::min<std::size_t>(Quads, Bits == 4 ? 8 : Bits == 5 ? 4 : 2);
    NIBBLE_UNROLL for (std::size_t first = 0; first < Quads; first += chain) {
      short_vec pairs[Tokens][Vectors];
      NIBBLE_UNROLL for (std::size_t q = first; q < first + chain; ++q) {
        byte_vec codes[Vectors];
        NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) codes[v] = load_codes(q, v);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          const auto s = broadcast_quad(quad(i, q));
          NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
            const auto products = mul_pairs(codes[v], s);
            pairs[i][v] = q == first ? products : add_in_order(pairs[i][v], products);
          }
        }
      }
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) n[i][v] = add_pairs(n[i][v], pairs[i][v], one);
      }
    }
  }
#endif
}

/// Adds `count` granules, of a tile or of a packed unit, to the sums of Tokens tokens, rows of 16 that are `stride` apart.
template <class Q, std::size_t Tokens, class Source>
HWY_INLINE void add_tile(const Source& t, std::size_t count, const activation_block* first, std::size_t step, float* sums,
                         std::size_t stride) {
  const float_tag d;
  constexpr std::size_t vectors = row_vectors<Source>;
  for (std::size_t r = 0; r < Source::rows; r += vectors * lanes) {
    float_vec sum[Tokens][vectors];
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) sum[i][v] = hn::Load(d, sums + i * stride + r + v * lanes);
    }
    for (std::size_t g = 0; g < count; ++g) {
      const activation_block* a = first + g * step;
      int_vec n[Tokens][vectors];
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) n[i][v] = sum_start<Q>(a[i]);
      }
      add_tile_products<value_bits<Q>, 8>(
          n, [&](std::size_t q, std::size_t v) NIBBLE_ATTR { return t.values_of(g, q, r + v * lanes); }, a, 0);
      affine_vec scales[vectors];
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) scales[v] = t.affine_of(g, r + v * lanes);
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
          const auto m = hn::Mul(hn::ConvertTo(d, n[i][v]), hn::Set(d, a[i].scale));
          auto& s = sum[i][v];
          s = hn::MulAdd(m, scales[v].scale, s);
          if constexpr (Q::scales::has_offset) s = hn::MulAdd(hn::Set(d, a[i].sum), scales[v].offset, s);
        }
      }
    }
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) hn::Store(sum[i][v], d, sums + i * stride + r + v * lanes);
    }
  }
}
/// The same for a super-block.
template <class Q, std::size_t Tokens, class Source>
HWY_INLINE void add_tile(const Source& t, std::size_t, const activation_super_block* a, std::size_t, float* sums,
                         std::size_t stride) {
  const float_tag d;
  constexpr std::size_t vectors = row_vectors<Source>;
  constexpr std::size_t sub_blocks = 32 / Q::scales::sub_block, quads = 8 / sub_blocks;
  for (std::size_t r = 0; r < Source::rows; r += vectors * lanes) {
    float_vec part[Tokens][vectors];
    NIBBLE_UNROLL for (auto& token : part) { NIBBLE_UNROLL for (auto& p : token) p = hn::Zero(d); }
    for (std::size_t g = 0; g < 8; ++g) {
      NIBBLE_UNROLL for (std::size_t j = 0; j < sub_blocks; ++j) {
        int_vec n[Tokens][vectors];
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) n[i][v] = sum_start<Q>(a[i], g, j);
        }
        add_tile_products<value_bits<Q>, quads>(
            n, [&](std::size_t q, std::size_t v) NIBBLE_ATTR { return t.values_of(g, j * quads + q, r + v * lanes); }, a,
            g * 8 + j * quads);
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
          const auto scale = t.scale_of(g, j, r + v * lanes);
          NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
            part[i][v] = hn::MulAdd(scaled(n[i][v], a[i].exponent[g]), scale, part[i][v]);
          }
        }
      }
    }
    if constexpr (Q::scales::has_offset) {
      int_vec mins[Tokens][vectors];
      NIBBLE_UNROLL for (auto& token : mins) { NIBBLE_UNROLL for (auto& m : token) m = hn::Zero(int_tag()); }
      NIBBLE_UNROLL for (std::size_t j = 0; j < 8; j += 2) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
          const auto pair = t.mins_of(j, r + v * lanes);
          NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
            mins[i][v] = add_pairs(mins[i][v], pair, broadcast_pair(a[i].sums.data() + j));
          }
        }
      }
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
        const auto scale = t.min_scale_of(r + v * lanes);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          part[i][v] = hn::MulAdd(hn::ConvertTo(d, mins[i][v]), scale, part[i][v]);
        }
      }
    }
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
        float* sum = sums + i * stride + r + v * lanes;
        hn::Store(hn::MulAdd(part[i][v], hn::Set(d, a[i].scale), hn::Load(d, sum)), d, sum);
      }
    }
  }
}

/// Calls f(std::integral_constant<n>, first) over blocks of `count` tokens: as many of `Block` as fit, then ever smaller ones;
/// of 3, too, where Threes says that they are worth their code.
template <std::size_t Block, bool Threes = false, class F>
HWY_INLINE void for_each_block(std::size_t first, std::size_t count, const F& f) {
  for (; first + Block <= count; first += Block) f(std::integral_constant<std::size_t, Block>(), first);
  if constexpr (Block > 1) {
    constexpr std::size_t next = Block > 8 ? 8 : Block > 4 ? 4 : Block == 4 && !Threes ? 2 : Block - 1;
    if (first < count) for_each_block<next, Threes>(first, count, f);
  }
}

/// Up to so many tokens work on the codes as they stand in memory: reading, which they wait for, then never pauses.
inline constexpr std::size_t few_tokens = 2 * token_block;

/// Tokens that one unpacked tile serves before the next is unpacked: their activations stay in L2.
inline constexpr std::size_t token_chunk = 128;
static_assert(token_chunk % activation_bundle == 0);

/// The sums of one group for up to few_tokens tokens: rows of 16 that are `stride` apart.
template <integer_format Q>
HWY_INLINE void add_group(unit_source<Q>& units, std::size_t columns, const activation_of<Q>* a, std::size_t tokens,
                          float* sums, std::size_t stride) {
  constexpr std::size_t in_block = activation_of<Q>::columns;
  for (std::size_t i = 0; i < tokens; ++i) std::fill_n(sums + i * stride, panel_rows, 0.0f);
  for (std::size_t first = 0; first < columns; first += unit_columns<Q>) {
    const packed<Q> source{read_unit(units, columns, first)};
    prefetch_ahead<2>(source.unit.scales, source.unit.bytes(unit_columns<Q>));
    for_each_block<token_block>(0, tokens, [&](auto block, std::size_t i) NIBBLE_ATTR {
      const auto [start, step] = place_of(i, tokens, columns / in_block);
      add_tile<Q, block()>(source, source.unit.columns / 32, a + start + first / in_block * step, step, sums + i * stride,
                           stride);
    });
  }
}

/// The sums of tile_groups groups: rows of 16 for each, that are `stride` apart. While a tile of weights is worked on, for more
/// than few_tokens tokens, memory is asked for the next.
template <integer_format Q>
HWY_INLINE void add_groups(unit_source<Q> (&units)[tile_groups], std::size_t columns, const activation_of<Q>* a,
                           std::size_t tokens, float* sums, std::size_t stride) {
  constexpr std::size_t in_block = activation_of<Q>::columns;
  for (std::size_t i = 0; i < tokens; ++i) std::fill_n(sums + i * stride, tile<Q>::rows, 0.0f);
  tile<Q> t;
  for (std::size_t first = 0; first < columns; first += tile_columns) {
    const std::size_t count = std::min(tile_columns, columns - first) / 32;
    for (std::size_t k = 0; k < tile_groups; ++k) fill<Q>(t, k, units[k], columns, first, count);
    for_each_block<tile_tokens>(0, tokens, [&](auto block, std::size_t i) NIBBLE_ATTR {
      for (const auto& of_group : units) {
        const auto* next = of_group.behind(first);
        if (next) prefetch<2>(next, tile_bytes<Q>, i / tile_tokens, tokens / tile_tokens);
      }
      const auto [start, step] = place_of(i, tokens, columns / in_block);
      add_tile<Q, block()>(t, count, a + start + first / in_block * step, step, sums + i * stride, stride);
    });
  }
}

/// What m.how says, for the sums of groups from `group` on, (tokens, rows), and the rows of them that are there.
HWY_NOINLINE inline void store_rows(const matmul_args& m, std::size_t group, std::size_t token, std::size_t tokens,
                                    const float* sums, std::size_t rows) {
  const std::size_t row = group * panel_rows, count = std::min(std::min(rows, (m.last - group) * panel_rows), m.rows - row);
  float* out = m.output + token * m.output_stride + row;
  for (std::size_t i = 0; i < tokens; ++i, out += m.output_stride, sums += rows) {
    switch (m.how) {
      case epilogue::replace:
        zip_in_place(out, sums, count, [](float_vec, float_vec sum) NIBBLE_ATTR { return sum; });
        break;
      case epilogue::add:
        add(out, sums, count);
        break;
      case epilogue::gate:
        gated(out, sums, count, m.gate);
        break;
    }
  }
}

template <integer_format Q>
void matmul(const matmul_args& m) {
  alignas(64) float sums[token_chunk * tile<Q>::rows];
  const auto* a = static_cast<const activation_of<Q>*>(m.input);
  const std::size_t blocks = m.columns / activation_of<Q>::columns;
  for (std::size_t token = 0; token < m.tokens; token += token_chunk) {
    const std::size_t tokens = std::min(token_chunk, m.tokens - token), groups = tokens <= few_tokens ? 1 : tile_groups;
    const auto* input = a + token * blocks;
    for (std::size_t g = m.first; g < m.last; g += groups) {
      if (tokens == 1 && m.groups) {
        one_token<Q>(m.groups + g * m.group_bytes, m.columns, input, sums);
      } else if (tokens <= few_tokens) {
        unit_source<Q> units;
        units.open(m, g);
        add_group<Q>(units, m.columns, input, tokens, sums, panel_rows);
      } else {
        unit_source<Q> units[tile_groups];
        for (std::size_t k = 0; k < tile_groups; ++k) units[k].open(m, std::min(g + k, m.last - 1));  // the last one twice
        add_groups<Q>(units, m.columns, input, tokens, sums, tile<Q>::rows);
      }
      store_rows(m, g, token, tokens, sums, groups * panel_rows);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
