/// What one layer keeps between tokens, and how much memory that takes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "nibble/core/checked.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a layer keeps: keys and values of each position, a recurrent state that every token changes, both, or nothing.
struct kv_shape {
  std::size_t heads = 0, key_dim = 0, value_dim = 0;  ///< heads 0: no keys and values
  std::size_t window = 0;                             ///< positions that a query sees, itself included; 0: all
  std::size_t state = 0;                              ///< floats of a recurrent state
  bool looks_ahead = false;                           ///< queries see positions behind their own: a text is one step
};

/// Pages that one sequence needs in a layer: all of the context, or what a window and one step can touch, and with a mark what
/// the window saw there.
constexpr std::size_t kv_pages(std::size_t window, std::size_t context, std::size_t prefill_chunk,
                               bool marks = false) noexcept {
  const std::size_t all = context / page_positions + (context % page_positions != 0);
  if (window == 0 || window >= context) return all;
  // a stretch of positions begins anywhere in a page
  const auto pages_of = [](std::size_t span) { return sum_of_sizes(span, page_positions - 2) / page_positions + 1; };
  const std::size_t step = pages_of(sum_of_sizes(window - 1, prefill_chunk));
  return std::min(all, sum_of_sizes(step, marks ? pages_of(window) : 0));
}

/// A page of one head: 64 positions' keys, and behind `value_offset` bytes their values.
struct kv_page {
  std::size_t bytes, value_offset;
};
template <kv_format Format>
constexpr kv_page kv_page_of(const kv_shape& s) noexcept {
  const std::size_t keys = kv_tile_bytes<Format, kv_role::key>(s.key_dim);
  return {keys + kv_tile_bytes<Format, kv_role::value>(s.value_dim), keys};
}
template <kv_format Format>
constexpr std::size_t kv_page_bytes(const kv_shape& s) noexcept {
  return kv_page_of<Format>(s).bytes;
}
/// The same for a format by its index in kv_formats.
constexpr kv_page kv_page_of(std::size_t format, const kv_shape& s) noexcept {
  kv_page page{};
  std::size_t i = 0;
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format>) {
    if (i++ != format) return false;
    page = kv_page_of<Format>(s);
    return true;
  });
  return page;
}

/// The index in kv_formats of a tensor type, or kv_formats::size.
constexpr std::size_t find_kv_format(tensor_type type) noexcept {
  std::size_t i = 0;
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format>) { return Format::type == type || (++i, false); });
  return i;
}

/// Names the format of a cache in a type: model<arch::llama, kv_cache<q8_0>>.
template <kv_format Format = f16>
struct kv_cache {
  using format = Format;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
