/// How pools and sequences use their prefix cache, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <mutex>
#include <utility>

#include "nibble/kv/pool-impl.hpp"
#include "nibble/kv/sequence.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

std::uint32_t kv_pool::take(std::size_t kind) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(numbers(kind).available() > 0);
  while (numbers(kind).free() == 0) forget_oldest(kind);
  return numbers(kind).take();
}

/// Of the prefix cache: a number that nobody has. Without a page of a layer that sees all, nothing behind it is of use.
void kv_pool::forget_oldest(std::size_t kind) noexcept {
  const prefix_cache::node n = prefixes_.oldest(kind, [&](std::uint32_t number) { return numbers(kind).is_idle(number); });
  const auto let_go = [&](std::size_t of, std::uint32_t number) { numbers(of).let_go(number); };
  if (kind < reaches_.size() && reaches_[kind].window == 0) return prefixes_.drop_all(n, let_go);
  prefixes_.drop(n, kind, let_go);
}

std::size_t sequence::recall(std::span<const token> tokens, std::uint64_t key) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pending_ == 0 && length_ == 0);
  prefix_cache& cache = pool_->prefixes_;
  if (!cache) return 0;
  const std::lock_guard lock(pool_->changing_);
  const prefix_cache::node n = longest_prefix(tokens.first(std::min(tokens.size(), context())), key);
  if (n == prefix_cache::root) return 0;
  length_ = cache.depth(n) * page_positions;
  for (std::size_t r = 0; r < tables_.size(); ++r) {
    table& t = tables_[r];
    t.first = pool_->reaches_[r].first_tile(length_), t.last = cache.depth(n);
    prefix_cache::node at = n;
    for (std::size_t tile = t.last; tile > t.first; --tile, at = cache.parent(at)) {
      t.put(tile - 1, cache.held(at, r));
      pool_->reaches_[r].pages.share(cache.held(at, r));
      cache.touch(at, r);
    }
  }
  if (has_state()) {
    const std::size_t kind = tables_.size();
    pool_->slots_.share(cache.held(n, kind));
    pool_->slots_.give_back(std::exchange(slots_[0], cache.held(n, kind)));
    cache.touch(n, kind);
  }
  previous_ = nowhere;
  return length_;
}

/// The last node along these tokens behind which everything is there: what each window sees, and the states.
prefix_cache::node sequence::longest_prefix(std::span<const token> tokens, std::uint64_t key) const noexcept {
  prefix_cache& cache = pool_->prefixes_;
  const std::span<std::size_t> run = cache.run();  // pages of a kind without a gap, up to a node
  std::fill(run.begin(), run.end(), 0);
  prefix_cache::node best = prefix_cache::root, at = prefix_cache::root;
  for (std::size_t depth = 1; depth * page_positions <= tokens.size(); ++depth) {
    at = cache.find(at, tokens.subspan((depth - 1) * page_positions, page_positions), key);
    if (at == prefix_cache::nothing) break;
    bool whole = true;
    for (std::size_t kind = 0; kind < run.size(); ++kind) {
      run[kind] = cache.held(at, kind) == prefix_cache::nothing ? 0 : run[kind] + 1;
      const bool pages = kind < tables_.size();
      const std::size_t needed = pages ? depth - pool_->reaches_[kind].first_tile(depth * page_positions) : 1;
      whole = whole && run[kind] >= needed;
    }
    if (whole) best = at;
  }
  return best;
}

void sequence::remember(std::span<const token> tokens, std::uint64_t key) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(pending_ == 0 && tokens.size() == length_);
  prefix_cache& cache = pool_->prefixes_;
  if (!cache) return;
  const std::lock_guard lock(pool_->changing_);
  const bool at_border = has_state() && length_ > 0 && length_ % page_positions == 0;
  const auto let_go = [&](std::size_t of, std::uint32_t number) { pool_->numbers(of).let_go(number); };
  prefix_cache::node at = prefix_cache::root;
  for (std::size_t tile = 0; tile < length_ / page_positions; ++tile) {
    const std::span<const token> page = tokens.subspan(tile * page_positions, page_positions);
    prefix_cache::node next = cache.find_or_add(at, page, key);
    if (next == prefix_cache::nothing && cache.prune(at, let_go)) next = cache.find_or_add(at, page, key);
    if (next == prefix_cache::nothing) break;
    at = next;
  }
  if (at_border && cache.depth(at) * page_positions == length_ && cache.held(at, tables_.size()) == prefix_cache::nothing) {
    pool_->slots_.keep(slots_[0]);
    cache.hold(at, tables_.size(), slots_[0]);
  }
  for (prefix_cache::node n = at; n != prefix_cache::root; n = cache.parent(n)) {
    for (std::size_t r = 0; r < tables_.size(); ++r) keep_page(r, cache.depth(n) - 1, n);
  }
  cache.trim(at);
}

/// Keeps a page for those that begin alike, unless there is one. What comes behind a page of a layer that sees all needs it.
void sequence::keep_page(std::size_t r, std::size_t tile, prefix_cache::node at) noexcept {
  prefix_cache& cache = pool_->prefixes_;
  const table& t = tables_[r];
  if (cache.held(at, r) != prefix_cache::nothing) {
    if (pool_->reaches_[r].window == 0) cache.touch(at, r);
    return;
  }
  const bool has_it = (tile >= t.first && tile < t.last) || (tile >= t.kept_first && tile < t.kept_last);
  if (!has_it || pool_->reaches_[r].pages.is_kept(t.at(tile))) return;
  pool_->reaches_[r].pages.keep(t.at(tile));
  cache.hold(at, r, t.at(tile));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
