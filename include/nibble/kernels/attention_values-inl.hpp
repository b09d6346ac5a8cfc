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
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "nibble/core/fused.hpp"
#include "nibble/kernels/block-inl.hpp"
#include "nibble/kernels/compiled_formats.hpp"
#include "nibble/kernels/ops-inl.hpp"
#include "nibble/kernels/softmax-inl.hpp"
#include "nibble/kernels/table.hpp"
#include "nibble/kv/tile.hpp"

NIBBLE_BEFORE_NAMESPACE();
namespace nibble {
inline namespace NIBBLE_ABI {
namespace HWY_NAMESPACE {
#if NIBBLE_FOLLOWS_AVX3
using N_AVX3::add_values_of;
using N_AVX3::value_weights;
#else

/// Two codes of Q4_0: those of dimensions i and i + 16 of a block.
struct two_codes {
  std::uint8_t bits;
};
/// Numbers from one position to the next in a block of values of `dims` dimensions.
template <class T>
HWY_INLINE std::size_t slot_width(std::size_t dims) {
  return std::is_same_v<T, two_codes> ? kv_block / 2 : dims;
}
/// `lanes` dimensions of a block, from i on, of the position that begins here: numbers, or levels of codes.
template <class T>
HWY_INLINE float_vec load_values(const T* slot, std::size_t i) {
  return load(slot + i);
}
HWY_INLINE float_vec load_values(const two_codes* slot, std::size_t i) {
  const int_tag d;
  const hn::Rebind<std::uint8_t, float_tag> d8;
  const auto bytes = hn::PromoteTo(d, hn::LoadU(d8, &slot[i % (kv_block / 2)].bits));
  const auto codes = hn::And(hn::ShiftRightSame(bytes, i < kv_block / 2 ? 0 : 4), hn::Set(d, 15));
  return hn::ConvertTo(float_tag(), hn::Sub(codes, hn::Set(d, q4_0::zero_point)));
}
/// And one of them.
template <class T>
HWY_INLINE float value_at(const T* slot, std::size_t i) {
  return float(slot[i]);
}
HWY_INLINE float value_at(const two_codes* slot, std::size_t i) {
  return float((slot[i % (kv_block / 2)].bits >> (i < kv_block / 2 ? 0 : 4) & 15) - q4_0::zero_point);
}

/// What a tile adds to the outputs of a block of queries.
struct tile_weights {
  std::size_t queries;         // 1 ... output_block
  const slot_range* seen;      // (queries), not empty, in ascending order
  const float* probabilities;  // (queries, 64)
  const float* rescale;        // (queries)
  float* const* out;           // (queries): rows of dimensions
};

/// out = out * rescale + sum, for one register of dimensions.
HWY_INLINE void add_to_output(float_vec sum, float rescale, float* out) {
  const float_tag d;
  hn::StoreU(hn::MulAdd(hn::LoadU(d, out), hn::Set(d, rescale), sum), d, out);
}

/// Sums of probability * value over some slots, for Vectors registers of dimensions from i on and Queries queries. They begin
/// and end in `sums`, to be continued; where that is null they begin with 0 and go to the outputs.
/// @shape   values: those of slot 0, `width` of T from slot to slot; probabilities (Queries, 64); sums (Queries, 32);
///          out: for each query, where the dimensions of this block of values begin
template <std::size_t Queries, std::size_t Vectors, class T>
HWY_INLINE void add_slots(const T* values, std::size_t width, std::size_t i, slot_range slots, const float* probabilities,
                          float* sums, const float* rescale, float* const* out) {
  const float_tag d;
  float_vec sum[Queries][Vectors];
  NIBBLE_UNROLL for (auto& of_query : sum) NIBBLE_UNROLL for (auto& s : of_query) s = hn::Zero(d);
  if (sums) {
    NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
      NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) sum[n][v] = hn::Load(d, sums + n * kv_block + i + v * lanes);
    }
  }
  const T* from = values + slots.begin * width;
  const std::size_t start = Vectors * lanes == kv_block ? 0 : i;  // which the compiler need not find out
  for (std::size_t slot = slots.begin; slot < slots.end; ++slot, from += width) {
    prefetch_ahead<sizeof(T) == 1 ? 1 : float_stream_cache>(from + start,
                                                            std::min(Vectors * lanes, slot_width<T>(kv_block)) * sizeof(T));
    add_outer_product([&](std::size_t n) NIBBLE_ATTR { return hn::Set(d, probabilities[n * page_positions + slot]); },
                      [&](std::size_t v) NIBBLE_ATTR { return load_values(from, start + v * lanes); }, sum);
  }
  NIBBLE_UNROLL for (std::size_t n = 0; n < Queries; ++n) {
    NIBBLE_UNROLL for (std::size_t v = 0; v < Vectors; ++v) {
      if (sums) {
        hn::Store(sum[n][v], d, sums + n * kv_block + i + v * lanes);
      } else {
        add_to_output(sum[n][v], rescale[n], out[n] + i + v * lanes);
      }
    }
  }
}
/// The same for all registers that `dims` dimensions fill. Not inlined: there are several callers.
template <std::size_t Queries, class T>
HWY_NOINLINE void add_slots_of_block(const T* values, std::size_t dims, slot_range slots, const float* probabilities,
                                     float* sums, const float* rescale = nullptr, float* const* out = nullptr) {
  constexpr std::size_t vectors = vectors_beside(Queries, kv_block / lanes);
  std::size_t i = 0;
  for (; i + vectors * lanes <= dims; i += vectors * lanes) {
    add_slots<Queries, vectors>(values, slot_width<T>(dims), i, slots, probabilities, sums, rescale, out);
  }
  for (; i + lanes <= dims; i += lanes)
    add_slots<Queries, 1>(values, slot_width<T>(dims), i, slots, probabilities, sums, rescale, out);
}
/// For one query, whose slots are at an edge of those that its block sees.
template <class T>
HWY_INLINE void add_edge(const T* values, std::size_t dims, slot_range slots, const float* probabilities, float* sums) {
  if (slots.begin < slots.end) add_slots_of_block<1>(values, dims, slots, probabilities, sums);
}
/// out = out * rescale + sums, of one query, for all registers that `dims` dimensions fill.
HWY_NOINLINE inline void add_sums(const float* sums, std::size_t dims, float rescale, float* out) {
  for (std::size_t i = 0; i + lanes <= dims; i += lanes) {
    add_to_output(hn::Load(float_tag(), sums + i), rescale, out + i);
  }
}

/// out = out * rescale + probabilities * values, of one query and the dimensions that fill no register.
template <class T>
HWY_NOINLINE void add_last_dims(const T* values, std::size_t dims, slot_range slots, const float* probabilities, float rescale,
                                float* out) {
  for (std::size_t i = dims / lanes * lanes; i < dims; ++i) {
    float sum = 0;
    for (std::size_t slot = slots.begin; slot < slots.end; ++slot) {
      sum = fused(probabilities[slot], value_at(values + slot * slot_width<T>(dims), i), sum);
    }
    out[i] = fused(out[i], rescale, sum);
  }
}

/// out = out * rescale + probabilities * values, of a block of `dims` dimensions.
/// @shape   values (64, slot_width(dims)); probabilities (queries, 64); out: for each query, where these dimensions begin
template <class T>
HWY_INLINE void add_value_block(const T* values, std::size_t dims, const tile_weights& w, const float* probabilities,
                                float* const* out) {
  const slot_range *seen = w.seen, *last = seen + w.queries - 1;
  const slot_range middle{last->begin, std::max(last->begin, seen->end)};
  if (seen->begin == last->begin && seen->end == last->end) {
    for_each_query_block(0, w.queries, [&](auto block, std::size_t n, std::size_t) NIBBLE_ATTR {
      add_slots_of_block<block()>(values, dims, middle, probabilities + n * page_positions, nullptr, w.rescale + n, out + n);
    });
  } else {
    alignas(64) float sums[output_block * kv_block] = {};
    for (std::size_t n = 0; n < w.queries; ++n) {
      const slot_range front{seen[n].begin, std::min(seen[n].end, middle.begin)};
      add_edge(values, dims, front, probabilities + n * page_positions, sums + n * kv_block);
    }
    for_each_query_block(0, middle.begin < middle.end ? w.queries : 0, [&](auto block, std::size_t n, std::size_t) NIBBLE_ATTR {
      add_slots_of_block<block()>(values, dims, middle, probabilities + n * page_positions, sums + n * kv_block);
    });
    for (std::size_t n = 0; n < w.queries; ++n) {
      const slot_range back{std::max(seen[n].begin, middle.end), seen[n].end};
      add_edge(values, dims, back, probabilities + n * page_positions, sums + n * kv_block);
      add_sums(sums + n * kv_block, dims, w.rescale[n], out[n]);
    }
  }
  for (std::size_t n = 0; n < w.queries && dims % lanes != 0; ++n) {
    add_last_dims(values, dims, seen[n], probabilities + n * page_positions, w.rescale[n], out[n]);
  }
}

/// out = out * rescale + probabilities * values of one tile, for a block of queries.
/// @shape   tile: the values of 64 positions, see kv/tile.hpp
template <kv_format Format>
HWY_INLINE void add_value_tile(const std::byte* tile, std::size_t dim, const tile_weights& w) {
  float* out[output_block];
  for (std::size_t b = 0; b < dim; b += kv_block, tile += value_block_bytes<Format>(kv_block)) {
    const std::size_t dims = value_width(dim, b);
    for (std::size_t n = 0; n < w.queries; ++n) out[n] = w.out[n] + b;
    if constexpr (coded_kv_format<Format>) {  // probability * scale of the position
      alignas(64) float scaled[output_block * page_positions];
      for (std::size_t slot = 0; slot < page_positions; slot += lanes) {
        const auto s = load(reinterpret_cast<const half*>(tile) + slot);
        for (std::size_t at = slot; at < w.queries * page_positions; at += page_positions) {
          hn::Store(hn::Mul(hn::Load(float_tag(), w.probabilities + at), s), float_tag(), scaled + at);
        }
      }
      using code = std::conditional_t<std::is_same_v<Format, q4_0>, two_codes, std::int8_t>;
      const auto* codes = reinterpret_cast<const code*>(tile + page_positions * sizeof(half));
      add_value_block(codes, dims, w, scaled, out);
    } else {
      add_value_block(reinterpret_cast<const typename Format::block*>(tile), dims, w, w.probabilities, out);
    }
  }
}

/// The same for all queries that see something of a tile: [first, last).
struct value_weights {
  std::size_t first, last;
  const slot_range* seen;  // of each query, as all of these
  const float* probabilities;
  const float* rescale;
  float* const* out;
};
template <kv_format Format>
HWY_NOINLINE void add_values(const std::byte* tile, std::size_t dim, const value_weights& w) {
  for (std::size_t n = w.first; n < w.last; n += output_block) {
    const std::size_t queries = std::min(output_block, w.last - n);
    add_value_tile<Format>(tile, dim, {queries, w.seen + n, w.probabilities + n * page_positions, w.rescale + n, w.out + n});
  }
}
/// That function for a format by its index in kv_formats; null where it is left out.
HWY_INLINE auto add_values_of(std::size_t format) {
  using function = void (*)(const std::byte*, std::size_t, const value_weights&);
  static constexpr auto all = [] {
    std::array<function, kv_formats::size> of{};
    any_type(kv_formats{}, [&, i = std::size_t{0}]<class F>(std::type_identity<F>) mutable {
      if constexpr (detail::compiled<F>) of[i] = &add_values<F>;
      return ++i, false;
    });
    return of;
  }();
  return all[format];
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace NIBBLE_ABI
}  // namespace nibble
NIBBLE_AFTER_NAMESPACE();
#endif
