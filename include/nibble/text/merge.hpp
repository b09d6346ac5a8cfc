/// merger: the loop that byte-pair encodings share: merge the best neighbours, wherever they stand, until none can be merged.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/token.hpp"

namespace nibble::inline NIBBLE_ABI {

/// A stretch of the text being merged.
struct symbol {
  std::uint32_t begin, size;
  std::int32_t previous, next;  ///< places of the neighbours; -1 at the ends
  token id;                     ///< -1: no token yet
};

/// The most bytes merged together: longer stretches are cut there, which no text of this world meets.
inline constexpr std::size_t longest_merge = std::size_t{1} << 30;

/// Room for one merge after another; reusing it saves the allocations.
///
/// @cost  O(n log n) for n symbols, whatever they are: every merge removes one symbol and offers at most two new pairs to a
/// heap
class merger {
 public:
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
    heap_.clear();
    for (std::size_t i = 1; i < symbols_.size(); ++i) propose(static_cast<std::int32_t>(i - 1), look);
    std::make_heap(heap_.begin(), heap_.end(), later);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      const candidate best = heap_.back();
      heap_.pop_back();
      const auto place = static_cast<std::int32_t>(best.order & 0xFFFFFFFFu);
      symbol& left = at(place);
      // Symbols only grow to the right: the pair is still the one that was offered if its size is.
      if (left.size == 0 || left.next < 0 || left.size + at(left.next).size != best.size) continue;
      symbol& right = at(left.next);
      left.size = best.size;
      left.id = best.id;
      left.next = right.next;
      right.size = 0;
      if (left.next >= 0) at(left.next).previous = place;
      if (propose(place, look)) std::push_heap(heap_.begin(), heap_.end(), later);
      if (left.previous >= 0 && propose(left.previous, look)) std::push_heap(heap_.begin(), heap_.end(), later);
    }
  }

  /// Calls f(symbol) for each symbol that is left, in order.
  template <class F>
  void for_each(F&& f) const {
    if (symbols_.empty()) return;
    for (std::int32_t i = 0; i >= 0; i = symbols_[static_cast<std::size_t>(i)].next) f(symbols_[static_cast<std::size_t>(i)]);
  }

 private:
  struct candidate {
    std::uint64_t order;  // rank, then the place of the left symbol
    std::uint32_t size;   // of both together
    token id;
  };
  static bool later(const candidate& a, const candidate& b) noexcept { return a.order > b.order; }
  symbol& at(std::int32_t place) noexcept { return symbols_[static_cast<std::size_t>(place)]; }

  template <class Look>
  bool propose(std::int32_t place, Look& look) {
    const symbol& left = at(place);
    if (left.next < 0) return false;
    const symbol& right = at(left.next);
    const offer found = look(left, right);
    if (found.id < 0) return false;
    heap_.push_back({std::uint64_t{found.rank} << 32 | static_cast<std::uint32_t>(place), left.size + right.size, found.id});
    return true;
  }

  std::vector<symbol> symbols_;
  std::vector<candidate> heap_;
};

}  // namespace nibble::inline NIBBLE_ABI
