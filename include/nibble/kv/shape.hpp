/// What one layer keeps between tokens, and how much memory that takes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "nibble/core/checked.hpp"
#include "nibble/kv/sliding_context.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a layer keeps: keys and values of each position, a recurrent state that every token changes, both, or nothing.
struct kv_shape {
  std::size_t heads = 0, key_dim = 0, value_dim = 0;  ///< heads 0: no keys and values
  std::size_t window = 0;                             ///< positions that a query sees, itself included; 0: all
  std::size_t state = 0;                              ///< floats of a recurrent state
  bool looks_ahead = false;                           ///< queries see positions behind their own: a text is one step
  bool slides = false;                                ///< its attention knows a sliding_context: see step::attend
  bool biased_keys = false;                           ///< keys have a bias: see session_options::rotated_keys
  bool weighs = false;                                ///< its attention knows heavy_hitters: see step::weigh
};

/// Pages that `span` positions touch at most, wherever they begin.
constexpr std::size_t pages_of_span(std::size_t span) noexcept {
  return sum_of_sizes(span, page_positions - 2) / page_positions + 1;
}
/// Pages that one sequence needs in a layer: all of the context, or what a window and one step can touch, and with a mark what
/// the window saw there.
constexpr std::size_t kv_pages(std::size_t window, std::size_t context, std::size_t prefill_chunk,
                               bool marks = false) noexcept {
  const std::size_t all = context / page_positions + (context % page_positions != 0);
  if (window == 0 || window >= context) return all;
  const std::size_t step = pages_of_span(sum_of_sizes(window - 1, prefill_chunk));
  return std::min(all, sum_of_sizes(step, marks ? pages_of_span(window) : 0));
}
/// The same where texts may be longer than the context: of a layer that sees all of it, what it keeps and what is recent.
constexpr std::size_t kv_pages(std::size_t window, const sliding_context& sliding, std::size_t prefill_chunk) noexcept {
  const bool sees_all = window == 0 || window >= sliding.size;
  const std::size_t seen = sees_all ? sliding.size - sliding.kept : window;
  const std::size_t kept = sees_all ? (sliding.kept + page_positions - 1) / page_positions : 0;
  return sum_of_sizes(kept, pages_of_span(sum_of_sizes(seen - 1, prefill_chunk)));
}

/// The formats of keys and of values, by their index in kv_formats.
struct kv_types {
  std::size_t keys = 0, values = 0;

  constexpr kv_types() noexcept = default;
  /// One for both.
  constexpr kv_types(std::size_t both) noexcept : keys(both), values(both) {}
  constexpr kv_types(std::size_t k, std::size_t v) noexcept : keys(k), values(v) {}
};

/// Which heads are rotated before they are stored: see attend.
struct kv_rotation {
  bool keys = false, values = false;
};

/// A page of one head: 64 positions' keys, and behind `value_offset` bytes their values.
struct kv_page {
  std::size_t bytes, value_offset;
};
template <kv_format Keys, kv_format Values = Keys>
constexpr kv_page kv_page_of(const kv_shape& s) noexcept {
  const std::size_t keys = kv_tile_bytes<Keys, kv_role::key>(s.key_dim);
  return {keys + kv_tile_bytes<Values, kv_role::value>(s.value_dim), keys};
}
template <kv_format Format>
constexpr std::size_t kv_page_bytes(const kv_shape& s) noexcept {
  return kv_page_of<Format>(s).bytes;
}
/// Calls f(std::type_identity<Format>) with the format that has an index in kv_formats.
template <class F>
constexpr void visit_kv_format(std::size_t index, F&& f) {
  std::size_t i = 0;
  any_type(kv_formats{}, [&]<class Format>(std::type_identity<Format> format) {
    if (i++ != index) return false;
    f(format);
    return true;
  });
}
/// The same for formats by their index.
constexpr kv_page kv_page_of(const kv_types& of, const kv_shape& s) noexcept {
  std::size_t keys = 0, values = 0;
  visit_kv_format(of.keys, [&]<class F>(std::type_identity<F>) { keys = kv_tile_bytes<F, kv_role::key>(s.key_dim); });
  visit_kv_format(of.values, [&]<class F>(std::type_identity<F>) { values = kv_tile_bytes<F, kv_role::value>(s.value_dim); });
  return {keys + values, keys};
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
