/// Definitions of kv/pool.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nibble/kv/pool.hpp"
#include "nibble/kv/pool_size.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Two for what a step reads and what it writes, two for a mark and what was before it, and one for each interval: no copy is
/// nearer to the one before.
std::size_t kv_pool::slots_of_sequence(const kv_room& room) noexcept {
  const std::size_t copies = room.state_interval > 0 && room.context > 0 ? (room.context - 1) / room.state_interval : 0;
  return sum_of_sizes(room.marks ? 4 : 2, copies);
}

kv_pool::plan kv_pool::planned_bytes(std::span<const kv_shape> layers, const kv_room& room) noexcept {
  plan p;
  const std::size_t slot = detail::state_slot_bytes(layers, room);
  const auto add = [](std::size_t& to, auto... factors) { to = sum_of_sizes(to, product_of_sizes(factors...)); };
  const bool share = detail::share_memory(layers, room);
  const std::size_t level = detail::page_level(layers, room);
  std::size_t reaches = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const kv_shape& s = layers[i];
    if (s.heads == 0) continue;
    const std::size_t pages = detail::pages_of_layer(s.window, room, level);
    const std::size_t bytes = detail::page_bytes_of_layer(s, room, level);
    p.pages = share ? std::max(p.pages, bytes) : sum_of_sizes(p.pages, bytes);
    const auto shares = [&](const kv_shape& before) {
      return before.heads > 0 && detail::window_of(before, room) == detail::window_of(s, room);
    };
    if (std::any_of(layers.begin(), layers.begin() + std::ptrdiff_t(i), shares)) continue;
    ++reaches;
    add(p.tables, pages, detail::shared_numbers::bytes);
  }
  const std::size_t slots = slot > 0 ? detail::state_slots(room, slots_of_sequence(room)) : 0;
  p.states = product_of_sizes(slot, slots);
  add(p.tables, room.sequences, reaches,
      sum_of_sizes(product_of_sizes(detail::table_tiles(room), sizeof(std::uint32_t)), sequence_table_bytes));
  add(p.tables, slots, detail::shared_numbers::bytes);
  add(p.tables, slot > 0 ? product_of_sizes(room.sequences, slots_of_sequence(room) - 2) : 0, sizeof(state_copy));
  add(p.tables, reaches, sizeof(reach));
  if (room.prefix_cache) {
    p.tables =
        sum_of_sizes(p.tables, prefix_cache::planned_bytes(detail::prefix_nodes(layers, room, level), reaches + (slot > 0)));
  }
  add(p.tables, layers.size(), sizeof(layer));
  p.tables = sum_of_sizes(p.tables, sizeof(kv_pool));
  return p;
}

result<kv_pool_ref> kv_pool::try_create(std::span<const kv_shape> layers, const kv_room& room) {
  for (const kv_shape& s : layers) {
    if (s.heads > 0 && !detail::valid_head(s)) {
      return error(errc::invalid_argument, "keys and values of a head: expected 1 to " + std::to_string(max_head_dim) +
                                               " dimensions, found " + std::to_string(s.key_dim) + " and " +
                                               std::to_string(s.value_dim));
    }
  }
  const plan p = planned_bytes(layers, room);
  const auto where = [&] { return "KV cache of " + std::to_string(room.context) + " positions"; };
  const std::size_t least = detail::least_page_bytes(layers, room);
  if (room.page_bytes > 0 && room.page_bytes < least) {
    return error(errc::invalid_argument, "kv_bytes: expected at least " + std::to_string(least) + ", which a step of " +
                                             std::to_string(std::min(room.context, room.prefill_chunk)) +
                                             " positions takes, found " + std::to_string(room.page_bytes))
        .in(where());
  }
  if (detail::pages_of_layer(0, room, largest_size) > std::numeric_limits<std::uint32_t>::max())
    return error(errc::out_of_memory, "more pages than numbers").in(where());
  auto pages = aligned_buffer::try_allocate(p.pages, room.large_pages ? memory_pages::large : memory_pages::usual);
  if (!pages) return std::move(pages).failure().in(where());
  auto states = aligned_buffer::try_allocate(p.states);
  if (!states) return std::move(states).failure().in("recurrent states");

  kv_pool_ref pool(*new kv_pool(room));
  pool->pages_ = *std::move(pages);
  pool->states_ = *std::move(states);
  pool->slot_bytes_ = detail::state_slot_bytes(layers, room);
  pool->table_bytes_ = p.tables;
  pool->place_layers(layers);
  if (pool->slot_bytes_ > 0) {
    pool->slots_ = detail::shared_numbers(detail::state_slots(room, slots_of_sequence(room)));
  }
  if (room.prefix_cache) {
    pool->prefixes_ = nibble::prefix_cache(detail::prefix_nodes(layers, room, detail::page_level(layers, room)),
                                           pool->reaches_.size() + (pool->slot_bytes_ > 0));
  }
  return pool;
}

/// Where each layer stands. All of it lies in what was allocated, so no sum or product here is too large.
void kv_pool::place_layers(std::span<const kv_shape> layers) {
  const auto window = [&](const kv_shape& s) { return detail::window_of(s, room_); };
  std::vector<std::size_t> windows;
  for (const kv_shape& s : layers) {
    if (s.heads > 0 && std::find(windows.begin(), windows.end(), window(s)) == windows.end()) windows.push_back(window(s));
  }
  reaches_.reserve(windows.size());
  const std::size_t level = detail::page_level(layers, room_);
  for (const std::size_t w : windows) {
    const bool chooses = w == 0 && room_.hitters.chooses(), slides = w == 0 && !chooses;
    reaches_.push_back({w, detail::shared_numbers(detail::pages_of_layer(w, room_, level)),
                        slides ? room_.sliding : sliding_context(), chooses ? room_.hitters : heavy_hitters()});
  }
  layers_.reserve(layers.size());
  const bool share = detail::share_memory(layers, room_);
  std::size_t offset = 0, state_offset = 0;
  for (const kv_shape& s : layers) {
    const std::size_t state = detail::state_of(s, room_);
    layer l{offset, 0, 0, 0, s.heads, no_pages, state_offset, state, s.key_dim, s.value_dim};
    state_offset += round_up(product_of_sizes(state, sizeof(float)), cache_line) / sizeof(float);
    if (s.heads > 0) {
      const kv_page page = kv_page_of(room_.types, s);
      l.page_bytes = page.bytes, l.value_offset = page.value_offset;
      l.reach = std::size_t(std::find(windows.begin(), windows.end(), window(s)) - windows.begin());
      l.head_bytes = product_of_sizes(reaches_[l.reach].pages.count(), page.bytes);
      if (!share) offset = sum_of_sizes(offset, product_of_sizes(s.heads, l.head_bytes));
    }
    layers_.push_back(l);
  }
}

/// Copies what all layers that see equally far keep in a page.
void kv_pool::copy_page(std::size_t of_reach, std::uint32_t from, std::uint32_t to) noexcept {
  for (const layer& l : layers_) {
    if (l.heads == 0 || l.reach != of_reach) continue;
    for (std::size_t head = 0; head < l.heads; ++head) std::memcpy(page(l, head, to), page(l, head, from), l.page_bytes);
  }
}

kv_pool::plan kv_pool::used() const noexcept {
  const std::lock_guard lock(changing_);
  const auto taken = [](const detail::shared_numbers& numbers) { return numbers.count() - numbers.available(); };
  return {page_bytes_by(taken), taken(slots_) * slot_bytes_, table_bytes_};
}

kv_pool::plan kv_pool::cached() const noexcept {
  const std::lock_guard lock(changing_);
  const auto idle = [](const detail::shared_numbers& numbers) { return numbers.idle(); };
  return {page_bytes_by(idle), idle(slots_) * slot_bytes_, 0};
}

std::size_t kv_pool::free_pages(std::size_t window) const noexcept {
  const std::lock_guard lock(changing_);
  if (window >= room_.context) window = 0;
  const auto of = std::find_if(reaches_.begin(), reaches_.end(), [&](const reach& r) { return r.window == window; });
  return of == reaches_.end() ? 0 : of->pages.available();
}

/// Bytes of so many pages of each layer.
template <class Count>
std::size_t kv_pool::page_bytes_by(const Count& count) const noexcept {
  std::size_t bytes = 0;
  for (const layer& l : layers_) {
    if (l.heads > 0) bytes += count(reaches_[l.reach].pages) * l.heads * l.page_bytes;
  }
  return bytes;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
