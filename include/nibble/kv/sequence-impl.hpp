/// Definitions of kv/sequence.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "nibble/kv/pool-impl.hpp"
#include "nibble/kv/prefix_cache-impl.hpp"
#include "nibble/kv/sequence.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<sequence> sequence::try_create(kv_pool& pool) {
  static_assert(sizeof(table) == kv_pool::sequence_table_bytes, "a pool plans what its sequences take");
  {
    const std::lock_guard lock(pool.changing_);
    if (pool.sequences_ == pool.room_.sequences) {
      return error(errc::out_of_memory,
                   "the KV cache has " + std::to_string(pool.room_.sequences) + " sequences, and no room for another");
    }
    ++pool.sequences_;
  }
  sequence made(pool);
  made.tables_.resize(pool.reaches_.size());
  for (std::size_t r = 0; r < made.tables_.size(); ++r) {
    made.tables_[r].page_of.resize(detail::table_tiles(pool.room_));
    made.tables_[r].head = pool.reaches_[r].kept_tiles();
  }
  if (made.has_state()) {
    made.copies_.reserve(kv_pool::slots_of_sequence(pool.room_) - 2);
    const std::lock_guard lock(pool.changing_);
    made.take_slots();
    std::memset(pool.state(made.slots_[0]), 0, pool.slot_bytes_);
  }
  return made;
}

result<sequence> sequence::try_fork() const {
  NIBBLE_ASSERT(pending_ == 0);
  auto made = try_create(*pool_);
  if (made) made->assign(*this);
  return made;
}

void sequence::assign(const sequence& from) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(&*pool_ == &*from.pool_ && pending_ == 0 && from.pending_ == 0);
  if (this == &from) return;
  const std::lock_guard lock(pool_->changing_);
  give_all_back();
  for (std::size_t r = 0; r < tables_.size(); ++r) {
    const table& of = from.tables_[r];
    table& t = tables_[r];
    t.first = of.first, t.last = of.last, t.kept_first = of.kept_first, t.kept_last = of.kept_last, t.origin = of.origin;
    of.for_each_tile([&](std::size_t tile) {
      t.put(tile, of.at(tile));
      pool_->reaches_[r].pages.share(t.at(tile));
    });
  }
  if (has_state()) {
    std::copy_n(from.slots_, 2, slots_);
    copies_ = from.copies_;  // as long as there is room for in both
    for (const std::uint32_t slot : slots_) pool_->slots_.share(slot);
    for (const kv_pool::state_copy& c : copies_) pool_->slots_.share(c.slot);
    owns_slots_ = true;
  }
  length_ = from.length_;
  previous_ = from.previous_;
  mark_ = from.mark_, before_mark_ = from.before_mark_;
}

sequence::sequence(sequence&& other) noexcept
    : pool_(std::move(other.pool_)),
      tables_(std::move(other.tables_)),
      slots_{other.slots_[0], other.slots_[1]},
      copies_(std::move(other.copies_)),
      owns_slots_(std::exchange(other.owns_slots_, false)),
      length_(other.length_),
      pending_(other.pending_),
      previous_(other.previous_),
      mark_(other.mark_),
      before_mark_(other.before_mark_) {
  other.tables_.clear();
  other.copies_.clear();
}
sequence& sequence::operator=(sequence&& other) noexcept {
  if (this == &other) return *this;
  release();
  pool_ = std::move(other.pool_);
  tables_ = std::move(other.tables_);
  other.tables_.clear();
  copies_ = std::move(other.copies_);
  other.copies_.clear();
  std::copy_n(other.slots_, 2, slots_);
  owns_slots_ = std::exchange(other.owns_slots_, false);
  length_ = other.length_, pending_ = other.pending_, previous_ = other.previous_;
  mark_ = other.mark_, before_mark_ = other.before_mark_;
  return *this;
}
sequence::~sequence() { release(); }

/// Leaves its pool, whose lists have room for all that it gives back.
void sequence::release() noexcept {
  if (!pool_) return;  // moved from
  const std::lock_guard lock(pool_->changing_);
  give_all_back();
  --pool_->sequences_;
}

void sequence::give_all_back() noexcept {
  forget_mark();
  drop_pages(0);
  drop_copies([](const kv_pool::state_copy&) { return true; });
  for (std::size_t i = 0; owns_slots_ && i < 2; ++i) pool_->slots_.give_back(slots_[i]);
  owns_slots_ = false;
}

void sequence::take_slots() noexcept {
  if (!has_state()) return;
  for (std::uint32_t& slot : slots_) slot = pool_->take(tables_.size());
  owns_slots_ = true;
}

/// Gives back the pages behind the first `length` positions.
void sequence::drop_pages(std::size_t length) noexcept {
  for (std::size_t r = 0; r < tables_.size(); ++r) {
    table& t = tables_[r];
    const std::size_t keep = (pool_->reaches_[r].hitters.place(length) + page_positions - 1) / page_positions;
    if (t.first > 0 && keep <= t.head) {  // what is left is what is always kept
      for (std::size_t tile = std::max(t.first, t.head); tile < t.last; ++tile) give_back(r, tile);
      t.return_to_head();
    }
    for (; t.last > keep && t.last > t.first; --t.last) give_back(r, t.last - 1);
    if (length == 0) t.first = t.last = t.origin = 0;
  }
}

/// Whether positions go on in a page that others have, too, or will have.
bool sequence::continues_shared_page(std::size_t r, std::size_t count) const noexcept {
  return count > 0 && length_ % page_positions != 0 &&
         pool_->reaches_[r].pages.is_shared(tables_[r].at(pool_->reaches_[r].hitters.place(length_) / page_positions));
}

/// Calls f(tile) for pages of others into which something may move behind a step of `count` positions.
template <class F>
void sequence::for_each_shared_choice(std::size_t r, std::size_t count, F&& f) const noexcept {
  const heavy_hitters& h = pool_->reaches_[r].hitters;
  if (h.dropped(length_ + count) == h.dropped(length_)) return;
  for (std::size_t tile = 0; tile + 1 < h.older() / page_positions; ++tile) {
    if (pool_->reaches_[r].pages.is_shared(tables_[r].at(tile))) f(tile);
  }
}

/// Tiles that no window sees from the next position on: [table.first, first). Then tiles [last, end) need pages.
sequence::growth sequence::growth_of(std::size_t r, std::size_t count) const noexcept {
  const table& t = tables_[r];
  const std::size_t first = std::max(t.first, pool_->reaches_[r].first_seen(length_) / page_positions);
  const std::size_t end = pool_->reaches_[r].hitters.place(length_) + count;
  return {first, std::max(t.last, first), (end + page_positions - 1) / page_positions};
}

bool sequence::begin(std::size_t count) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pending_ == 0 && count <= tokens_of_step());
  if (count > std::min(room(), hitters().left(length_))) return false;
  const std::lock_guard lock(pool_->changing_);
  for (std::size_t r = 0; r < tables_.size(); ++r) {
    if (!has_pages_for(r, count)) return false;
  }
  for (std::size_t r = 0; r < tables_.size(); ++r) grow(r, count);
  if (has_state()) {
    keep_previous_state();
    make_own(slots_[1]);
  }
  pending_ = count;
  return true;
}

/// Whether there are pages for `count` more positions, once those that no window sees any more are given back.
bool sequence::has_pages_for(std::size_t r, std::size_t count) const noexcept {
  const table& t = tables_[r];
  const growth g = growth_of(r, count);
  const detail::shared_numbers& pages = pool_->reaches_[r].pages;
  std::size_t free = pages.available();
  for (std::size_t tile = t.first; tile < std::min(g.first, t.last); ++tile) {
    free += tile >= t.head && !keeps_for_mark(r, tile) && pages.has_one_owner(t.at(tile));
  }
  std::size_t copied = continues_shared_page(r, count);
  for_each_shared_choice(r, count, [&](std::size_t) { ++copied; });
  return std::max(g.end, g.last) - g.last + copied <= free;
}

void sequence::grow(std::size_t r, std::size_t count) noexcept {
  const growth g = growth_of(r, count);
  table& t = tables_[r];
  for (; t.first < std::min(g.first, t.last); ++t.first) {
    if (t.first < t.head) continue;
    if (!keeps_for_mark(r, t.first)) {
      give_back(r, t.first);
      continue;
    }
    if (t.kept_first == t.kept_last) t.kept_first = t.first;
    t.kept_last = t.first + 1;
  }
  t.first = g.first;
  if (continues_shared_page(r, count)) own_page(r, pool_->reaches_[r].hitters.place(length_) / page_positions);
  for_each_shared_choice(r, count, [&](std::size_t tile) { own_page(r, tile); });
  t.last = g.last;
  t.make_places(g.end);
  for (; t.last < g.end; ++t.last) t.put(t.last, pool_->take(r));
}

/// Takes a copy of a page that others have, too.
void sequence::own_page(std::size_t r, std::size_t tile) noexcept {
  const std::uint32_t shared = tables_[r].at(tile), own = pool_->take(r);
  pool_->copy_page(r, shared, own);
  pool_->reaches_[r].pages.give_back(shared);
  tables_[r].put(tile, own);
}

/// Takes another slot where this one is not the sequence's alone. What was in it does not come along.
void sequence::make_own(std::uint32_t& slot) noexcept {
  if (!pool_->slots_.is_shared(slot)) return;
  pool_->slots_.give_back(slot);
  slot = pool_->take(tables_.size());
}

void sequence::mark() NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pending_ == 0);
  if (!pool_->room_.marks) return;
  const std::lock_guard lock(pool_->changing_);
  forget_mark();
  mark_ = length_, before_mark_ = previous_;
}

/// Of tiles that no window sees any more: those that it sees from the mark, or one position before.
bool sequence::keeps_for_mark(std::size_t r, std::size_t tile) const noexcept {
  if (mark_ == nowhere || tile * page_positions >= mark_) return false;
  return tile >= pool_->reaches_[r].first_seen(mark_ - 1) / page_positions;
}

void sequence::forget_mark() noexcept {
  for (std::size_t r = 0; r < tables_.size(); ++r) {
    table& t = tables_[r];
    for (; t.kept_last > t.kept_first; --t.kept_last) give_back(r, t.kept_last - 1);
  }
  drop_copies([](const kv_pool::state_copy& c) { return c.of_mark; });
  mark_ = before_mark_ = nowhere;
}

/// The step that begins writes over the state before the last step: its slot becomes a copy's where one is due there.
void sequence::keep_previous_state() noexcept {
  if (previous_ == nowhere || previous_ == 0) return;
  const std::size_t interval = pool_->room_.state_interval;
  std::size_t last = 0;
  for (const kv_pool::state_copy& c : copies_) {
    if (!c.of_mark) last = std::max(last, c.position);
  }
  const bool due = interval > 0 && previous_ >= last && previous_ - last >= interval;
  const bool of_mark = mark_ != nowhere && (previous_ == mark_ || previous_ == before_mark_);
  if ((!due && !of_mark) || copies_.size() == copies_.capacity()) return;
  copies_.push_back({previous_, slots_[1], !due});
  slots_[1] = pool_->take(tables_.size());
  previous_ = nowhere;
}

/// Gives back the slots of some copies.
template <class If>
void sequence::drop_copies(const If& condition) noexcept {
  std::erase_if(copies_, [&](const kv_pool::state_copy& c) {
    const bool dropped = condition(c);
    if (dropped) pool_->slots_.give_back(c.slot);
    return dropped;
  });
}

/// Where only the pages kept for the mark hold what windows see from `position`, they become those of the sequence again; so
/// do they where there is no gap between.
void sequence::join_kept(std::size_t position) noexcept {
  for (std::size_t r = 0; r < tables_.size(); ++r) {
    table& t = tables_[r];
    if (t.kept_first == t.kept_last) continue;
    if (t.kept_last != t.first) {
      if (pool_->reaches_[r].first_seen(position) >= t.first * page_positions) continue;
      for (; t.last > t.first; --t.last) give_back(r, t.last - 1);
      t.last = t.kept_last;
    }
    t.first = std::exchange(t.kept_first, t.kept_last);
  }
}

void sequence::commit() noexcept {
  if (pending_ == 0) return rollback();
  previous_ = length_;
  length_ += std::exchange(pending_, 0);
  std::swap(slots_[0], slots_[1]);
  if (hitters().dropped(length_) == hitters().dropped(previous_)) return;
  const std::lock_guard lock(pool_->changing_);
  for (std::size_t r = 0; r < tables_.size(); ++r) drop_lightest(r);
  drop_copies([](const kv_pool::state_copy&) { return true; });  // there is no way back
  previous_ = nowhere;
}

void sequence::rollback() noexcept {
  pending_ = 0;
  const std::lock_guard lock(pool_->changing_);
  drop_pages(length_);
  previous_ = nowhere;  // the step has written over it
}

/// Whether all that windows see from `position` on is there.
bool sequence::windows_hold(std::size_t position) const noexcept {
  for (std::size_t r = 0; r < tables_.size(); ++r) {
    const table& t = tables_[r];
    const std::size_t seen = pool_->reaches_[r].first_seen(position);
    const auto holds = [&](std::size_t first) { return first * page_positions <= seen; };
    const bool kept = t.kept_last > t.kept_first && position <= mark_ && holds(t.kept_first);
    const bool in_head = position <= t.head * page_positions && seen == 0;
    if (!kept && !in_head && !holds(t.joined_first())) return false;
  }
  return true;
}

std::size_t sequence::resumable(std::size_t position) const noexcept {
  position = std::min(position, length_);
  if (has_state()) return resumable_state(position);
  if (!windows_hold(position)) {
    if (mark_ > position || !windows_hold(mark_)) return 0;
    position = mark_;
  }
  return position;
}

/// The last position, no later than `position`, of which there is a state, and all that windows see from there.
std::size_t sequence::resumable_state(std::size_t position) const noexcept {
  std::size_t best = 0;
  const auto consider = [&](std::size_t p) {
    if (p != nowhere && p <= position && p > best && windows_hold(p)) best = p;
  };
  consider(length_);
  consider(previous_);
  for (const kv_pool::state_copy& c : copies_) consider(c.position);
  return best;
}

void sequence::truncate(std::size_t position) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pending_ == 0 && position == resumable(position));
  const std::lock_guard lock(pool_->changing_);
  if (has_state() && position != length_) {
    const auto copy =
        std::find_if(copies_.begin(), copies_.end(), [&](const kv_pool::state_copy& c) { return c.position == position; });
    if (position == 0) {
      make_own(slots_[0]);
      std::memset(pool_->state(slots_[0]), 0, pool_->slot_bytes_);
    } else if (previous_ == position) {
      std::swap(slots_[0], slots_[1]);
    } else {
      std::swap(slots_[0], copy->slot);  // which becomes a copy again when the next step but one begins, if it is due
    }
    drop_copies([&](const kv_pool::state_copy& c) { return c.position >= position; });
  }
  if (position != length_) previous_ = nowhere;
  length_ = position;
  join_kept(position);
  if (position < mark_) forget_mark();
  drop_pages(position);
}

kv_layer sequence::layer(std::size_t i) const noexcept {
  const kv_pool::layer& l = pool_->layers_[i];
  if (l.heads == 0) return {};
  const table& t = tables_[l.reach];
  const kv_pool::reach& r = pool_->reaches_[l.reach];
  const std::size_t dropped = r.hitters.dropped(length_);
  return {pool_->pages_.data() + l.offset,
          l.head_bytes,
          l.page_bytes,
          l.value_offset,
          t.page_of.data() + t.head,
          length_ + pending_,
          pool_->room_.types,
          t.origin * page_positions + dropped,
          r.sliding,
          t.page_of.data(),
          pool_->room_.rotated,
          dropped};
}

sequence::state sequence::layer_state(std::size_t i) const noexcept {
  const kv_pool::layer& l = pool_->layers_[i];
  return {{pool_->state(slots_[0]) + l.state_offset, l.state}, {pool_->state(slots_[1]) + l.state_offset, l.state}};
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
