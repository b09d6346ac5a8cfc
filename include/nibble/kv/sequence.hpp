/// sequence: all that a model keeps of one text between its tokens: pages of keys and values, and recurrent states.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/kv/pool.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One layer of a sequence as attention sees it: page p of head h begins at pages + h * head_bytes + p * page_bytes.
struct kv_layer {
  std::byte* pages = nullptr;
  std::size_t head_bytes = 0, page_bytes = 0, value_offset = 0;  ///< a page's keys, and behind value_offset bytes its values
  const std::uint32_t* page_of = nullptr;                        ///< page_of[(position - origin) / page_positions]
  std::size_t positions = 0;                                     ///< those of this step included
  kv_types types;                                                ///< formats of keys and values
  std::size_t origin = 0;                                        ///< the position of the first of these pages
  sliding_context sliding;                                       ///< what is forgotten of a text longer than its context
  const std::uint32_t* kept_page_of = nullptr;                   ///< and where it keeps the rest, from position 0 on
  kv_rotation rotated = {};
  std::size_t dropped = 0;  ///< positions without a place in front of those of this step: see heavy_hitters

  /// Where the page of a head begins that holds a position.
  std::byte* page(std::size_t head, std::size_t position) const noexcept {
    return pages + head * head_bytes + page_of[(position - origin) / page_positions] * page_bytes;
  }
};

/// A step adds to it between begin() and commit(); rollback() instead forgets what the step wrote, and keeps what is committed.
/// Between steps it can be cut back, and forked. Its memory is its pool's, which it keeps alive; growing allocates nothing. One
/// thread at a time; sequences of a pool may be on several.
///
/// A fork shares pages and states. Pages that are full are only read. One that is not is copied by the first of its owners that
/// goes on; and a step leaves its states in a slot that nobody else has.
///
/// Where the context slides, pages that no query sees any more are given back, as a window's are; those of the kept positions
/// stay. Positions go on being counted from the beginning of the text.
///
/// Where heavy_hitters are kept, the step that fills the last page ends with a choice: what is left of the page that is not
/// recent any more moves to where something is dropped, and the page is given back. That is not undone: the sequence can only
/// be cut back to where no other choice was made, or to nothing. A step ends where a choice is due, see tokens_of_step.
///
/// @example  auto s = sequence::try_create(pool).value();
///           s.begin(3);    // a forward pass writes positions 0, 1 and 2
///           s.commit();    // s.length() == 3
class sequence final {
 public:
  /// An empty one.
  /// @errors  out_of_memory: the pool has no room for another
  static result<sequence> try_create(kv_pool& pool);
#if NIBBLE_EXCEPTIONS
  static sequence create(kv_pool& pool) { return try_create(pool).value(); }
#endif
  /// A copy, which goes on from the same place, and shares what there is.
  /// @errors  out_of_memory: the pool has no room for another; precondition: no step is open
  /// @cost    copies nothing but numbers of pages
  result<sequence> try_fork() const;
#if NIBBLE_EXCEPTIONS
  sequence fork() const { return try_fork().value(); }
#endif
  /// Becomes a fork of another sequence of the same pool, and forgets what it was.
  /// @errors  none; precondition: the same pool, and no step is open in either
  void assign(const sequence& from) NIBBLE_NOEXCEPT;

  sequence(sequence&& other) noexcept;
  sequence& operator=(sequence&& other) noexcept;
  ~sequence();

  /// Positions that are committed.
  std::size_t length() const noexcept { return length_; }
  std::size_t context() const noexcept { return pool_->room_.context; }
  /// Positions that may still be added.
  std::size_t room() const noexcept { return pool_->room_.most_positions() - length_; }
  /// What it forgets of a text that is longer than its context; of heavy hitters, how much.
  const sliding_context& sliding() const noexcept { return pool_->room_.sliding; }
  const heavy_hitters& hitters() const noexcept { return pool_->room_.hitters; }
  /// Positions that the next step may have at most: kv_room::prefill_chunk, or those that are left before some are dropped.
  std::size_t tokens_of_step() const noexcept {
    return std::min(pool_->room_.prefill_chunk, pool_->room_.hitters.left(length_));
  }

  /// Makes room for `count` more positions, in pages that no other sequence has, and forgets what no window sees from there on.
  /// False, and nothing changed, where the context or the pool has no room.
  /// @errors  none; precondition: no step is open, count <= tokens_of_step()
  bool begin(std::size_t count) NIBBLE_NOEXCEPT;
  /// Keeps what the step wrote, and drops what is to be dropped then.
  void commit() noexcept;
  /// Forgets what the step wrote. What is committed stays; what it can be cut back to may be less than before, see resumable.
  void rollback() noexcept;

  /// Keeps what windows see from here, and from one position before, and recurrent states as they are here and were before the
  /// last step: the sequence can be cut back to here however much is added. Ends when it is cut back further, or another place
  /// is marked. Has no effect if kv_room::marks is false.
  /// @errors  none; precondition: no step is open
  void mark() NIBBLE_NOEXCEPT;
  bool has_mark() const noexcept { return mark_ != nowhere; }

  /// The last position, no later than `position`, from which the sequence can go on after truncate(). It is `position` itself,
  /// unless a window has forgotten what comes before that, positions were dropped since, or no copy of the recurrent states (or
  /// of what keys have received) stands there. Then it is the mark, where the sequence can go on from that, or else an earlier
  /// position; the tokens behind it must be processed again.
  ///
  /// States stand at the length, before the last step, at a mark and before the step that led to it, and at the first end of a
  /// step that is kv_room::state_interval positions behind the copy before. So no more than an interval and a step lie between.
  std::size_t resumable(std::size_t position) const noexcept;
  /// Cuts back to the first `position` positions.
  /// @errors  none; precondition: position == resumable(position), no step is open
  void truncate(std::size_t position) NIBBLE_NOEXCEPT;

  /// Goes on behind the longest beginning of `tokens` that some sequence of the pool has remembered, with the same bits, and
  /// shares what is kept of it. @returns its length, a multiple of page_positions; 0 where there is none
  /// @param   key  what keys and values depend on beside tokens: others with another find nothing
  /// @errors  none; precondition: it is empty, no step is open
  std::size_t recall(std::span<const token> tokens, std::uint64_t key = 0) NIBBLE_NOEXCEPT;
  /// Leaves the pages that are full, and states that stand at the end of one, to those that begin alike. To be called after
  /// each step that fills a page, where windows and states are to be found at each of them; does nothing where
  /// kv_room::prefix_cache is false. What is kept is of no use to others before it is recalled, and gives way to all else.
  /// @param   tokens  all that the sequence holds
  /// @errors  none; precondition: as many tokens as length(), no step is open
  void remember(std::span<const token> tokens, std::uint64_t key = 0) NIBBLE_NOEXCEPT;

  /// The keys and values of layer i, those included that the open step adds; null for a layer that keeps none.
  kv_layer layer(std::size_t i) const noexcept;
  /// The recurrent state of layer i before the open step, and where the step writes that behind it.
  struct state {
    std::span<const float> before;
    std::span<float> after;
  };
  /// Those of layer i.
  state layer_state(std::size_t i) const noexcept;

 private:
  friend class saved_sequence;

  /// Of layers that see equally far: tiles [first, last) have pages, and before them those that are kept for the mark alone.
  /// Where the context slides, the first `head` tiles always have theirs.
  ///
  ///     page_of    head tiles | tiles from `origin` on, those of the head once more
  struct table {
    std::vector<std::uint32_t> page_of;  // with room for all, so that nothing grows later
    std::size_t first = 0, last = 0;
    std::size_t kept_first = 0, kept_last = 0;
    std::size_t head = 0, origin = 0;

    std::uint32_t at(std::size_t tile) const noexcept { return page_of[tile < head ? tile : head + (tile - origin)]; }
    void put(std::size_t tile, std::uint32_t page) noexcept {
      if (tile < head) page_of[tile] = page;
      if (tile >= origin) page_of[head + (tile - origin)] = page;
    }
    /// Moves what there is to the beginning, if tiles up to `end` have no place else.
    void make_places(std::size_t end) noexcept {
      if (end - origin <= page_of.size() - head) return;
      const auto from = page_of.begin() + std::ptrdiff_t(head);
      std::copy(from + std::ptrdiff_t(first - origin), from + std::ptrdiff_t(last - origin), from);
      origin = first;
    }
    /// Begins again with the tiles of the head, where those behind them were given back.
    void return_to_head() noexcept {
      first = origin = 0, last = head;
      std::copy_n(page_of.begin(), head, page_of.begin() + std::ptrdiff_t(head));
    }

    /// The first tile of those without a gap before `last`.
    std::size_t joined_first() const noexcept { return kept_last > kept_first && kept_last == first ? kept_first : first; }
    template <class F>
    void for_each_tile(F&& f) const {
      for (std::size_t tile = 0; tile < std::min(head, last); ++tile) f(tile);
      for (std::size_t tile = kept_first; tile < kept_last; ++tile) f(tile);
      for (std::size_t tile = std::max(head, first); tile < last; ++tile) f(tile);
    }
  };
  static constexpr std::size_t nowhere = largest_size;

  explicit sequence(kv_pool& pool) noexcept : pool_(pool) {}
  /// What a step of `count` positions does to a table.
  struct growth {
    std::size_t first, last, end;
  };
  growth growth_of(std::size_t reach, std::size_t count) const noexcept;
  bool keeps_for_mark(std::size_t reach, std::size_t tile) const noexcept;
  bool windows_hold(std::size_t position) const noexcept;
  std::size_t resumable_state(std::size_t position) const noexcept;
  prefix_cache::node longest_prefix(std::span<const token> tokens, std::uint64_t key) const noexcept;
  void keep_page(std::size_t reach, std::size_t tile, prefix_cache::node at) noexcept;
  bool has_state() const noexcept { return pool_->slot_bytes_ > 0; }
  void release() noexcept;
  // What looks at owners or changes them, under the pool's lock.
  bool continues_shared_page(std::size_t reach, std::size_t count) const noexcept;
  template <class F>
  void for_each_shared_choice(std::size_t reach, std::size_t count, F&& f) const noexcept;
  void own_page(std::size_t reach, std::size_t tile) noexcept;
  void drop_lightest(std::size_t reach) noexcept;
  void move_position(const kv_pool::layer& l, const table& t, std::size_t from, std::size_t to) noexcept;
  bool has_pages_for(std::size_t reach, std::size_t count) const noexcept;
  void grow(std::size_t reach, std::size_t count) noexcept;
  void make_own(std::uint32_t& slot) noexcept;
  void keep_previous_state() noexcept;
  void forget_mark() noexcept;
  void join_kept(std::size_t position) noexcept;
  void drop_pages(std::size_t length) noexcept;
  template <class If>
  void drop_copies(const If& condition) noexcept;
  void give_back(std::size_t reach, std::size_t tile) noexcept {
    pool_->reaches_[reach].pages.give_back(tables_[reach].at(tile));
  }
  void give_all_back() noexcept;
  void take_slots() noexcept;

  kv_pool_ref pool_;
  std::vector<table> tables_;                // by index in kv_pool::reaches_
  std::uint32_t slots_[2] = {0, 0};          // of states: now, and before the last step or for the next
  std::vector<kv_pool::state_copy> copies_;  // of earlier states, as many as there is room for
  bool owns_slots_ = false;
  std::size_t length_ = 0, pending_ = 0;
  std::size_t previous_ = nowhere;                      // the position whose state is in slots_[1]
  std::size_t mark_ = nowhere, before_mark_ = nowhere;  // and the position before the step that led to it, of states
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
