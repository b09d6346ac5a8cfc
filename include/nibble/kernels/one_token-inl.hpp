/// Sums of products of one token, over panels of integer formats that are read as they stand; see products-inl.hpp.
#if defined(NIBBLE_KERNELS_ONE_TOKEN_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ONE_TOKEN_INL_HPP
#undef NIBBLE_KERNELS_ONE_TOKEN_INL_HPP
#else
#define NIBBLE_KERNELS_ONE_TOKEN_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/panel-inl.hpp"
#include "nibble/kernels/products-inl.hpp"
#include "nibble/quant/activation.hpp"
#include "nibble/quant/format.hpp"
#include "nibble/quant/panel.hpp"
#include "nibble/quant/widened.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Adds `columns` columns, whole units, of one group to the sums of one token.
/// @shape   a: the token's blocks, side by side; out (16)
///
/// One token is as fast as memory, which is fastest when bytes are asked for in the order in which they lie. The sums read
/// scales and codes by turns, so each granule first asks for an equal share of the bytes ahead, from the codes on: the stream
/// goes on in the next unit.
///
/// One function, longer than others, and not inlined: where its steps were functions, or stood among the registers of another
/// function, g++ 12 read the bytes of a granule in another order, and slower.
template <coded_format Q, dot Dot = target_dot>
HWY_NOINLINE void one_token(const std::byte* group, std::size_t columns, const activation_of<Q>* a, float* out) {
  constexpr std::size_t vectors = panel_rows / lanes, granules = Q::scales::columns / 32;
  const float_tag d;
  float_vec sum[vectors];
  NIBBLE_UNROLL_ROWS for (std::size_t v = 0; v < vectors; ++v) sum[v] = hn::LoadU(d, out + v * lanes);
  for (std::size_t first = 0; first < columns; first += unit_columns<Q>) {
    const panel_unit<Q, const std::byte> unit(group, columns, first);
    const std::uint8_t* granule = unit.codes;
    for (std::size_t b = 0; b < unit.columns / Q::scales::columns; ++b, a += super_block_format<Q> ? 1 : granules) {
      const auto& scales = unit.scales[b];
      float_vec part[vectors];
      int_vec mins[vectors];
      NIBBLE_UNROLL_ROWS for (auto& p : part) p = hn::Zero(d);
      NIBBLE_UNROLL_ROWS for (auto& m : mins) m = hn::Zero(int_tag());
      for (std::size_t g = 0; g < granules; ++g, granule += code_bytes(Q::code_bits)) {
        if constexpr (!widened_codes<Q>) {  // these were just made
          prefetch_ahead<stream_cache>(unit.codes, unit.bytes(unit_columns<Q>), b * granules + g, unit_columns<Q> / 32);
        }
        NIBBLE_UNROLL_ROWS for (std::size_t v = 0; v < vectors; ++v) {
          const std::size_t r = v * lanes;
          const granule_codes<Q> code{granule, r};
          if constexpr (super_block_format<Q>) {
            constexpr std::size_t sub_blocks = super_sub_blocks<Q>;
            part[v] = add_granule<Q, Dot>(
                part[v], code, [&](std::size_t j) NIBBLE_ATTR { return read_scale(scales, g * sub_blocks + j, r); }, *a, g);
            if constexpr (half_mins<Q>) {
              part[v] = add_half_mins(part[v], read_mins(scales, 2 * g, r), read_min_scale(scales, r), *a, g);
            } else if constexpr (Q::scales::has_offset) {
              // between the granules, where memory is being asked for more; a loop of their own would let it idle
              if (g % 2 == 1) mins[v] = add_pairs(mins[v], read_mins(scales, g - 1, r), broadcast_pair(a->sums.data() + g - 1));
            }
          } else {
            sum[v] = add_granule<Q, Dot>(sum[v], code, read_affine(scales, g, r), a[g]);
          }
        }
      }
      if constexpr (super_block_format<Q>) {
        NIBBLE_UNROLL_ROWS for (std::size_t v = 0; v < vectors; ++v) {
          if constexpr (Q::scales::has_offset && !half_mins<Q>) {
            part[v] = hn::MulAdd(hn::ConvertTo(d, mins[v]), read_min_scale(scales, v * lanes), part[v]);
          }
          sum[v] = hn::MulAdd(part[v], hn::Set(d, a->scale), sum[v]);
        }
      }
    }
  }
  NIBBLE_UNROLL_ROWS for (std::size_t v = 0; v < vectors; ++v) hn::StoreU(sum[v], d, out + v * lanes);
}
/// The same for units that do not stand one behind the other.
template <coded_format Q, dot Dot = target_dot, class Units>
HWY_INLINE void one_token(Units& units, std::size_t columns, const activation_of<Q>* a, float* out) {
  for (std::size_t first = 0; first < columns; first += unit_columns<Q>) {
    const std::size_t count = std::min(unit_columns<Q>, columns - first);
    one_token<Q, Dot>(units.at(first, count), count, a + first / activation_of<Q>::columns, out);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
