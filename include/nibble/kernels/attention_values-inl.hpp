/// Adds the values of a tile to the outputs of a block of queries, each value times its probability.
///
/// A value that a query does not see is not multiplied, not even by 0: it may be NaN or infinite. Queries of a block see the
/// slots of a tile from one on, and up to one, that grow from query to query. So what all of them see lies in the middle, where
/// a value is read once for all; before and behind it each query adds its own. Whatever the block, a query adds its slots in
/// the order of their positions.
#if defined(NIBBLE_KERNELS_ATTENTION_VALUES_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef NIBBLE_KERNELS_ATTENTION_VALUES_INL_HPP
#undef NIBBLE_KERNELS_ATTENTION_VALUES_INL_HPP
#else
#define NIBBLE_KERNELS_ATTENTION_VALUES_INL_HPP
#endif

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/softmax-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {

/// Up to this many queries, those of a decoded token, wait for memory at every tile, so they prefetch.
inline constexpr std::size_t few_queries = 7;

/// Queries whose outputs are worked on at once, and registers of their dimensions: as many sums as registers hold. Two
/// registers of values share each broadcast of a probability.
inline constexpr std::size_t output_block = lanes == 16 ? 8 : 4, value_vectors = 2;

/// What a tile adds to the outputs of some queries.
struct tile_weights {
  const slot_range* seen;      // (queries), not empty, in ascending order
  const float* probabilities;  // (queries, 64)
  const float* rescale;        // (queries)
  float* const* out;           // (queries): rows of dimensions
};

/// sums += probability * value over some slots, for Vectors registers of dimensions and Queries queries.
/// @shape   values: those of slot 0, `width` numbers from slot to slot; probabilities (Queries, 64); sums (Queries, 32)
template <std::size_t Queries, std::size_t Vectors, class T>
HWY_INLINE void add_slots(const T* values, std::size_t width, slot_range slots, const float* probabilities, float* sums) {
  const float_tag d;
  float_vec sum[Queries][Vectors];
  NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) sum[n][v] = hn::Load(d, sums + n * kv_block + v * lanes);
  }
  const T* from = values + slots.begin * width;
  for (std::size_t slot = slots.begin; slot < slots.end; ++slot, from += width) {
    if constexpr (Queries <= few_queries) prefetch_ahead<1>(from, Vectors * lanes * sizeof(T));
    float_vec x[Vectors];
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) x[v] = load(from + v * lanes);
    NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
      const auto w = hn::Set(d, probabilities[n * page_positions + slot]);
      NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) sum[n][v] = hn::MulAdd(w, x[v], sum[n][v]);
    }
  }
  NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) hn::Store(sum[n][v], d, sums + n * kv_block + v * lanes);
  }
}
/// The same for all registers that `dims` dimensions fill. Returns how many dimensions that are.
template <std::size_t Queries, class T>
HWY_INLINE std::size_t add_slots_of_block(const T* values, std::size_t dims, slot_range slots, const float* probabilities,
                                          float* sums) {
  std::size_t i = 0;
  for (; i + value_vectors * lanes <= dims; i += value_vectors * lanes) {
    add_slots<Queries, value_vectors>(values + i, dims, slots, probabilities, sums + i);
  }
  for (; i + lanes <= dims; i += lanes) add_slots<Queries, 1>(values + i, dims, slots, probabilities, sums + i);
  return i;
}
/// For one query, whose slots are at an edge of those that its block sees.
template <class T>
HWY_NOINLINE void add_edge(const T* values, std::size_t dims, slot_range slots, const float* probabilities, float* sums) {
  add_slots_of_block<1>(values, dims, slots, probabilities, sums);
}

/// out = out * rescale + probabilities * values, of one query and the dimensions from i on that fill no register.
template <class T>
HWY_NOINLINE void add_last_dims(const T* values, std::size_t i, std::size_t dims, slot_range slots, const float* probabilities,
                                float rescale, float* out) {
  for (; i < dims; ++i) {
    float sum = out[i] * rescale;
    for (std::size_t slot = slots.begin; slot < slots.end; ++slot) sum += probabilities[slot] * float(values[slot * dims + i]);
    out[i] = sum;
  }
}

/// out = out * rescale + probabilities * values, of `dims` dimensions from `first` on.
/// @shape   values (64, dims)
template <std::size_t Queries, class T>
HWY_INLINE void add_value_block(const T* values, std::size_t first, std::size_t dims, const tile_weights& w,
                                const float* probabilities) {
  const float_tag d;
  alignas(64) float sums[Queries * kv_block] = {};
  const slot_range *seen = w.seen, *last = seen + Queries - 1;
  const slot_range middle{last->begin, std::max(last->begin, seen->end)};
  const bool edges = seen->begin != last->begin || seen->end != last->end;
  const auto add_edges = [&](auto&& part) {
    for (std::size_t n = 0; n < Queries && edges; ++n) {
      add_edge(values, dims, part(seen[n]), probabilities + n * page_positions, sums + n * kv_block);
    }
  };
  add_edges([&](slot_range s) { return slot_range{s.begin, std::min(s.end, middle.begin)}; });
  const std::size_t whole = add_slots_of_block<Queries>(values, dims, middle, probabilities, sums);
  add_edges([&](slot_range s) { return slot_range{std::max(s.begin, middle.end), s.end}; });
  for (std::size_t n = 0; n < Queries; ++n) {
    float* out = w.out[n] + first;
    for (std::size_t i = 0; i < whole; i += lanes) {
      const auto sum = hn::Load(d, sums + n * kv_block + i);
      hn::StoreU(hn::MulAdd(hn::LoadU(d, out + i), hn::Set(d, w.rescale[n]), sum), d, out + i);
    }
    if (whole < dims) add_last_dims(values, whole, dims, seen[n], probabilities + n * page_positions, w.rescale[n], out);
  }
}

/// out = out * rescale + probabilities * values of one tile, for Queries queries.
/// @shape   tile: the values of 64 positions, see kv/tile.hpp
template <kv_format Format, std::size_t Queries>
HWY_INLINE void add_value_tile(const std::byte* tile, std::size_t dim, const tile_weights& w) {
  for (std::size_t b = 0; b < dim; b += kv_block, tile += value_block_bytes<Format>(kv_block)) {
    const std::size_t dims = value_width(dim, b);
    if constexpr (std::is_same_v<Format, q8_0>) {  // probability * scale of the position
      alignas(64) float scaled[Queries * page_positions];
      for (std::size_t slot = 0; slot < page_positions; slot += lanes) {
        const auto s = load(reinterpret_cast<const half*>(tile) + slot);
        NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
          const std::size_t at = n * page_positions + slot;
          hn::Store(hn::Mul(hn::Load(float_tag(), w.probabilities + at), s), float_tag(), scaled + at);
        }
      }
      const auto* codes = reinterpret_cast<const std::int8_t*>(tile + page_positions * sizeof(half));
      add_value_block<Queries>(codes, b, dims, w, scaled);
    } else {
      add_value_block<Queries>(reinterpret_cast<const typename Format::block*>(tile), b, dims, w, w.probabilities);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
