/// sort_keyed: values in the order of their keys.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/text/template/collections.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Items with the keys they are ordered by.
struct keyed {
  value key, item;
};
/// Sorts without moving what is equal. A failure of a comparison ends it in some order.
/// @param order_of  two keys
/// @cost            O(n log n) comparisons
template <class Order>
void sort_keyed(run& r, std::vector<keyed>& all, bool reverse, Order order_of) {
  std::vector<keyed> room(all.size());
  for (std::size_t width = 1; width < all.size() && r.charge(all.size() * 32); width = product_of_sizes(width, 2)) {
    for (std::size_t begin = 0; begin < all.size(); begin += 2 * width) {
      const std::size_t middle = (std::min)(begin + width, all.size()), end = (std::min)(begin + 2 * width, all.size());
      std::size_t left = begin, right = middle;
      for (std::size_t at = begin; at < end; ++at) {
        bool takes_right = left == middle;
        if (!takes_right && right < end) {
          const auto order = order_of(all[right].key, all[left].key);
          takes_right = reverse ? order > 0 : order < 0;
        }
        room[at] = std::move(all[takes_right ? right++ : left++]);
      }
    }
    all.swap(room);
  }
}
inline void sort_keyed(run& r, std::vector<keyed>& all, bool reverse) {
  sort_keyed(r, all, reverse, [&r](const value& a, const value& b) { return compare(r, a, b); });
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
