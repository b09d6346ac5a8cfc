/// Sums of products of several tokens, over panels of integer formats: for a few, which read panels as they stand, and for
/// many, which share 256 columns of one or two groups, unpacked into a tile; see products-inl.hpp.
#if defined(NIBBLE_KERNELS_MANY_TOKENS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_MANY_TOKENS_INL_HPP
#undef NIBBLE_KERNELS_MANY_TOKENS_INL_HPP
#else
#define NIBBLE_KERNELS_MANY_TOKENS_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nibble/core/aligned.hpp"
#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/panel-inl.hpp"
#include "nibble/kernels/products-inl.hpp"
#include "nibble/kernels/tile-inl.hpp"
#include "nibble/kernels/unit_source.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/format.hpp"
#include "nibble/quant/panel.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Registers of rows whose sums are worked on at once.
template <class Source>
inline constexpr std::size_t row_vectors = std::min<std::size_t>(2, Source::rows / lanes);

/// The codes of activations that granule g of a tile is multiplied with.
HWY_INLINE const std::int8_t* codes_of(const activation_block& a, std::size_t) { return a.code.data(); }
HWY_INLINE const std::int8_t* codes_of(const activation_super_block& a, std::size_t g) { return a.code.data() + g * 32; }

/// add_products for Tokens tokens and Vectors registers of rows from row r on, for quads first ... first + Quads - 1 of granule
/// g: each register of weights serves all tokens, and each broadcast of activations all registers of rows. a are the blocks of
/// the tokens. Longer than others, for it is four functions: for products of four, for pairs, and for pairs of 8-bit values in
/// two ways.
template <class Q, dot Dot, std::size_t Quads, std::size_t Tokens, std::size_t Vectors, class Source, class Block>
HWY_INLINE void add_tile_products(int_vec (&n)[Tokens][Vectors], const Source& t, std::size_t r, std::size_t g,
                                  std::size_t first, const Block* a) {
  constexpr unsigned Bits = value_bits<Q>;
  const auto quad = [&](std::size_t i, std::size_t q) NIBBLE_ATTR { return codes_of(a[i], g) + (first + q) * 4; };
  const auto load_codes = [&](std::size_t q, std::size_t v) NIBBLE_ATTR { return t.values_of(g, first + q, r + v * lanes); };
  const auto one = hn::Set(short_tag(), 1);
  if constexpr (Dot == dot::quads) {
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
  } else if constexpr (signed_levels<Q, Dot>) {
    NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) {
      parts_vec parts[Vectors];
      NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) parts[v] = t.parts_of(g, first + q, r + v * lanes);
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        const auto s = broadcast_quad(quad(i, q));
        NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
          n[i][v] = in_order(add_pairs(n[i][v], mul_signed_pairs(parts[v], s), one));
        }
      }
    }
  } else if constexpr (Bits == 8) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      short_vec low[Tokens], high[Tokens];
      NIBBLE_UNROLL for (std::size_t q = 0; q < Quads; ++q) {
        const auto half = t.parts_of(g, first + q, r + v * lanes);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          const auto s = broadcast_quad(quad(i, q));
          low[i] = q == 0 ? mul_pairs(half.first, s) : in_order(hn::Add(low[i], mul_pairs(half.first, s)));
          high[i] = q == 0 ? mul_pairs(half.second, s) : in_order(hn::Add(high[i], mul_pairs(half.second, s)));
        }
      }
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        n[i][v] = add_pairs(add_pairs(n[i][v], low[i], one), high[i], hn::Set(short_tag(), 16));
      }
    }
  } else {
    constexpr std::size_t chain = std::min(Quads, pairs_in_16_bits<Bits>);
    NIBBLE_UNROLL for (std::size_t begin = 0; begin < Quads; begin += chain) {
      short_vec pairs[Tokens][Vectors];
      NIBBLE_UNROLL for (std::size_t q = begin; q < begin + chain; ++q) {
        byte_vec codes[Vectors];
        NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) codes[v] = load_codes(q, v);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          const auto s = broadcast_quad(quad(i, q));
          NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
            const auto products = mul_pairs(codes[v], s);
            pairs[i][v] = q == begin ? products : in_order(hn::Add(pairs[i][v], products));
          }
        }
      }
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) n[i][v] = in_order(add_pairs(n[i][v], pairs[i][v], one));
      }
    }
  }
}

/// Adds `count` granules of a tile or a packed unit to the sums of Tokens tokens.
/// @shape   first: the blocks of the tokens, side by side, `step` blocks from granule to granule; sums (Tokens, Source::rows),
///          rows `stride` apart
template <class Q, dot Dot, std::size_t Tokens, class Source>
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
      constexpr std::size_t halves = two_halves<Q> ? 2 : 1;
      NIBBLE_UNROLL for (std::size_t j = 0; j < halves; ++j) {
        int_vec n[Tokens][vectors];
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
            n[i][v] = halves == 2 ? sum_start<Q, Dot>(a[i], j) : sum_start<Q, Dot>(a[i]);
          }
        }
        add_tile_products<Q, Dot, 8 / halves>(n, t, r, g, j * 4, a);
        affine_vec scales[vectors];
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) scales[v] = t.affine_of(g, r + v * lanes);
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
            const auto m = hn::Mul(hn::ConvertTo(d, n[i][v]), hn::Set(d, a[i].scale));
            auto& s = sum[i][v];
            s = hn::MulAdd(m, j == 0 ? scales[v].scale : scales[v].offset, s);
            if constexpr (Q::scales::has_offset) s = hn::MulAdd(hn::Set(d, a[i].sum), scales[v].offset, s);
          }
        }
      }
    }
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) hn::Store(sum[i][v], d, sums + i * stride + r + v * lanes);
    }
  }
}
/// part + the minima of a super-block's sub-blocks, times the sums of the activations, for `lanes` x `vectors` rows from r on.
template <class Source, std::size_t Tokens, std::size_t Vectors>
HWY_INLINE void add_mins(const Source& t, std::size_t r, const activation_super_block* a, float_vec (&part)[Tokens][Vectors]) {
  int_vec mins[Tokens][Vectors];
  NIBBLE_UNROLL for (auto& token : mins) { NIBBLE_UNROLL for (auto& m : token) m = hn::Zero(int_tag()); }
  NIBBLE_UNROLL for (std::size_t j = 0; j < 8; j += 2) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      const auto pair = t.mins_of(j, r + v * lanes);
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
        mins[i][v] = add_pairs(mins[i][v], pair, broadcast_pair(a[i].sums.data() + j));
      }
    }
  }
  NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
    const auto scale = t.min_scale_of(r + v * lanes);
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      part[i][v] = hn::MulAdd(hn::ConvertTo(float_tag(), mins[i][v]), scale, part[i][v]);
    }
  }
}
/// sum_start of all sub-blocks of a super-block, for each token: side by side, and then broadcast from memory, which is free.
template <class Q, dot Dot, std::size_t Tokens>
struct sum_starts {
  static constexpr bool made = zero_point_left<Q, Dot> != 0 && Q::scales::sub_block == 16;
  alignas(64) std::int32_t of[made ? Tokens : 1][16];

  HWY_INLINE explicit sum_starts(const activation_super_block* a) {
    const hn::Rebind<std::int16_t, int_tag> d16;
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens && made; ++i) {
      NIBBLE_UNROLL for (std::size_t k = 0; k < 16; k += lanes) {
        const auto sums = hn::PromoteTo(int_tag(), hn::LoadU(d16, a[i].half_sums.data() + k));
        hn::Store(hn::Mul(sums, hn::Set(int_tag(), -zero_point_left<Q, Dot>)), int_tag(), of[i] + k);
      }
    }
  }
  HWY_INLINE int_vec at(const activation_super_block* a, std::size_t i, std::size_t g, std::size_t j) const {
    if constexpr (made) return hn::Set(int_tag(), of[i][2 * g + j]);
    return sum_start<Q, Dot>(a[i], g, j);
  }
};
/// add_tile for a super-block, all eight granules.
template <class Q, dot Dot, std::size_t Tokens, class Source>
HWY_INLINE void add_tile(const Source& t, std::size_t, const activation_super_block* a, std::size_t, float* sums,
                         std::size_t stride) {
  const float_tag d;
  constexpr std::size_t vectors = row_vectors<Source>;
  constexpr std::size_t sub_blocks = super_sub_blocks<Q>, quads = 8 / sub_blocks;
  for (std::size_t r = 0; r < Source::rows; r += vectors * lanes) {
    float_vec part[Tokens][vectors];
    NIBBLE_UNROLL for (auto& token : part) { NIBBLE_UNROLL for (auto& p : token) p = hn::Zero(d); }
    const sum_starts<Q, Dot, Tokens> starts(a);
    for (std::size_t g = 0; g < 8; ++g) {
      NIBBLE_UNROLL for (std::size_t j = 0; j < sub_blocks; ++j) {
        int_vec n[Tokens][vectors];
        NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
          NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) n[i][v] = starts.at(a, i, g, j);
        }
        add_tile_products<Q, Dot, quads>(n, t, r, g, j * quads, a);
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
          const auto scale = t.scale_of(g, j, r + v * lanes);
          NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
            part[i][v] = hn::MulAdd(scaled(n[i][v], a[i].exponent[g]), scale, part[i][v]);
          }
        }
      }
      if constexpr (half_mins<Q>) {
        NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
          const auto pair = t.mins_of(2 * g, r + v * lanes);
          const auto scale = t.min_scale_of(r + v * lanes);
          NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) part[i][v] = add_half_mins(part[i][v], pair, scale, a[i], g);
        }
      }
    }
    if constexpr (Q::scales::has_offset && !half_mins<Q>) add_mins(t, r, a, part);
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < vectors; ++v) {
        float* sum = sums + i * stride + r + v * lanes;
        hn::Store(hn::MulAdd(part[i][v], hn::Set(d, a[i].scale), hn::Load(d, sum)), d, sum);
      }
    }
  }
}

/// Some granules' blocks of a block of tokens, side by side, `step` blocks from granule to granule.
template <class Block>
struct token_blocks {
  const Block* first;
  std::size_t step;
};
/// For a function that reads the blocks of Tokens tokens where there are fewer. In the places of those that lack it finds
/// blocks of the next granules, if there are enough `behind` these. If not, the granules are copied, with the last token again
/// in these places.
template <std::size_t Tokens, class Block, std::size_t Room>
HWY_INLINE token_blocks<Block> whole_block(token_blocks<Block> of, std::size_t granules, std::size_t tokens, std::size_t behind,
                                           Block (&copy)[Room]) {
  if (Tokens - tokens <= behind) return of;
  Block* to = copy;
  for (std::size_t g = 0; g < granules; ++g, of.first += of.step) {
    for (std::size_t i = 0; i < Tokens; ++i) *to++ = of.first[std::min(i, tokens - 1)];
  }
  return {copy, Tokens};
}

/// The sums of one group for any number of tokens: faster than a tile for up to few_tokens<Q> of them, and for up to
/// few_queries where pairs of a key's codes are multiplied.
/// @shape   a: the tokens' blocks, see place_of(); sums (tokens, in whole blocks of token_block; 16), rows `stride` apart
template <coded_format Q, dot Dot = target_dot, class Units>
HWY_INLINE void add_group(Units& units, std::size_t columns, const activation_of<Q>* a, std::size_t tokens, float* sums,
                          std::size_t stride) {
  constexpr std::size_t in_block = activation_of<Q>::columns;
  activation_of<Q> copy[unit_columns<Q> / in_block * token_block];
  for (std::size_t i = 0; i < round_up(tokens, token_block); ++i) std::fill_n(sums + i * stride, panel_rows, 0.0f);
  for (std::size_t first = 0; first < columns; first += unit_columns<Q>) {
    const packed<Q> source{read_unit<Q>(units, columns, first)};
    const std::size_t count = source.unit.columns;
    prefetch_ahead<2>(source.unit.scales, source.unit.bytes(unit_columns<Q>));
    for_each_token_block(tokens, [&](auto block, std::size_t i, std::size_t n) NIBBLE_ATTR {
      const auto [start, step] = place_of(i, tokens, columns / in_block);
      const token_blocks<activation_of<Q>> of{a + start + first / in_block * step, step};
      const auto whole = whole_block<block()>(of, count / in_block, n, (columns - first - count) / in_block * step, copy);
      add_tile<Q, Dot, block()>(source, count / 32, whole.first, whole.step, sums + i * stride, stride);
    });
  }
}

/// The sums of tile_groups groups for up to token_chunk tokens. The tile after this one is asked for piece by piece: while this
/// one is filled, or, where codes are not copied, between blocks of tokens.
/// @shape   a: the tokens' blocks, see place_of(), and behind them `spare` more that may be read; sums (tokens, in whole blocks
///          of tile_tokens; tile_groups * 16), rows `stride` apart
template <coded_format Q, dot Dot = target_dot, class Units>
HWY_INLINE void add_groups(Units (&units)[tile_groups], std::size_t columns, const activation_of<Q>* a, std::size_t tokens,
                           std::size_t spare, float* sums, std::size_t stride) {
  constexpr std::size_t in_block = activation_of<Q>::columns;
  activation_of<Q> copy[tile_columns / in_block * tile_tokens];
  for (std::size_t i = 0; i < round_up(tokens, tile_tokens); ++i) std::fill_n(sums + i * stride, tile<Q, Dot>::rows, 0.0f);
  tile<Q, Dot> t;
  for (std::size_t first = 0; first < columns; first += tile_columns) {
    const std::size_t count = std::min(tile_columns, columns - first);
    for (std::size_t k = 0; k < tile_groups; ++k) fill<Q>(t, k, units[k], columns, first, count / 32);
    for_each_block<false, tile_tokens>(0, tokens, [&](auto block, std::size_t i, std::size_t n) NIBBLE_ATTR {
      for (const auto& of_group : units) {
        const auto* next = t.copied ? nullptr : of_group.next_tile(first);
        if (next) prefetch<2>(next, tile_bytes<Q>, i / tile_tokens, (tokens + tile_tokens - 1) / tile_tokens);
      }
      const auto [start, step] = place_of(i, tokens, columns / in_block);
      const token_blocks<activation_of<Q>> of{a + start + first / in_block * step, step};
      const auto whole =
          whole_block<block()>(of, count / in_block, n, spare + (columns - first - count) / in_block * step, copy);
      add_tile<Q, Dot, block()>(t, count / 32, whole.first, whole.step, sums + i * stride, stride);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
