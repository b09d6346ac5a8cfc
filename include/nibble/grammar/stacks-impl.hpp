/// The definitions behind stacks.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/stacks.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

grammar_stacks::grammar_stacks(grammar_states& states)
    : states_(states), latest_(states.targets(), none), slots_(slot_count), stamps_(slot_count), alike_(1024, none) {
  edges_.push_back({grammar_states::accepted, whole, none});
  edges_.push_back({grammar_states::outside, whole, none});
  nodes_.push_back({none, 0});
  nodes_.push_back({none, 1});
}

void grammar_stacks::begin(std::vector<grammar_place>& out) {
  start_list(out.size());
  open_call({states_.root(), grammar_states::accepted}, whole, out);
  close(out);
}

bool grammar_stacks::step(std::span<const grammar_place> from, unsigned char byte, std::vector<grammar_place>& out) {
  if (from.size() == 1) {  // nearly always
    const grammar_place p = from.front();
    const grammar_states::id next = states_.step(p.state, byte);
    if (next == grammar_states::dead) return false;
    if (states_.of(next).plain) {
      may_end_ = false;
      outside_.clear();
      out.push_back({next, p.within});
      return true;
    }
    start_list(out.size());
    add(next, p.within, out);
  } else {
    start_list(out.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      const grammar_place p = from[i];
      const grammar_states::id next = states_.step(p.state, byte);
      if (next != grammar_states::dead) add(next, p.within, out);
    }
  }
  close(out);
  return out.size() > list_begin_ || may_end_ || !outside_.empty();
}

void grammar_stacks::begin_list(const std::vector<grammar_place>& out) { start_list(out.size()); }

void grammar_stacks::end(std::uint32_t within, std::uint32_t value, std::vector<grammar_place>& out) {
  finish(within, value, out);
  close(out);
}

void grammar_stacks::start_list(std::size_t begin) {
  list_begin_ = list_done_ = begin;
  first_node_ = nodes_.size(), first_edge_ = edges_.size();
  finished_.clear();
  outside_.clear();
  may_end_ = false;
  if (++stamp_ == 0) std::fill(stamps_.begin(), stamps_.end(), 0), stamp_ = 1;
}

bool grammar_stacks::is_in_list(const grammar_place& p, const std::vector<grammar_place>& out) {
  const std::size_t count = out.size() - list_begin_;
  if (count <= 16) {
    for (std::size_t i = list_begin_; i < out.size(); ++i)
      if (out[i] == p) return true;
    if (count < 16) return false;
    for (std::size_t i = list_begin_; i < out.size(); ++i) {  // from now on by hash
      const std::uint64_t other = std::uint64_t{out[i].state} << 32 | out[i].within;
      auto at = static_cast<std::size_t>((other * 0x9E3779B97F4A7C15u) >> 49);
      while (stamps_[at] == stamp_) at = (at + 1) & (slot_count - 1);
      stamps_[at] = stamp_, slots_[at] = other;
    }
  }
  const std::uint64_t wanted = std::uint64_t{p.state} << 32 | p.within;
  auto at = static_cast<std::size_t>((wanted * 0x9E3779B97F4A7C15u) >> 49);
  for (; stamps_[at] == stamp_; at = (at + 1) & (slot_count - 1))
    if (slots_[at] == wanted) return true;
  stamps_[at] = stamp_, slots_[at] = wanted;
  return false;
}

void grammar_stacks::add(std::uint32_t state, std::uint32_t within, std::vector<grammar_place>& out) {
  if (state == grammar_states::accepted) {
    may_end_ = true;
    return;
  }
  const grammar_place p{state, within};
  if (out.size() - list_begin_ >= most_places) {
    overflowed_ = true;
    return;
  }
  if (!is_in_list(p, out)) out.push_back(p);
}

/// Opens and ends calls until nothing new comes. Places that read no byte go.
void grammar_stacks::close(std::vector<grammar_place>& out) {
  for (; list_done_ < out.size(); ++list_done_) {
    const grammar_place p = out[list_done_];
    const grammar_states::facts f = states_.of(p.state);
    if (f.value != grammar_states::no_value) finish(p.within, f.value, out);
    for (std::uint32_t i = 0; i < f.calls; ++i) open_call(states_.calls(p.state)[i], p.within, out);
  }
  const auto idle = [&](const grammar_place& p) { return !states_.of(p.state).reads; };
  out.erase(std::remove_if(out.begin() + std::ptrdiff_t(list_begin_), out.end(), idle), out.end());
  list_done_ = out.size();
}

void grammar_stacks::open_call(grammar_states::call c, std::uint32_t within, std::vector<grammar_place>& out) {
  std::uint32_t called = latest_[c.target];
  const bool is_new = called >= nodes_.size() || called < first_node_ || nodes_[called].target != c.target;
  if (is_new) {
    called = static_cast<std::uint32_t>(nodes_.size());
    latest_[c.target] = called;
    nodes_.push_back({c.target, none});
  }
  if (within < first_node_ && states_.of(c.behind).ends &&
      within != unknown) {  // nothing comes behind: its callers are the caller's
    for (std::uint32_t e = nodes_[within].first_edge; e != none; e = edges_[e].next) {
      const edge copied = edges_[e];
      add_edge(called, copied.behind, copied.within, out);
    }
  } else {
    add_edge(called, c.behind, within, out);
  }
  if (!is_new) return;
  const std::size_t count = states_.starts(c.target).size();
  for (std::size_t i = 0; i < count; ++i) add(states_.starts(c.target)[i], called, out);
}

void grammar_stacks::add_edge(std::uint32_t call, std::uint32_t behind, std::uint32_t within, std::vector<grammar_place>& out) {
  for (std::uint32_t e = nodes_[call].first_edge; e != none; e = edges_[e].next)
    if (edges_[e].behind == behind && edges_[e].within == within) return;
  if (edges_.size() - first_edge_ >= most_edges) {
    overflowed_ = true;
    return;
  }
  edges_.push_back({behind, within, nodes_[call].first_edge});
  nodes_[call].first_edge = static_cast<std::uint32_t>(edges_.size() - 1);
  for (std::size_t i = 0; i < finished_.size(); ++i) {
    if (finished_[i].node != call) continue;
    const std::uint32_t next = states_.behind(behind, finished_[i].value);
    if (next != grammar_states::dead) add(next, within, out);
  }
}

void grammar_stacks::finish(std::uint32_t within, std::uint32_t value, std::vector<grammar_place>& out) {
  if (within == unknown) {
    if (std::find(outside_.begin(), outside_.end(), value) == outside_.end()) outside_.push_back(value);
    return;
  }
  if (within >= first_node_) {
    for (const finished& f : finished_)
      if (f.node == within && f.value == value) return;
    finished_.push_back({within, value});
  }
  for (std::uint32_t e = nodes_[within].first_edge; e != none; e = edges_[e].next) {
    const edge caller = edges_[e];
    const std::uint32_t next = states_.behind(caller.behind, value);
    if (next != grammar_states::dead) add(next, caller.within, out);
  }
}

std::size_t grammar_stacks::memory_bytes() const noexcept {
  return sum_of_sizes(product_of_sizes(sum_of_sizes(nodes_.capacity(), kept_nodes_.capacity()), sizeof(node)),
                      product_of_sizes(sum_of_sizes(edges_.capacity(), kept_edges_.capacity()), sizeof(edge)));
}

/// Which of the calls since `m` the places need, callers first, in order_; their edges as they are in kept_edges_.
void grammar_stacks::gather(const std::vector<grammar_place>& places, mark m) {
  renamed_.assign(nodes_.size() - m.nodes, none);
  order_.clear();
  const auto need = [&](std::uint32_t n) {
    if (n < m.nodes || renamed_[n - m.nodes] != none) return;
    renamed_[n - m.nodes] = 0;
    order_.push_back(n);
  };
  for (const grammar_place& p : places) need(p.within);
  for (std::size_t i = 0; i < order_.size(); ++i)
    for (std::uint32_t e = nodes_[order_[i]].first_edge; e != none; e = edges_[e].next) need(edges_[e].within);
  std::sort(order_.begin(), order_.end());
  kept_nodes_.clear(), kept_edges_.clear();
  for (const std::uint32_t n : order_) {
    renamed_[n - m.nodes] = none;
    kept_nodes_.push_back({nodes_[n].target, static_cast<std::uint32_t>(kept_edges_.size())});
    for (std::uint32_t e = nodes_[n].first_edge; e != none; e = edges_[e].next) kept_edges_.push_back(edges_[e]);
  }
  kept_nodes_.push_back({none, static_cast<std::uint32_t>(kept_edges_.size())});
}

void grammar_stacks::settle(std::vector<grammar_place>& places, mark m) {
  if (nodes_.size() == m.nodes) return;
  gather(places, m);
  release(m);
  const auto now = [&](std::uint32_t n) { return n < m.nodes ? n : renamed_[n - m.nodes]; };
  const auto copy = [&](std::size_t i) {
    nodes_.push_back({kept_nodes_[i].target, none});
    for (std::size_t e = kept_nodes_[i + 1].first_edge; e > kept_nodes_[i].first_edge; --e) {
      edges_.push_back({kept_edges_[e - 1].behind, now(kept_edges_[e - 1].within), nodes_.back().first_edge});
      nodes_.back().first_edge = static_cast<std::uint32_t>(edges_.size() - 1);
    }
  };
  std::size_t i = 0;
  for (; i < order_.size(); ++i) {  // until the first that is within itself
    const std::span<const edge> own =
        std::span<const edge>(kept_edges_)
            .subspan(kept_nodes_[i].first_edge, kept_nodes_[i + 1].first_edge - kept_nodes_[i].first_edge);
    if (std::any_of(own.begin(), own.end(), [&](const edge& e) { return now(e.within) == none; })) break;
    std::uint64_t hash = 0x9E3779B97F4A7C15u;
    for (const edge& e : own) {
      hash = (hash ^ (std::uint64_t{e.behind} << 32 | now(e.within))) * 0xFF51AFD7ED558CCDu;
      hash ^= hash >> 29;
    }
    const auto is_alike = [&](std::uint32_t n) {
      std::size_t at = 0;
      for (std::uint32_t e = nodes_[n].first_edge; e != none; e = edges_[e].next, ++at) {
        if (at == own.size() || edges_[e].behind != own[at].behind || edges_[e].within != now(own[at].within)) return false;
      }
      return at == own.size();
    };
    std::uint32_t& slot = alike_[static_cast<std::size_t>(hash) & (alike_.size() - 1)];
    if (slot == none || slot >= nodes_.size() || !is_alike(slot)) {
      slot = static_cast<std::uint32_t>(nodes_.size());
      copy(i);
    }
    renamed_[order_[i] - m.nodes] = slot;
  }
  const std::size_t first = nodes_.size();
  for (std::size_t k = i; k < order_.size(); ++k) renamed_[order_[k] - m.nodes] = static_cast<std::uint32_t>(first + (k - i));
  for (; i < order_.size(); ++i) copy(i);
  for (grammar_place& p : places) p.within = now(p.within);
}

void grammar_stacks::compact(std::vector<grammar_place>& places) {
  std::fill(alike_.begin(), alike_.end(), none);
  settle(places, {2, 2});
  std::vector<std::uint32_t*> named;
  for (grammar_place& p : places) named.push_back(&p.state);
  for (std::size_t e = 2; e < edges_.size(); ++e)
    if (edges_[e].behind > grammar_states::outside) named.push_back(&edges_[e].behind);
  states_.keep(named);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
