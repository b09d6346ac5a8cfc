/// find_best: the few best of all tokens.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/sample/candidates.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The first of `tokens` tokens by ranks_before(), in that order: `count` of them, or all. `best` loses what it had.
/// @param   logit_of  of a token: called once for each
/// @cost    O(tokens) and a little more for each that is among the best so far; no allocation where `best` has room
template <class LogitOf>
void find_best(std::size_t tokens, std::size_t count, const LogitOf& logit_of, std::vector<candidate>& best) {
  best.clear();
  count = std::min(count, tokens);
  for (std::size_t i = 0; i < tokens && count > 0; ++i) {
    const candidate c{static_cast<token>(i), logit_of(i)};
    if (best.size() == count && !ranks_before(c, best.front())) continue;  // a heap, the worst in front
    if (best.size() == count) {
      std::pop_heap(best.begin(), best.end(), &ranks_before);
      best.back() = c;
    } else {
      best.push_back(c);
    }
    std::push_heap(best.begin(), best.end(), &ranks_before);
  }
  std::sort_heap(best.begin(), best.end(), &ranks_before);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
