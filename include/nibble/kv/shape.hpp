/// What one layer keeps of each position, and how much memory a cache of such layers takes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nibble/kernels/kv_tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The keys and values of one layer.
struct kv_shape {
  std::size_t heads, key_dim, value_dim;
  std::size_t window = 0;  ///< positions that a query sees, itself included; 0: all
};

/// Pages that one sequence needs in a layer: all of the context, or what a window and one step can touch.
constexpr std::size_t kv_pages(std::size_t window, std::size_t context, std::size_t prefill_chunk) noexcept {
  const std::size_t all = (context + page_positions - 1) / page_positions;
  if (window == 0 || window >= context) return all;
  const std::size_t span = window - 1 + prefill_chunk;
  return std::min(all, (span + page_positions - 2) / page_positions + 1);
}

/// Bytes of a page of one head: 64 positions' keys, then their values.
template <kv_format Format>
constexpr std::size_t kv_page_bytes(const kv_shape& s) noexcept {
  return kv_tile_bytes<Format, kv_role::key>(s.key_dim) + kv_tile_bytes<Format, kv_role::value>(s.value_dim);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
