/// Blocks: how many tokens, queries and groups of rows the kernels work on at once, so that their sums stay in registers and
/// what they read stays in cache.
#if defined(NIBBLE_KERNELS_BLOCK_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_BLOCK_INL_HPP
#undef NIBBLE_KERNELS_BLOCK_INL_HPP
#else
#define NIBBLE_KERNELS_BLOCK_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/panel.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Groups of rows that many tokens multiply at once. With 512 bits two registers of rows share each broadcast of activations:
/// a core can then load as fast as it multiplies.
inline constexpr std::size_t tile_groups = lanes >= panel_rows ? 2 : 1;

/// Tokens whose sums are in registers at once: reading packed units, reading tiles, and with weights in float.
inline constexpr std::size_t token_block = NIBBLE_HAS_QUAD_DOT && lanes >= panel_rows ? 8 : 4, tile_tokens = 4;
inline constexpr std::size_t float_token_block = lanes == 16 ? 8 : lanes == 8 ? 6 : 4;
static_assert(activation_bundle % token_block == 0 && activation_bundle % tile_tokens == 0,
              "a block's activations are one stream");

/// Up to this many tokens read packed units where they stand: unpacking these would cost more than it saves. Scales of
/// super-blocks cost more to read than others, so there it is fewer.
template <class Q>
inline constexpr std::size_t few_tokens = token_block == 8        ? 16
                                          : super_block_format<Q> ? 6
                                                                  : 8;

/// Tokens that use one unpacked tile before the next is unpacked: their activations stay in the second cache.
inline constexpr std::size_t token_chunk = 128;
static_assert(token_chunk % activation_bundle == 0);

/// Queries whose outputs are worked on at once, at most: as many sums as registers hold.
inline constexpr std::size_t output_block = lanes == 16 ? 8 : 4;

/// Up to this many queries, those of a decoded token, read a tile of keys once, from memory, so the keys ahead are asked for.
inline constexpr std::size_t few_queries = 16;

/// Calls f(std::integral_constant<size>, first, n) for blocks of n <= size tokens that make up [begin, end): as many as there
/// are of the first of some sizes that fall, and for what is left one of the least size that holds it. Or, where all are to be
/// Full, as many as there are of each size in turn, which end with 1.
///
/// Functions for a number of tokens take a block that is not full, too: something else stands in the places that are left, and
/// nobody reads what it gives. So there is code for few sizes: code is what compiling the kernels costs.
template <bool Full, std::size_t Size, std::size_t... Smaller, class F>
HWY_INLINE void for_each_block(std::size_t begin, std::size_t end, const F& f) {
  constexpr std::size_t next = std::max({std::size_t{0}, Smaller...}), least = Full ? Size : next + 1;
  static_assert(Size > next, "sizes fall");
  static_assert(!Full || next > 0 || Size == 1, "blocks that are all full end with 1");
  for (; begin + least <= end; begin += Size) {
    f(std::integral_constant<std::size_t, Size>(), begin, Full ? Size : std::min(Size, end - begin));
  }
  if constexpr (next > 0) {
    if (begin < end) for_each_block<Full, Smaller...>(begin, end, f);
  }
}
/// sum[i][v] += x(i) * w(v), all in registers: the operands that are fewer are loaded first, and stay there.
template <std::size_t Tokens, std::size_t Vectors, class X, class W>
HWY_INLINE void add_outer_product(const X& x, const W& w, float_vec (&sum)[Tokens][Vectors]) {
  if constexpr (Tokens < Vectors) {
    float_vec xs[Tokens];
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) xs[i] = x(i);
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      const auto wv = w(v);
      NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) sum[i][v] = hn::MulAdd(xs[i], wv, sum[i][v]);
    }
  } else {
    float_vec ws[Vectors];
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) ws[v] = w(v);
    NIBBLE_UNROLL for (std::size_t i = 0; i < Tokens; ++i) {
      const auto xi = x(i);
      NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) sum[i][v] = hn::MulAdd(xi, ws[v], sum[i][v]);
    }
  }
}
/// Registers of weights or values, at most `most`, that are multiplied with so many tokens or queries at once: 4 to 12 sums for
/// up to three of them (one alone waits for memory), and 8 or more for others, which stay in registers with what they are of.
constexpr std::size_t vectors_beside(std::size_t tokens, std::size_t most) {
  return std::min<std::size_t>(most, tokens < 4 ? 4 : 2);
}

/// For tokens that read packed units. With 512 bits and dot products they wait for memory, so a block that is not full costs
/// nothing; x86 with 128 bits, which is old, has one size, to save code; all others wait for multiplications.
template <class F>
HWY_INLINE void for_each_token_block(std::size_t tokens, const F& f) {
  if constexpr (token_block == 8) {
    for_each_block<false, 8, 4>(0, tokens, f);
  } else if constexpr (HWY_ARCH_X86 && lanes == 4) {
    for_each_block<false, 4>(0, tokens, f);
  } else {
    for_each_block<true, 4, 2, 1>(0, tokens, f);
  }
}

/// for_each_block for queries, all blocks full: those of a decoded token are mostly four or fewer, and wait for arithmetic.
template <class F>
HWY_INLINE void for_each_query_block(std::size_t begin, std::size_t end, const F& f) {
  if constexpr (output_block > 4) {
    for_each_block<true, output_block, 4, 3, 2, 1>(begin, end, f);
  } else {
    for_each_block<true, 4, 3, 2, 1>(begin, end, f);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
