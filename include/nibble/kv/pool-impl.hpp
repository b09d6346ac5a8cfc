/// Definitions of kv/pool.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "nibble/kv/pool.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// A sequence has two slots: what a step reads, and what it writes.
inline constexpr std::size_t slots_of_sequence = 2;

inline std::size_t state_slot_bytes(std::span<const kv_shape> layers) noexcept {
  std::size_t bytes = 0;
  for (const kv_shape& s : layers) {
    const std::size_t state = product_of_sizes(s.state, sizeof(float));
    bytes = sum_of_sizes(bytes, state > largest_size - cache_line ? largest_size : round_up(state, cache_line));
  }
  return bytes;
}
}  // namespace detail

kv_pool::plan kv_pool::planned_bytes(std::span<const kv_shape> layers, const kv_room& room) noexcept {
  plan p;
  const std::size_t slot = detail::state_slot_bytes(layers);
  const bool marks = room.marks && slot == 0;
  for (const kv_shape& s : layers) {
    const std::size_t pages = product_of_sizes(kv_pages(s.window, room.context, room.prefill_chunk, marks), room.sequences);
    p.pages = sum_of_sizes(p.pages, product_of_sizes(pages, s.heads, kv_page_of(room.format, s).bytes));
  }
  p.states = product_of_sizes(slot, room.sequences, detail::slots_of_sequence);
  return p;
}

result<std::unique_ptr<kv_pool>> kv_pool::try_create(std::span<const kv_shape> layers, const kv_room& room) {
  for (const kv_shape& s : layers) {
    if (s.heads > 0 && (s.key_dim == 0 || s.value_dim == 0 || s.key_dim > max_head_dim || s.value_dim > max_head_dim)) {
      return error(errc::invalid_argument, "keys and values of a head: expected 1 to " + std::to_string(max_head_dim) +
                                               " dimensions, found " + std::to_string(s.key_dim) + " and " +
                                               std::to_string(s.value_dim));
    }
  }
  const plan p = planned_bytes(layers, room);
  auto pages = aligned_buffer::try_allocate(p.pages);
  if (!pages) return std::move(pages).failure().in("KV cache of " + std::to_string(room.context) + " positions");
  auto states = aligned_buffer::try_allocate(p.states);
  if (!states) return std::move(states).failure().in("recurrent states");

  std::unique_ptr<kv_pool> pool(new kv_pool(room));
  pool->pages_ = *std::move(pages);
  pool->states_ = *std::move(states);
  pool->slot_bytes_ = detail::state_slot_bytes(layers);
  pool->room_.marks = room.marks && pool->slot_bytes_ == 0;
  std::size_t offset = 0, state_offset = 0;
  for (const kv_shape& s : layers) {
    const kv_page page = kv_page_of(room.format, s);
    layer l{offset, 0, page.bytes, page.value_offset, s.heads, no_pages, state_offset, s.state};
    state_offset += round_up(s.state * sizeof(float), cache_line) / sizeof(float);
    if (s.heads > 0) {
      const std::size_t window = s.window >= room.context ? 0 : s.window;
      const std::size_t count = kv_pages(window, room.context, room.prefill_chunk, pool->room_.marks) * room.sequences;
      for (l.reach = 0; l.reach < pool->reaches_.size() && pool->reaches_[l.reach].window != window;) ++l.reach;
      if (l.reach == pool->reaches_.size()) {
        pool->reaches_.push_back({window, count, {}});
        for (std::size_t i = count; i > 0; --i) pool->reaches_.back().free.push_back(static_cast<std::uint32_t>(i - 1));
      }
      l.head_bytes = count * page.bytes;
      offset += s.heads * l.head_bytes;
    }
    pool->layers_.push_back(l);
  }
  for (std::size_t i = detail::slots_of_sequence * room.sequences; i > 0; --i) {
    pool->free_slots_.push_back(static_cast<std::uint32_t>(i - 1));
  }
  return pool;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
