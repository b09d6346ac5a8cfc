/// prefix_cache: which pages and states are those of beginnings of texts, for texts that begin alike.
///
/// A radix tree. A node stands for the tokens of one page behind those of its parent, and owns what a pool keeps of these
/// positions: a page of each table, and the recurrent states at their end. It may have some of that alone, for whatever is
/// needed elsewhere is given up by itself, the least recently used first.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// It knows numbers of pages and of slots, by their kind: what owns them is its pool's to say, under whose lock it stands.
/// @cost  all memory is taken when it is made; giving up one looks at every node
class prefix_cache {
 public:
  using node = std::uint32_t;
  static constexpr node root = 0;
  static constexpr std::uint32_t nothing = std::numeric_limits<std::uint32_t>::max();  // no node, no number

  prefix_cache() noexcept = default;
  /// Room for so many nodes beside the root, each with a number of every kind.
  prefix_cache(std::size_t nodes, std::size_t kinds);
  static constexpr std::size_t planned_bytes(std::size_t nodes, std::size_t kinds) noexcept;

  explicit operator bool() const noexcept { return !nodes_.empty(); }
  std::size_t kinds() const noexcept { return run_.size(); }

  /// The node of these tokens behind a node, or nothing. @shape page (page_positions)
  node find(node parent, std::span<const token> page) const noexcept;
  /// The same, made where there is none. Nothing where there is no room: then prune() makes some.
  node find_or_add(node parent, std::span<const token> page) noexcept;
  node parent(node n) const noexcept { return nodes_[n].parent; }
  /// Pages up to the end of a node.
  std::size_t depth(node n) const noexcept { return nodes_[n].depth; }

  /// What it owns of a kind, or nothing.
  std::uint32_t held(node n, std::size_t kind) const noexcept { return item_of(n, kind).number; }
  void hold(node n, std::size_t kind, std::uint32_t number) noexcept { item_of(n, kind) = {clock_, number}; }
  /// What is used from now on is used at the same time, until the next call.
  void advance_clock() noexcept { ++clock_; }
  void touch(node n, std::size_t kind) noexcept { item_of(n, kind).used = clock_; }

  /// The node whose number of a kind was not used for longest, of those for which may_go(number); of some that were used at the
  /// same time the one with most tokens.
  template <class F>
  node oldest(std::size_t kind, F&& may_go) const noexcept;
  /// Gives up a number, and the node where nothing is left of it: on_number(kind, number).
  template <class F>
  void drop(node n, std::size_t kind, F&& on_number) noexcept;
  /// Gives up all of a node, and all behind it.
  template <class F>
  void drop_all(node n, F&& on_number, node spared = root) noexcept;
  /// Gives up the node that was not used for longest of those with none behind them, but not `spared`. False if there is none.
  template <class F>
  bool prune(node spared, F&& on_number) noexcept;
  /// Takes nodes out that own nothing and lead to none that does: this one, and those above up to `spared`.
  void trim(node n, node spared = root) noexcept;

  /// A count for each kind, for who walks along a path.
  std::span<std::size_t> run() noexcept { return run_; }

 private:
  struct page_node {
    std::array<token, page_positions> tokens;
    node parent, first_child, next;  // next: of the same parent, or of those that are free
    std::uint32_t depth;
  };
  struct item {
    std::uint64_t used;
    std::uint32_t number;
  };

  item& item_of(node n, std::size_t kind) noexcept { return items_[n * kinds() + kind]; }
  const item& item_of(node n, std::size_t kind) const noexcept { return items_[n * kinds() + kind]; }
  bool is_there(node n) const noexcept { return n == root || nodes_[n].parent != nothing; }
  bool holds_nothing(node n) const noexcept {
    for (std::size_t kind = 0; kind < kinds(); ++kind) {
      if (held(n, kind) != nothing) return false;
    }
    return true;
  }
  void remove(node n) noexcept;

  std::vector<page_node> nodes_;
  std::vector<item> items_;
  std::vector<std::size_t> run_;
  node free_ = nothing;
  std::uint64_t clock_ = 0;
};

inline prefix_cache::prefix_cache(std::size_t nodes, std::size_t kinds)
    : nodes_(nodes + 1), items_((nodes + 1) * kinds, item{0, nothing}), run_(kinds) {
  nodes_[root] = {{}, nothing, nothing, nothing, 0};
  for (std::size_t i = nodes; i > 0; --i) {
    nodes_[i] = {{}, nothing, nothing, free_, 0};
    free_ = static_cast<node>(i);
  }
}

constexpr std::size_t prefix_cache::planned_bytes(std::size_t nodes, std::size_t kinds) noexcept {
  nodes = sum_of_sizes(nodes, 1);
  return sum_of_sizes(sum_of_sizes(product_of_sizes(nodes, sizeof(page_node)), product_of_sizes(nodes, kinds, sizeof(item))),
                      product_of_sizes(kinds, sizeof(std::size_t)));
}

inline prefix_cache::node prefix_cache::find(node parent, std::span<const token> page) const noexcept {
  for (node n = nodes_[parent].first_child; n != nothing; n = nodes_[n].next) {
    if (std::equal(page.begin(), page.end(), nodes_[n].tokens.begin())) return n;
  }
  return nothing;
}

inline prefix_cache::node prefix_cache::find_or_add(node parent, std::span<const token> page) noexcept {
  const node found = find(parent, page);
  if (found != nothing || free_ == nothing) return found;
  const node made = free_;
  page_node& n = nodes_[made];
  free_ = n.next;
  std::copy(page.begin(), page.end(), n.tokens.begin());
  n.parent = parent, n.first_child = nothing, n.depth = nodes_[parent].depth + 1;
  n.next = nodes_[parent].first_child;
  nodes_[parent].first_child = made;
  return made;
}

template <class F>
prefix_cache::node prefix_cache::oldest(std::size_t kind, F&& may_go) const noexcept {
  node best = nothing;
  for (node n = 1; n < nodes_.size(); ++n) {
    const item& i = item_of(n, kind);
    if (i.number == nothing || !may_go(i.number)) continue;
    const bool older = best == nothing || i.used < item_of(best, kind).used ||
                       (i.used == item_of(best, kind).used && nodes_[n].depth > nodes_[best].depth);
    if (older) best = n;
  }
  return best;
}

template <class F>
void prefix_cache::drop(node n, std::size_t kind, F&& on_number) noexcept {
  on_number(kind, item_of(n, kind).number);
  item_of(n, kind).number = nothing;
  trim(n);
}

template <class F>
void prefix_cache::drop_all(node n, F&& on_number, node spared) noexcept {
  const node above = nodes_[n].parent;
  for (node at = n;;) {  // always the first child, until there is none
    while (nodes_[at].first_child != nothing) at = nodes_[at].first_child;
    for (std::size_t kind = 0; kind < kinds(); ++kind) {
      const std::uint32_t number = std::exchange(item_of(at, kind).number, nothing);
      if (number != nothing) on_number(kind, number);
    }
    const node parent = nodes_[at].parent;
    remove(at);
    if (at == n) break;
    at = parent;
  }
  trim(above, spared);
}

template <class F>
bool prefix_cache::prune(node spared, F&& on_number) noexcept {
  node best = nothing;
  std::uint64_t best_used = 0;
  for (node n = 1; n < nodes_.size(); ++n) {
    if (!is_there(n) || nodes_[n].first_child != nothing || n == spared) continue;
    std::uint64_t used = 0;
    for (std::size_t kind = 0; kind < kinds(); ++kind) used = std::max(used, item_of(n, kind).used);
    if (best == nothing || used < best_used) best = n, best_used = used;
  }
  if (best == nothing) return false;
  drop_all(best, on_number, spared);
  return true;
}

/// Takes a node without children out of the tree.
inline void prefix_cache::remove(node n) noexcept {
  node* link = &nodes_[nodes_[n].parent].first_child;
  while (*link != n) link = &nodes_[*link].next;
  *link = nodes_[n].next;
  nodes_[n].parent = nothing;
  nodes_[n].next = free_;
  free_ = n;
}

inline void prefix_cache::trim(node n, node spared) noexcept {
  while (n != root && n != spared && nodes_[n].first_child == nothing && holds_nothing(n)) {
    const node parent = nodes_[n].parent;
    remove(n);
    n = parent;
  }
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
