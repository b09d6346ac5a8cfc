/// prefix_cache: which pages and states are those of beginnings of texts, for texts that begin alike.
///
/// A radix tree. A node stands for the tokens of one page behind those of its parent, and owns what a pool keeps of these
/// positions: a page of each table, and the recurrent states at their end. It may have some of that alone, for whatever is
/// needed elsewhere is given up by itself, the least recently used first.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/core/checksum.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/kv/tile.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// It knows numbers of pages and of slots, by their kind: what owns them is its pool's to say, under whose lock it stands.
/// @cost  all memory is taken when it is made; to find and to touch a node takes as long for many as for few. To choose what is
///        given up passes those in use that were used before
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
  /// Places of nodes, that of the root and those that are free included.
  std::size_t nodes() const noexcept { return nodes_.size(); }

  /// The node of these tokens behind a node, or nothing.
  /// @shape   page (page_positions)
  /// @param   key  what else its numbers depend on: all behind it have the same
  node find(node parent, std::span<const token> page, std::uint64_t key = 0) const noexcept;
  /// The same, made where there is none. Nothing where there is no room: then prune() makes some.
  node find_or_add(node parent, std::span<const token> page, std::uint64_t key = 0) noexcept;
  /// The same, where it is the first to go if it is new.
  node find_or_add_oldest(node parent, std::span<const token> page, std::uint64_t key) noexcept;
  std::span<const token> page(node n) const noexcept { return nodes_[n].tokens; }
  std::uint64_t key(node n) const noexcept { return nodes_[n].key; }
  node parent(node n) const noexcept { return nodes_[n].parent; }
  /// Pages up to the end of a node.
  std::size_t depth(node n) const noexcept { return nodes_[n].depth; }

  /// What it owns of a kind, or nothing.
  std::uint32_t held(node n, std::size_t kind) const noexcept { return numbers_[n * kinds() + kind]; }
  void hold(node n, std::size_t kind, std::uint32_t number) noexcept {
    numbers_[n * kinds() + kind] = number;
    touch(n, kind);
  }
  /// The same, where it is the first to go.
  void hold_oldest(node n, std::size_t kind, std::uint32_t number) noexcept {
    numbers_[n * kinds() + kind] = number;
    move_to_oldest(n, kind);
  }
  /// It is used now. Of a path the last node is to be touched first, so that it is also the first to go.
  void touch(node n, std::size_t kind) noexcept {
    move_to_newest(n, kind);
    move_to_newest(n, kinds());
  }

  /// Calls f(node) for those that own a number of a kind, the last used first; of kinds() for all nodes.
  template <class F>
  void for_each_from_newest(std::size_t kind, F&& f) const {
    if (nodes_.empty()) return;
    for (node n = link_of(root, kind).previous; n != root; n = link_of(n, kind).previous) f(n);
  }
  /// The node whose number of a kind was not used for longest, of those for which may_go(number); nothing where there is none.
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
    std::uint64_t key;
    node parent, first_child, next, previous;  // of the same parent; next: also of those that are free
    node next_alike;                           // in the same place of first_alike_
    std::uint32_t depth;
  };
  /// Those before and behind in the order in which they were used: a ring around the root, whose `next` is the oldest.
  struct link {
    node previous, next;
  };

  bool holds_nothing(node n) const noexcept {
    const auto own = std::span(numbers_).subspan(n * kinds(), kinds());
    return std::all_of(own.begin(), own.end(), [](std::uint32_t number) { return number == nothing; });
  }
  std::size_t place_of(node parent, std::span<const token> page, std::uint64_t key) const noexcept {
    return detail::checksum(std::as_bytes(page), key ^ std::uint64_t{parent} << 32) & (first_alike_.size() - 1);
  }
  static constexpr std::size_t places(std::size_t nodes) noexcept {
    return nodes > largest_size / 2 ? largest_size : std::bit_ceil(nodes);
  }

  // Kinds of links: those of numbers, and behind them that of nodes.
  link& link_of(node n, std::size_t kind) noexcept { return links_[n * (kinds() + 1) + kind]; }
  const link& link_of(node n, std::size_t kind) const noexcept { return links_[n * (kinds() + 1) + kind]; }
  void take_from_order(node n, std::size_t kind) noexcept;
  void put_behind(node n, node before, std::size_t kind) noexcept;
  void move_to_newest(node n, std::size_t kind) noexcept { put_behind(n, link_of(root, kind).previous, kind); }
  void move_to_oldest(node n, std::size_t kind) noexcept { put_behind(n, root, kind); }
  std::uint32_t take_number(node n, std::size_t kind) noexcept;
  void remove(node n) noexcept;

  std::vector<page_node> nodes_;
  std::vector<std::uint32_t> numbers_;  // (nodes, kinds)
  std::vector<link> links_;             // (nodes, kinds + 1); one that is in no order is linked to itself
  std::vector<node> first_alike_;       // by place_of()
  std::vector<std::size_t> run_;
  node free_ = nothing;
};

inline prefix_cache::prefix_cache(std::size_t nodes, std::size_t kinds)
    : nodes_(nodes + 1),
      numbers_((nodes + 1) * kinds, nothing),
      links_((nodes + 1) * (kinds + 1)),
      first_alike_(places(nodes + 1), nothing),
      run_(kinds) {
  nodes_[root] = {{}, 0, nothing, nothing, nothing, nothing, nothing, 0};
  for (std::size_t i = nodes; i > 0; --i) {
    nodes_[i] = {{}, 0, nothing, nothing, free_, nothing, nothing, 0};
    free_ = static_cast<node>(i);
  }
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const auto own = static_cast<node>(i / (kinds + 1));
    links_[i] = {own, own};
  }
}

constexpr std::size_t prefix_cache::planned_bytes(std::size_t nodes, std::size_t kinds) noexcept {
  nodes = sum_of_sizes(nodes, 1);
  std::size_t bytes = product_of_sizes(nodes, sizeof(page_node));
  bytes = sum_of_sizes(bytes, product_of_sizes(nodes, kinds, sizeof(std::uint32_t)));
  bytes = sum_of_sizes(bytes, product_of_sizes(nodes, kinds + 1, sizeof(link)));
  bytes = sum_of_sizes(bytes, product_of_sizes(places(nodes), sizeof(node)));
  return sum_of_sizes(bytes, product_of_sizes(kinds, sizeof(std::size_t)));
}

inline prefix_cache::node prefix_cache::find(node parent, std::span<const token> page, std::uint64_t key) const noexcept {
  for (node n = first_alike_[place_of(parent, page, key)]; n != nothing; n = nodes_[n].next_alike) {
    const page_node& found = nodes_[n];
    if (found.parent == parent && found.key == key && std::equal(page.begin(), page.end(), found.tokens.begin())) return n;
  }
  return nothing;
}

inline prefix_cache::node prefix_cache::find_or_add(node parent, std::span<const token> page, std::uint64_t key) noexcept {
  const node found = find(parent, page, key);
  if (found != nothing || free_ == nothing) return found;
  const node made = free_, sibling = nodes_[parent].first_child;
  page_node& n = nodes_[made];
  free_ = n.next;
  std::copy(page.begin(), page.end(), n.tokens.begin());
  n.key = key, n.parent = parent, n.first_child = nothing, n.depth = nodes_[parent].depth + 1;
  n.next = sibling, n.previous = nothing;
  if (sibling != nothing) nodes_[sibling].previous = made;
  nodes_[parent].first_child = made;
  n.next_alike = std::exchange(first_alike_[place_of(parent, page, key)], made);
  move_to_newest(made, kinds());
  return made;
}

inline prefix_cache::node prefix_cache::find_or_add_oldest(node parent, std::span<const token> page,
                                                           std::uint64_t key) noexcept {
  const node found = find(parent, page, key);
  if (found != nothing) return found;
  const node made = find_or_add(parent, page, key);
  if (made != nothing) move_to_oldest(made, kinds());
  return made;
}

template <class F>
prefix_cache::node prefix_cache::oldest(std::size_t kind, F&& may_go) const noexcept {
  for (node n = link_of(root, kind).next; n != root; n = link_of(n, kind).next) {
    if (may_go(held(n, kind))) return n;
  }
  return nothing;
}

template <class F>
void prefix_cache::drop(node n, std::size_t kind, F&& on_number) noexcept {
  on_number(kind, take_number(n, kind));
  trim(n);
}

template <class F>
void prefix_cache::drop_all(node n, F&& on_number, node spared) noexcept {
  const node above = nodes_[n].parent;
  for (node at = n;;) {  // always the first child, until there is none
    while (nodes_[at].first_child != nothing) at = nodes_[at].first_child;
    for (std::size_t kind = 0; kind < kinds(); ++kind) {
      const std::uint32_t number = take_number(at, kind);
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
  for (node n = link_of(root, kinds()).next; n != root; n = link_of(n, kinds()).next) {
    if (nodes_[n].first_child != nothing || n == spared) continue;
    drop_all(n, on_number, spared);
    return true;
  }
  return false;
}

inline void prefix_cache::take_from_order(node n, std::size_t kind) noexcept {
  link& own = link_of(n, kind);
  link_of(own.previous, kind).next = own.next;
  link_of(own.next, kind).previous = own.previous;
  own = {n, n};
}

inline void prefix_cache::put_behind(node n, node before, std::size_t kind) noexcept {
  if (n == before) return;
  take_from_order(n, kind);
  const node after = link_of(before, kind).next;
  link_of(n, kind) = {before, after};
  link_of(before, kind).next = link_of(after, kind).previous = n;
}

inline std::uint32_t prefix_cache::take_number(node n, std::size_t kind) noexcept {
  take_from_order(n, kind);
  return std::exchange(numbers_[n * kinds() + kind], nothing);
}

/// Takes a node without children out of the tree.
inline void prefix_cache::remove(node n) noexcept {
  page_node& gone = nodes_[n];
  (gone.previous == nothing ? nodes_[gone.parent].first_child : nodes_[gone.previous].next) = gone.next;
  if (gone.next != nothing) nodes_[gone.next].previous = gone.previous;
  node* alike = &first_alike_[place_of(gone.parent, gone.tokens, gone.key)];
  while (*alike != n) alike = &nodes_[*alike].next_alike;
  *alike = gone.next_alike;
  take_from_order(n, kinds());
  gone.parent = nothing;
  gone.next = free_;
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
