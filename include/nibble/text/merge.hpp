/// merger: the loop that byte-pair encodings share: merge the best neighbours, wherever they stand, until none can be merged.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/token.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A stretch of the text being merged.
struct symbol {
  std::uint32_t begin, size;    ///< in bytes; size 0: merged into its left neighbour
  std::int32_t previous, next;  ///< places of the neighbours; -1 at the ends
  token id;                     ///< -1: no token yet
  std::uint32_t rank = 0;       ///< of merging it with the next one
  token merged = -1;            ///< what that gives; -1: they do not merge
};

/// The most bytes merged together: longer stretches are cut there.
inline constexpr std::size_t longest_merge = std::size_t{1} << 30;

namespace detail {
/// A priority queue of numbers. Those that come in ascending order are kept in a few sorted runs and cost O(1); only the others
/// go to a heap. Runs of equal characters, however long, are of the first kind.
class run_queue {
 public:
  void clear() noexcept {
    for (auto& r : runs_) r.reset();
    heap_.clear();
  }

  void push(std::uint64_t value) {
    for (auto& r : runs_) {
      if (!r.items.empty() && r.items.back() > value) continue;
      return r.items.push_back(value);
    }
    heap_.push_back(value);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  std::optional<std::uint64_t> pop() noexcept {
    run* first = nullptr;
    for (auto& r : runs_) {
      if (r.items.empty()) break;
      if (!first || r.front() < first->front()) first = &r;
    }
    if (!heap_.empty() && (!first || heap_.front() < first->front())) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const std::uint64_t value = heap_.back();
      heap_.pop_back();
      return value;
    }
    if (!first) return std::nullopt;
    const std::uint64_t value = first->front();
    if (++first->head == first->items.size()) {
      first->reset();
      // Runs in use stand before those that are not.
      for (run* r = first; r + 1 < runs_.data() + runs_.size() && !r[1].items.empty(); ++r) std::swap(r[0], r[1]);
    }
    return value;
  }

 private:
  struct run {
    std::vector<std::uint64_t> items;
    std::size_t head = 0;
    std::uint64_t front() const noexcept { return items[head]; }
    void reset() noexcept {
      items.clear();
      head = 0;
    }
  };
  std::array<run, 8> runs_;
  std::vector<std::uint64_t> heap_;
};
}  // namespace detail

/// Room for one merge after another; reusing it saves the allocations.
///
/// @cost  O(n log n) at worst for n symbols: every merge removes one symbol and offers at most two new pairs to a queue
class merger {
 public:
  std::vector<std::uint64_t> sums;  ///< room for hashes of beginnings, for whoever needs them

  /// What merging two neighbours would give. Lower ranks go first, then those further left.
  struct offer {
    std::uint32_t rank;
    token id;  ///< -1: they do not merge
  };

  void clear() noexcept { symbols_.clear(); }
  void add(std::uint32_t begin, std::uint32_t size, token id) {
    const auto place = static_cast<std::int32_t>(symbols_.size());
    if (place > 0) symbols_.back().next = place;
    symbols_.push_back({begin, size, place - 1, -1, id});
  }

  /// Merges what was added; `look(left, right)` gives the offer for two neighbouring symbols.
  template <class Look>
  void run(Look&& look) {
    queue_.clear();
    for (std::size_t i = 1; i < symbols_.size(); ++i) propose(static_cast<std::int32_t>(i - 1), look);
    while (const auto best = queue_.pop()) {
      const auto place = static_cast<std::int32_t>(*best & 0xFFFFFFFFu);
      symbol& left = at(place);
      if (left.size == 0 || left.merged < 0 || left.rank != *best >> 32) continue;  // an offer of the past
      symbol& right = at(left.next);
      left.size += right.size;
      left.id = left.merged;
      left.next = right.next;
      right.size = 0;
      if (left.next >= 0) at(left.next).previous = place;
      propose(place, look);
      if (left.previous >= 0) propose(left.previous, look);
    }
  }

  /// Calls f(symbol) for each symbol that is left, in order.
  template <class F>
  void for_each(F&& f) const {
    if (symbols_.empty()) return;
    for (std::int32_t i = 0; i >= 0; i = symbols_[static_cast<std::size_t>(i)].next) f(symbols_[static_cast<std::size_t>(i)]);
  }

 private:
  symbol& at(std::int32_t place) noexcept { return symbols_[static_cast<std::size_t>(place)]; }

  template <class Look>
  void propose(std::int32_t place, Look& look) {
    symbol& left = at(place);
    const offer found = left.next < 0 ? offer{0, -1} : look(left, at(left.next));
    left.rank = found.rank;
    left.merged = found.id;
    if (found.id >= 0) queue_.push(std::uint64_t{found.rank} << 32 | static_cast<std::uint32_t>(place));
  }

  std::vector<symbol> symbols_;
  detail::run_queue queue_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
