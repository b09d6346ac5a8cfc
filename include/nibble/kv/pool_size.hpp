/// What a pool has to hold for the sequences of a room: pages, states, tables and bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "nibble/core/aligned.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/kv/pool.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {
/// Floats that change with every token: a recurrent state, or what keys have received.
inline std::size_t state_of(const kv_shape& s, const kv_room& room) noexcept {
  const bool is_weighed = room.hitters.chooses() && s.heads > 0 && s.window == 0;
  return is_weighed ? room.hitters.size : s.state;
}
inline std::size_t state_slot_bytes(std::span<const kv_shape> layers, const kv_room& room) noexcept {
  std::size_t bytes = 0;
  for (const kv_shape& s : layers) {
    const std::size_t state = product_of_sizes(state_of(s, room), sizeof(float));
    bytes = sum_of_sizes(bytes, state > largest_size - cache_line ? largest_size : round_up(state, cache_line));
  }
  return bytes;
}

/// Whether a head can be kept: what is computed of its dimensions fits.
inline bool valid_head(const kv_shape& s) noexcept {
  return s.key_dim > 0 && s.value_dim > 0 && s.key_dim <= max_head_dim && s.value_dim <= max_head_dim;
}
/// The window of a layer's table: one that reaches as far as the context is none.
inline std::size_t window_of(const kv_shape& s, const kv_room& room) noexcept {
  return s.window >= room.context ? 0 : s.window;
}
/// Pages of one sequence that sees all of the context, if it chooses nothing: no layer needs more.
inline std::size_t pages_of_context(const kv_room& room) noexcept {
  return room.sliding.slides() ? kv_pages(0, room.sliding, room.prefill_chunk)
                               : kv_pages(0, room.context, room.prefill_chunk, room.marks);
}
/// Pages of a layer for all sequences of a pool that is filled up to a level: at first what one sequence of so many pages has.
/// When that has the whole context, every layer gets as many as the others, but no more than it can use. So whatever the
/// budget, one sequence alone reaches as far as it pays for.
inline std::size_t pages_of_layer(std::size_t window, const kv_room& room, std::size_t level) noexcept {
  const bool chooses = room.hitters.chooses() && window == 0;
  const std::size_t each = chooses                 ? room.hitters.size / page_positions
                           : room.sliding.slides() ? kv_pages(window, room.sliding, room.prefill_chunk)
                                                   : kv_pages(window, room.context, room.prefill_chunk, room.marks);
  std::size_t all = product_of_sizes(each, room.sequences);
  if (room.one_step) all = std::min(all, sum_of_sizes(room.prefill_chunk / page_positions, room.sequences));
  const std::size_t whole = pages_of_context(room);
  return std::min(all, level <= whole ? std::min(each, level) : std::max(each, level - whole));
}
/// Bytes of the pages of one layer.
inline std::size_t page_bytes_of_layer(const kv_shape& s, const kv_room& room, std::size_t level) noexcept {
  if (s.heads == 0) return 0;
  const std::size_t bytes = valid_head(s) ? kv_page_of(room.types, s).bytes : largest_size;
  return product_of_sizes(pages_of_layer(s.window, room, level), s.heads, bytes);
}
/// And of all layers.
inline std::size_t page_bytes_of(std::span<const kv_shape> layers, const kv_room& room, std::size_t level) noexcept {
  std::size_t bytes = 0;
  for (const kv_shape& s : layers) bytes = sum_of_sizes(bytes, page_bytes_of_layer(s, room, level));
  return bytes;
}
/// The level up to which a pool's budget fills it.
inline std::size_t page_level(std::span<const kv_shape> layers, const kv_room& room) noexcept {
  if (room.page_bytes == 0) return largest_size;
  const std::size_t whole = pages_of_context(room);
  std::size_t least = 0, most = sum_of_sizes(whole, product_of_sizes(whole, room.sequences));
  while (least < most) {
    const std::size_t middle = most - (most - least) / 2;
    page_bytes_of(layers, room, middle) <= room.page_bytes ? least = middle : most = middle - 1;
  }
  return least;
}
/// Bytes of the pages without which a sequence cannot take its first step.
inline std::size_t least_page_bytes(std::span<const kv_shape> layers, const kv_room& room) noexcept {
  return page_bytes_of(layers, room, kv_pages(0, std::min(room.context, room.prefill_chunk), 1));
}
/// Whether layers stand in one memory, one after the other in time.
inline bool share_memory(std::span<const kv_shape> layers, const kv_room& room) noexcept {
  return room.one_step && std::all_of(layers.begin(), layers.end(), [](const kv_shape& s) { return s.heads > 0; });
}
/// Numbers of a sequence's table, see sequence::try_create.
inline std::size_t table_tiles(const kv_room& room) noexcept {
  if (!room.sliding.slides()) return room.context / page_positions + 1;
  return 2 * kv_pages(0, sliding_context{room.context}, room.prefill_chunk) + room.sliding.kept / page_positions + 1;
}
/// Nodes of a prefix cache: one for each page of the layers that have most, or where there are none, of the texts.
inline std::size_t prefix_nodes(std::span<const kv_shape> layers, const kv_room& room, std::size_t level) noexcept {
  constexpr std::size_t enough = 1u << 16;
  std::size_t nodes = 0;
  for (const kv_shape& s : layers) {
    if (s.heads > 0) nodes = std::max(nodes, pages_of_layer(s.window, room, level));
    if (s.state > 0) nodes = std::max(nodes, product_of_sizes(table_tiles(room), room.sequences));
  }
  return std::min(nodes, enough);
}
/// Slots of states, of all sequences and the prefix cache.
inline std::size_t state_slots(const kv_room& room, std::size_t of_sequence) noexcept {
  return sum_of_sizes(product_of_sizes(room.sequences, of_sequence), room.prefix_cache ? room.prefix_states : 0);
}
}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
