/// Definitions of kv/saved_sequence.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>
#include <type_traits>

#include "nibble/kv/saved_sequence.hpp"
#include "nibble/kv/sequence-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// Writes zeros to the slots of a page from `first` on.
inline void clear_slots(const kv_types& types, std::size_t key_dim, std::size_t value_dim, std::size_t first, std::byte* page) {
  const float zeros[max_head_dim] = {};
  const auto clear = [&]<kv_role Role>(std::integral_constant<kv_role, Role>, std::size_t format, std::size_t dim,
                                       std::byte* tile) {
    visit_kv_format(format, [&]<class Format>(std::type_identity<Format>) {
      for (std::size_t slot = first; slot < page_positions; ++slot) store_kv<Format, Role>(zeros, dim, slot, tile);
    });
  };
  const std::size_t keys = kv_page_of(types, {1, key_dim, value_dim}).value_offset;
  clear(std::integral_constant<kv_role, kv_role::key>(), types.keys, key_dim, page);
  clear(std::integral_constant<kv_role, kv_role::value>(), types.values, value_dim, page + keys);
}
}  // namespace detail

/// Calls f(tile) for what the layers of a reach see from `length` on.
template <class F>
void saved_sequence::for_each_tile(const sequence& s, std::size_t reach, std::size_t length, F&& f) {
  const kv_pool::reach& r = s.pool_->reaches_[reach];
  const std::size_t end = (r.hitters.place(length) + page_positions - 1) / page_positions, kept = std::min(r.kept_tiles(), end);
  for (std::size_t t = 0; t < kept; ++t) f(t);
  for (std::size_t t = std::max(kept, r.first_seen(length) / page_positions); t < end; ++t) f(t);
}

/// Calls f(layer, head, tile) in the order of the bytes.
template <class F>
void saved_sequence::for_each_page(const sequence& s, std::size_t length, F&& f) {
  for (const kv_pool::layer& l : s.pool_->layers_) {
    for (std::size_t head = 0; head < l.heads; ++head) {
      for_each_tile(s, l.reach, length, [&](std::size_t tile) { f(l, head, tile); });
    }
  }
}

std::size_t saved_sequence::bytes(const sequence& s, std::size_t length) noexcept {
  std::size_t bytes = s.pool_->slot_bytes_;
  for_each_page(s, length, [&](const kv_pool::layer& l, std::size_t, std::size_t) { bytes += l.page_bytes; });
  return bytes;
}

void saved_sequence::save(const sequence& s, std::span<std::byte> out) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(s.pending_ == 0 && out.size() == bytes(s, s.length_));
  std::byte* to = out.data();
  kv_pool& pool = *s.pool_;
  for_each_page(s, s.length_, [&](const kv_pool::layer& l, std::size_t head, std::size_t tile) {
    std::memcpy(to, pool.page(l, head, s.tables_[l.reach].at(tile)), l.page_bytes);
    const std::size_t held = pool.reaches_[l.reach].hitters.place(s.length_) - tile * page_positions;
    if (held < page_positions) detail::clear_slots(pool.room_.types, l.key_dim, l.value_dim, held, to);
    to += l.page_bytes;
  });
  if (s.has_state()) std::memcpy(to, pool.state(s.slots_[0]), pool.slot_bytes_);
}

result<void> saved_sequence::try_save(const sequence& s, byte_sink& out) {
  NIBBLE_ASSERT(s.pending_ == 0);
  kv_pool& pool = *s.pool_;
  std::size_t most = 0;
  for (const kv_pool::layer& l : pool.layers_) most = std::max(most, l.page_bytes);
  auto last = aligned_buffer::try_allocate(most);  // a page with zeros behind the end
  if (!last) return std::move(last).failure();
  result<void> done;
  for_each_page(s, s.length_, [&](const kv_pool::layer& l, std::size_t head, std::size_t tile) {
    if (!done) return;
    const std::byte* page = pool.page(l, head, s.tables_[l.reach].at(tile));
    const std::size_t held = pool.reaches_[l.reach].hitters.place(s.length_) - tile * page_positions;
    if (held < page_positions) {
      std::memcpy(last->data(), page, l.page_bytes);
      detail::clear_slots(pool.room_.types, l.key_dim, l.value_dim, held, last->data());
      page = last->data();
    }
    done = out.try_write({page, l.page_bytes});
  });
  if (!done || !s.has_state()) return done;
  return out.try_write({reinterpret_cast<const std::byte*>(pool.state(s.slots_[0])), pool.slot_bytes_});
}

result<void> saved_sequence::try_load(sequence& s, std::size_t length, std::span<const std::byte> from) {
  NIBBLE_ASSERT(s.pending_ == 0 && length <= s.pool_->room_.most_positions() && from.size() == bytes(s, length));
  kv_pool& pool = *s.pool_;
  std::unique_lock lock(pool.changing_);
  for (std::size_t r = 0; r < s.tables_.size(); ++r) {
    const detail::shared_numbers& pages = pool.reaches_[r].pages;
    std::size_t free = pages.available(), needed = 0;
    s.tables_[r].for_each_tile([&](std::size_t tile) { free += pages.has_one_owner(s.tables_[r].at(tile)); });
    for_each_tile(s, r, length, [&](std::size_t) { ++needed; });
    if (needed > free) {
      return error(errc::out_of_memory,
                   "the KV cache has no room for a saved sequence of " + std::to_string(length) + " positions");
    }
  }
  s.give_all_back();
  s.take_slots();
  for (std::size_t r = 0; r < s.tables_.size(); ++r) {
    sequence::table& t = s.tables_[r];
    t.first = pool.reaches_[r].first_seen(length) / page_positions;
    t.last = (pool.reaches_[r].hitters.place(length) + page_positions - 1) / page_positions;
    if (pool.room_.sliding.slides()) t.origin = t.first;
    for_each_tile(s, r, length, [&](std::size_t tile) { t.put(tile, pool.take(r)); });
  }
  lock.unlock();  // nobody else has these pages
  const std::byte* at = from.data();
  for_each_page(s, length, [&](const kv_pool::layer& l, std::size_t head, std::size_t tile) {
    std::memcpy(pool.page(l, head, s.tables_[l.reach].at(tile)), at, l.page_bytes);
    at += l.page_bytes;
  });
  if (s.has_state()) std::memcpy(pool.state(s.slots_[0]), at, pool.slot_bytes_);
  s.length_ = length, s.previous_ = sequence::nowhere;
  return {};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
