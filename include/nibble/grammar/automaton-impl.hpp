/// The definitions behind automaton.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nibble/grammar/automaton.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline error too_many_states(std::uint32_t most) {
  return error(errc::limit_exceeded, "more than " + std::to_string(most) + " states");
}

/// Adds an edge behind the others, or lengthens the last one.
inline void add_edge(std::vector<automaton::edge>& edges, char32_t low, char32_t high, std::uint32_t to) {
  if (!edges.empty() && edges.back().to == to && edges.back().high + 1 == low) {
    edges.back().high = high;
  } else {
    edges.push_back({low, high, to});
  }
}

/// A sorted list of states, as a key.
struct list_hash {
  std::size_t operator()(const std::vector<std::uint32_t>& list) const noexcept {
    std::uint64_t hash = 0xCBF29CE484222325u;
    for (const std::uint32_t x : list) hash = (hash ^ x) * 0x100000001B3u;
    return static_cast<std::size_t>(hash ^ hash >> 29);
  }
};
using list_numbers = std::unordered_map<std::vector<std::uint32_t>, std::uint32_t, list_hash>;

result<std::uint32_t> add_texts(std::span<const std::string> texts, text_tags tags, std::uint32_t most_states, automaton& out) {
  std::vector<std::uint32_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return texts[a] < texts[b]; });
  const std::uint32_t root = out.add({});
  for (const std::uint32_t number : order) {  // in the order of their characters: a new edge is the last
    std::uint32_t at = root;
    for (std::size_t i = 0; i < texts[number].size();) {
      const utf8_character c = decode_utf8(texts[number], i);
      i += c.size;
      std::uint32_t next = out.step(at, c.code);
      if (next == automaton::none) {
        if (out.size() > most_states) return too_many_states(most_states);
        next = out.add({});
        auto& edges = out[at].edges;
        const auto place =
            std::partition_point(edges.begin(), edges.end(), [&](const automaton::edge& e) { return e.high < c.code; });
        edges.insert(place, {c.code, c.code, next});
      }
      at = next;
    }
    out[at].tag = tags == text_tags::places ? number : 0;
  }
  return root;
}

/// The same pattern as an automaton that may be in several states at once.
struct loose_automaton {
  struct state {
    std::vector<std::uint32_t> free = {};  // states that it may be in as well
    const char_set* characters = nullptr;  // or those that lead on
    std::uint32_t rule = automaton::none;  // or the call that does
    std::uint32_t to = automaton::none;
  };
  std::vector<state> states = {};
  std::uint32_t most = 0;
  std::span<const patterns::id> in_place = {};  // by rule: what is read where it is called, or none

  std::uint32_t add() {
    states.emplace_back();
    return static_cast<std::uint32_t>(states.size() - 1);
  }
  bool full() const noexcept { return states.size() > most; }

  /// Puts a pattern between two states. Nothing is added beyond the limit.
  /// Patterns are as deep as their readers allow: grammar_limits::nesting.
  void connect(const patterns& all, patterns::id node, std::uint32_t from, std::uint32_t to) {
    if (full()) return;
    const pattern& p = all[node];
    switch (p.what) {
      case pattern::kind::characters: {
        const std::uint32_t here = add();
        states[from].free.push_back(here);
        states[here].characters = &p.characters;
        states[here].to = to;
        return;
      }
      case pattern::kind::call: {
        if (p.rule < in_place.size() && in_place[p.rule] != automaton::none) return connect(all, in_place[p.rule], from, to);
        const std::uint32_t here = add();
        states[from].free.push_back(here);
        states[here].rule = p.rule;
        states[here].to = to;
        return;
      }
      case pattern::kind::choice:
        for (const patterns::id part : p.parts) connect(all, part, from, to);
        return;
      case pattern::kind::sequence: {
        for (const patterns::id part : p.parts) {
          const std::uint32_t next = add();
          connect(all, part, from, next);
          from = next;
        }
        states[from].free.push_back(to);
        return;
      }
      case pattern::kind::repeat:
        repeat(all, p, from, to);
    }
  }

 private:
  void repeat(const patterns& all, const pattern& p, std::uint32_t from, std::uint32_t to) {
    const patterns::id part = p.parts.front();
    for (std::uint32_t i = 0; i < p.least && !full(); ++i) {
      const std::uint32_t next = add();
      connect(all, part, from, next);
      from = next;
    }
    if (p.most == pattern::unlimited) {
      const std::uint32_t loop = add();
      states[from].free.push_back(loop);
      connect(all, part, loop, loop);
      states[loop].free.push_back(to);
      return;
    }
    for (std::uint32_t i = p.least; i < p.most && !full(); ++i) {
      states[from].free.push_back(to);
      const std::uint32_t next = add();
      connect(all, part, from, next);
      from = next;
    }
    states[from].free.push_back(to);
  }
};

/// Makes the states of one automaton from sets of states of a looser one.
class subset_construction {
 public:
  subset_construction(const loose_automaton& from, std::uint32_t end, std::uint32_t most, automaton& out)
      : from_(from), end_(end), most_(most), begin_(out.size()), out_(out), seen_(from.states.size()) {}

  result<std::uint32_t> run(std::uint32_t start) {
    const std::uint32_t first = number_of({start});
    for (std::size_t i = 0; i < sets_.size() && !is_too_much(); ++i) expand(i);
    if (is_too_much()) return too_many_states(most_);
    out_.work += work_;
    return first;
  }

 private:
  /// Asked within a state, too: what one leads to may be more than all limits.
  bool is_too_much() const noexcept {
    return out_.size() - begin_ > most_ || work_ > std::uint64_t{200} * most_ ||
           out_.work + work_ > std::uint64_t{4'000} * most_;
  }

  /// The state for all that can be reached freely.
  std::uint32_t number_of(std::vector<std::uint32_t> set) {
    ++round_;
    std::vector<std::uint32_t> kept;
    for (std::size_t i = 0; i < set.size(); ++i) {
      const std::uint32_t s = set[i];
      if (seen_[s] == round_) continue;
      seen_[s] = round_;
      ++work_;
      const loose_automaton::state& state = from_.states[s];
      if (state.characters || state.rule != automaton::none || s == end_) kept.push_back(s);
      for (const std::uint32_t next : state.free)
        if (seen_[next] != round_) set.push_back(next);
    }
    std::sort(kept.begin(), kept.end());
    const auto [found, is_new] = numbers_.try_emplace(std::move(kept), 0);
    if (is_new) {
      const bool ends = std::binary_search(found->first.begin(), found->first.end(), end_);
      found->second = out_.add({.tag = ends ? 0u : automaton::none});
      work_ += found->first.size();
      sets_.push_back({found->second, &found->first});
    }
    return found->second;
  }

  /// Where a range of characters begins or ends, and where it leads to.
  struct border {
    char32_t at;
    bool begins;
    std::uint32_t to;
  };

  void expand(std::size_t i) {
    const std::uint32_t number = sets_[i].first;
    std::map<std::uint32_t, std::vector<std::uint32_t>> behind_rule;
    std::vector<border> borders;
    for (const std::uint32_t s : *sets_[i].second) {
      const loose_automaton::state& state = from_.states[s];
      if (state.rule != automaton::none) behind_rule[state.rule].push_back(state.to);
      if (!state.characters) continue;
      work_ += state.characters->ranges().size();
      if (is_too_much()) return;
      for (const char_set::range& r : state.characters->ranges()) {
        borders.push_back({r.low, true, state.to});
        borders.push_back({r.high + 1, false, state.to});
      }
    }
    out_[number].edges = edges_between(std::move(borders));
    std::vector<automaton::call> calls;
    for (auto& [rule, to] : behind_rule) calls.push_back({rule, number_of(std::move(to))});
    out_[number].calls = std::move(calls);
  }

  std::vector<automaton::edge> edges_between(std::vector<border> borders) {
    std::sort(borders.begin(), borders.end(), [](const border& a, const border& b) { return a.at < b.at; });
    std::vector<automaton::edge> edges;
    std::map<std::uint32_t, std::size_t> open;  // and how often
    std::vector<std::uint32_t> set;
    for (std::size_t b = 0; b < borders.size() && !is_too_much();) {
      const char32_t low = borders[b].at;
      for (; b < borders.size() && borders[b].at == low; ++b) {
        if (borders[b].begins) {
          ++open[borders[b].to];
        } else if (const auto found = open.find(borders[b].to); --found->second == 0) {
          open.erase(found);
        }
      }
      work_ += open.size();
      if (open.empty()) continue;
      const char32_t high = borders[b].at - 1;
      set.clear();
      for (const auto& [to, times] : open) set.push_back(to);
      add_edge(edges, low, high, number_of(set));
    }
    return edges;
  }

  const loose_automaton& from_;
  const std::uint32_t end_, most_;
  const std::size_t begin_;
  automaton& out_;
  std::vector<std::uint64_t> seen_;
  std::uint64_t round_ = 0, work_ = 0;
  list_numbers numbers_;
  std::vector<std::pair<std::uint32_t, const std::vector<std::uint32_t>*>> sets_;  // keys of numbers_
};

result<std::uint32_t> add_automaton(const patterns& all, patterns::id root, std::uint32_t most_states, automaton& out,
                                    std::span<const patterns::id> in_place) {
  const std::uint32_t most_of_one = most_states / 8;
  if (out.size() > most_states) return too_many_states(most_states);
  loose_automaton loose;
  loose.most = most_states, loose.in_place = in_place;
  const std::uint32_t start = loose.add(), end = loose.add();
  loose.connect(all, root, start, end);
  if (loose.full()) return too_many_states(most_of_one);
  return subset_construction(loose, end, most_of_one, out).run(start);
}

/// Where a character leads several states to. @returns the last character up to which all lead to the same
inline char32_t step_together(const automaton& in, const std::vector<std::uint32_t>& from, char32_t low,
                              std::vector<std::uint32_t>& to) {
  char32_t high = char_set::last;
  to.assign(from.size(), automaton::none);
  for (std::size_t k = 0; k < from.size(); ++k) {
    const automaton::edge* e = from[k] == automaton::none ? nullptr : in.edge_from(from[k], low);
    if (!e) continue;
    const bool begins = e->low <= low;
    high = (std::min<char32_t>)(high, begins ? e->high : e->low - 1);
    if (begins) to[k] = e->to;
  }
  return high;
}

result<std::uint32_t> add_product(const automaton& in, std::span<const std::uint32_t> starts,
                                  const std::function<std::uint32_t(std::span<const std::uint32_t>)>& tag_of,
                                  std::uint32_t most_states, automaton& out) {
  list_numbers numbers;
  std::vector<std::pair<std::uint32_t, const std::vector<std::uint32_t>*>> lists;  // keys of numbers
  std::vector<std::uint32_t> tags(starts.size());
  const auto number_of = [&](const std::vector<std::uint32_t>& list) {
    const auto [found, is_new] = numbers.try_emplace(list, 0);
    if (is_new) {
      for (std::size_t i = 0; i < list.size(); ++i) tags[i] = list[i] == automaton::none ? automaton::none : in[list[i]].tag;
      found->second = out.add({.tag = tag_of(tags)});
      lists.push_back({found->second, &found->first});
    }
    return found->second;
  };
  const std::uint32_t first = number_of({starts.begin(), starts.end()});
  std::vector<std::uint32_t> next;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const std::uint32_t number = lists[i].first;
    const std::vector<std::uint32_t>& list = *lists[i].second;
    std::vector<automaton::edge> edges;
    for (char32_t low = 0; low <= char_set::last;) {
      out.work += list.size();
      if (out.size() > most_states || out.work > std::uint64_t{500} * most_states) return too_many_states(most_states);
      const char32_t high = step_together(in, list, low, next);
      const bool any = std::any_of(next.begin(), next.end(), [](std::uint32_t to) { return to != automaton::none; });
      if (any) add_edge(edges, low, high, number_of(next));
      low = high + 1;
    }
    out[number].edges = std::move(edges);
  }
  return first;
}

void remove_dead_ends(automaton& a, std::span<const std::uint32_t> starts, std::uint32_t first, std::vector<bool>& alive) {
  struct use {
    std::uint32_t from, call;  // call: its number, or none for an edge
  };
  const std::size_t count = a.size() - first;
  std::vector<std::vector<use>> uses(count), of_rule(starts.size());
  alive.assign(count, false);
  std::vector<bool> rule_alive(starts.size(), false);
  std::vector<std::uint32_t> found;
  const auto find = [&](std::uint32_t s) {
    if (alive[s - first]) return;
    alive[s - first] = true;
    found.push_back(s);
  };
  for (std::uint32_t s = first; s < a.size(); ++s) {
    for (const automaton::edge& e : a[s].edges) uses[e.to - first].push_back({s, automaton::none});
    for (std::uint32_t c = 0; c < a[s].calls.size(); ++c) {
      uses[a[s].calls[c].to - first].push_back({s, c});
      of_rule[a[s].calls[c].rule].push_back({s, c});
    }
  }
  for (std::uint32_t s = first; s < a.size(); ++s)
    if (a[s].tag != automaton::none) find(s);
  std::vector<std::vector<std::uint32_t>> rules_at(count);
  for (std::uint32_t r = 0; r < starts.size(); ++r) rules_at[starts[r] - first].push_back(r);
  while (!found.empty()) {
    const std::uint32_t s = found.back();
    found.pop_back();
    for (const use& u : uses[s - first])
      if (u.call == automaton::none || rule_alive[a[u.from].calls[u.call].rule]) find(u.from);
    for (const std::uint32_t r : rules_at[s - first]) {
      rule_alive[r] = true;
      for (const use& u : of_rule[r])
        if (alive[a[u.from].calls[u.call].to - first]) find(u.from);
    }
  }
  for (std::uint32_t s = first; s < a.size(); ++s) {
    std::erase_if(a[s].edges, [&](const automaton::edge& e) { return !alive[e.to - first]; });
    std::erase_if(a[s].calls, [&](const automaton::call& c) { return !alive[c.to - first] || !rule_alive[c.rule]; });
  }
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
