/// What a sequence does when it has as many positions as heavy_hitters may have, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "nibble/kv/copy_kv.hpp"
#include "nibble/kv/heavy_hitters.hpp"
#include "nibble/kv/sequence-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Copies what a layer has of one place to another.
void sequence::move_position(const kv_pool::layer& l, const table& t, std::size_t from, std::size_t to) noexcept {
  const kv_types& types = pool_->room_.types;
  const std::size_t from_slot = from % page_positions, to_slot = to % page_positions;
  for (std::size_t head = 0; head < l.heads; ++head) {
    const std::byte* source = pool_->page(l, head, t.at(from / page_positions));
    std::byte* target = pool_->page(l, head, t.at(to / page_positions));
    copy_kv<kv_role::key>(types.keys, source, from_slot, target, to_slot, l.key_dim);
    copy_kv<kv_role::value>(types.values, source + l.value_offset, from_slot, target + l.value_offset, to_slot, l.value_dim);
  }
}

/// Drops the lightest of the older positions of each layer. Those of the last page of them that stay move to the places of
/// those that go, and the page is given back: 64 positions move at most, however many are kept.
void sequence::drop_lightest(std::size_t r) noexcept {
  const heavy_hitters& h = pool_->reaches_[r].hitters;
  if (!h.chooses()) return;
  table& t = tables_[r];
  const std::size_t older = h.older(), left = older - page_positions;
  for (const kv_pool::layer& l : pool_->layers_) {
    if (l.heads == 0 || l.reach != r) continue;
    const std::span<float> sums(pool_->state(slots_[0]) + l.state_offset, h.size);
    const auto gone = lightest(sums.first(older));
    auto free = gone.begin();
    for (std::size_t place = left; place < older; ++place) {
      if (std::binary_search(gone.begin(), gone.end(), place)) continue;
      move_position(l, t, place, *free);
      sums[*free++] = sums[place];
    }
    std::copy(sums.begin() + std::ptrdiff_t(older), sums.end(), sums.begin() + std::ptrdiff_t(left));
  }
  give_back(r, left / page_positions);
  for (std::size_t tile = left / page_positions; tile + 1 < t.last; ++tile) t.put(tile, t.at(tile + 1));
  --t.last;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
