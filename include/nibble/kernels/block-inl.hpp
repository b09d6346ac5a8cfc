/// Blocks: how many tokens, queries and groups of rows the kernels work on at once, so that their sums stay in registers and
/// what they read stays in cache.
#if defined(NIBBLE_KERNELS_BLOCK_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_BLOCK_INL_HPP
#undef NIBBLE_KERNELS_BLOCK_INL_HPP
#else
#define NIBBLE_KERNELS_BLOCK_INL_HPP
#endif

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

/// Up to this many tokens read packed units where they stand: they wait for memory, and unpacking would interrupt the reading.
inline constexpr std::size_t few_tokens = 2 * token_block;

/// Tokens that use one unpacked tile before the next is unpacked: their activations stay in the second cache.
inline constexpr std::size_t token_chunk = 128;
static_assert(token_chunk % activation_bundle == 0);

/// Calls f(std::integral_constant<n>, first) for blocks of n tokens that make up `count`: as many of `Block` as fit, then
/// smaller ones. Blocks of 3 only where Threes says so, for each size of block is code of its own.
template <std::size_t Block, bool Threes = false, class F>
HWY_INLINE void for_each_block(std::size_t first, std::size_t count, const F& f) {
  for (; first + Block <= count; first += Block) f(std::integral_constant<std::size_t, Block>(), first);
  if constexpr (Block > 1) {
    constexpr std::size_t next = Block > 8 ? 8 : Block > 4 ? 4 : Block == 4 && !Threes ? 2 : Block - 1;
    if (first < count) for_each_block<next, Threes>(first, count, f);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
