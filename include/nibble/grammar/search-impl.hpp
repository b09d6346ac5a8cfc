/// The definitions behind search.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "nibble/grammar/automaton-impl.hpp"
#include "nibble/grammar/char_set.hpp"
#include "nibble/grammar/search.hpp"
#include "nibble/grammar/token_code.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Some beginnings of marks.
struct mark_tree {
  struct node {
    std::map<char32_t, std::size_t> next = {};
    std::size_t shorter = 0;            // the longest other beginning that this one ends with
    const search_mark* mark = nullptr;  // that ends here
  };
  std::vector<node> nodes = std::vector<node>(1);

  explicit mark_tree(std::span<const search_mark> marks) {
    for (const search_mark& m : marks) {
      std::size_t at = 0;
      for (const char32_t c : m.text) {
        const auto [found, is_new] = nodes[at].next.try_emplace(c, nodes.size());
        at = found->second;
        if (is_new) nodes.emplace_back();
      }
      if (!nodes[at].mark) nodes[at].mark = &m;
    }
    std::vector<std::size_t> order = {0};  // the shorter ones first
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (const auto& [c, child] : nodes[order[i]].next) {
        order.push_back(child);
        if (order[i] == 0) continue;
        nodes[child].shorter = step(nodes[order[i]].shorter, c);
        if (!nodes[child].mark) nodes[child].mark = nodes[nodes[child].shorter].mark;
      }
    }
  }

  std::size_t step(std::size_t at, char32_t c) const {
    for (;; at = nodes[at].shorter) {
      if (const auto found = nodes[at].next.find(c); found != nodes[at].next.end()) return found->second;
      if (at == 0) return 0;
    }
  }
};

/// The edges of a state by single characters; all others lead to one place.
inline std::vector<automaton::edge> edges_from(const std::map<char32_t, std::uint32_t>& single, std::uint32_t others) {
  constexpr char_set::range all[] = {{0, 0xD7FF}, {0xE000, char_set::last}, {first_token_code, last_token_code}};
  std::vector<automaton::edge> out;
  const auto add = [&](char32_t low, char32_t high, std::uint32_t to) {
    if (low <= high && to != automaton::none) add_edge(out, low, high, to);
  };
  for (const char_set::range& r : all) {
    char32_t next = r.low;
    for (auto s = single.lower_bound(r.low); s != single.end() && s->first <= r.high; ++s) {
      add(next, s->first - 1, others);
      add(s->first, s->first, s->second);
      next = s->first + 1;
    }
    add(next, r.high, others);
  }
  return out;
}

std::uint32_t add_search(std::span<const search_mark> marks, search_end end, search_text of, automaton& out) {
  const mark_tree tree(marks);
  const std::uint32_t none = automaton::none, tag = end == search_end::anywhere ? 0 : none;
  const std::uint32_t over = out.add({.tag = 0});
  std::vector<std::uint32_t> states;
  for (const mark_tree::node& n : tree.nodes) {
    const bool stands = n.mark && n.mark->rule != none;
    states.push_back(n.mark && !stands ? none : out.add({.tag = stands ? none : tag}));
  }
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i] == none) continue;
    automaton::state& state = out[states[i]];
    if (of == search_text::bytes) state.lost = states[0];
    if (const search_mark* m = tree.nodes[i].mark) {
      if (m->rule == search_mark::stop) {
        state.tag = 0;
      } else {
        state.calls = {{m->rule, over}};
      }
      continue;
    }
    std::map<char32_t, std::uint32_t> single;
    for (std::size_t at = i;; at = tree.nodes[at].shorter) {
      for (const auto& [c, child] : tree.nodes[at].next) single.try_emplace(c, states[child]);
      if (at == 0) break;
    }
    state.edges = edges_from(single, states[0]);
  }
  return states[0];
}

std::uint32_t add_search_but(std::u32string_view first, std::uint32_t start, automaton& out) {
  const std::uint32_t made = out.add({.tag = out[start].tag, .lost = out[start].lost});
  std::map<char32_t, std::uint32_t> single;
  for (const automaton::edge& e : out[start].edges)
    if (e.low == e.high) single.emplace(e.low, e.to);
  for (const char32_t blank : {U' ', U'\t', U'\r', U'\n'}) single[blank] = made;
  for (const char32_t c : first) single[c] = automaton::none;
  out[made].edges = edges_from(single, start);
  return made;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
