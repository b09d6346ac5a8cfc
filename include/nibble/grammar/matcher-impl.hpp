/// The definitions behind matcher.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/parser-impl.hpp"
#include "nibble/grammar/token_trie-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

grammar_matcher::grammar_matcher(const grammar& g, std::shared_ptr<const token_trie> trie)
    : trie_(std::move(trie)), parser_(g) {
  NIBBLE_ASSERT(trie_ != nullptr);
  const std::size_t words = trie_->size() / 64 + 1;
  collected_.resize(words);
  levels_.resize(trie_->depth() + 1);
  marks_.resize(trie_->depth() + 1);
  one_.resize(trie_->depth() + 1);
  is_one_.resize(trie_->depth() + 1);
  kept_.resize(16);
}

void grammar_matcher::reset() {
  parser_.reset();
  ended_ = false;
}

std::size_t grammar_matcher::memory_bytes() const noexcept {
  const std::size_t masks = sum_of_sizes(dense_.capacity(), product_of_sizes(sum_of_sizes(kept_.size(), 1), collected_.size()));
  const std::size_t ends = sum_of_sizes(product_of_sizes(base_ends_.capacity(), sizeof(base_end)),
                                        product_of_sizes(pending_.capacity() + merged_.capacity(), sizeof(pending)));
  const std::size_t lists = sum_of_sizes(product_of_sizes(sparse_.capacity(), sizeof(token)), ends);
  return sum_of_sizes(parser_.memory_bytes(), sum_of_sizes(product_of_sizes(masks, sizeof(std::uint64_t)), lists));
}

void grammar_matcher::forget_masks() {
  base_numbers_.clear(), bases_.clear(), dense_.clear(), sparse_.clear(), base_ends_.clear();
  for (kept_mask& k : kept_) k.places.clear(), k.words.clear();
}

bool grammar_matcher::accept_text(std::string_view bytes) { return !ended_ && parser_.accept(bytes); }

bool grammar_matcher::accept(token id) {
  if (ended_ || id < 0 || static_cast<std::size_t>(id) >= trie_->size()) return false;
  const std::string_view text = trie_->text(id);
  if (text.empty()) {
    const auto ends = trie_->ends();
    if (!may_end() || std::find(ends.begin(), ends.end(), id) == ends.end()) return false;
    ended_ = true;
    return true;
  }
  if (!parser_.accept(text)) return false;
  const std::size_t masks = sum_of_sizes(product_of_sizes(dense_.size(), sizeof(std::uint64_t)),
                                         product_of_sizes(base_ends_.size(), sizeof(base_end)));
  if (parser_.forget_if_full() || masks > mask_bound) forget_masks();
  return true;
}

token grammar_matcher::forced() {
  token only = no_token;
  const token_mask mask = allowed();
  for (std::size_t w = 0; w < mask.size(); ++w) {
    if (mask[w] == 0) continue;
    if (only != no_token || !std::has_single_bit(mask[w])) return no_token;
    only = static_cast<token>(w * 64 + static_cast<std::size_t>(std::countr_zero(mask[w])));
  }
  return only;
}

token_mask grammar_matcher::allowed() {
  if (ended_) {
    std::fill(collected_.begin(), collected_.end(), 0);
    return collected_;
  }
  for (const kept_mask& k : kept_)
    if (!k.words.empty() && k.places == parser_.places_ && k.may_end == parser_.may_end_) return k.words;
  kept_mask& slot = kept_[next_kept_++ % kept_.size()];
  slot.words.assign(collected_.size(), 0);
  slot.places = parser_.places_;
  slot.may_end = parser_.may_end_;
  make_mask(slot.words);
  return slot.words;
}

/// Walks the tokens below a node of the trie, from the places in levels_[0]. Calls on_token for those that are read, and on_end
/// where a call of which nothing is known has ended, but for where it may also go on and would end with the value `passed`.
template <class OnToken, class OnEnd>
void grammar_matcher::walk(std::size_t first, std::size_t behind, std::size_t depth, std::uint32_t passed, OnToken on_token,
                           OnEnd on_end) {
  const std::span<const token_trie::node> nodes = trie_->nodes();
  detail::grammar_stacks& stacks = parser_.stacks_;
  detail::grammar_states& states = parser_.states_;
  marks_[0] = stacks.now();
  is_one_[0] = levels_[0].size() == 1;
  if (is_one_[0]) one_[0] = levels_[0].front();
  detail::grammar_place easy{detail::grammar_states::dead, 0};  // the last one that needed no stacks, and its value
  std::uint32_t ends_with = detail::grammar_states::no_value;
  for (std::size_t i = first; i < behind;) {
    const token_trie::node n = nodes[i];
    const std::size_t level = n.depth - depth;
    if (is_one_[level - 1]) {  // nearly always
      const detail::grammar_place p = one_[level - 1];
      const std::uint32_t next = states.step(p.state, n.byte);
      if (next == detail::grammar_states::dead) {
        i = n.behind;
        continue;
      }
      const detail::grammar_place here{next, p.within};
      if (here != easy) {
        const detail::grammar_states::facts& f = states.of(next);
        if (f.plain || (f.reads && f.calls == 0 && p.within == detail::grammar_stacks::unknown))
          easy = here, ends_with = f.value;
      }
      if (here == easy) {
        one_[level] = here;
        is_one_[level] = true;
        marks_[level] = marks_[level - 1];
        if (ends_with != passed && ends_with != detail::grammar_states::no_value) on_end(i, ends_with);
        trie_->each_token(n, on_token);
        ++i;
        continue;
      }
    }
    std::vector<detail::grammar_place>& out = levels_[level];
    out.clear();
    stacks.release(marks_[level - 1]);
    const bool read = stacks.step(is_one_[level - 1] ? std::span<const detail::grammar_place>(&one_[level - 1], 1)
                                                     : std::span<const detail::grammar_place>(levels_[level - 1]),
                                  n.byte, out);
    marks_[level] = stacks.now();
    is_one_[level] = out.size() == 1;
    if (is_one_[level]) one_[level] = out.front();
    if (read) {
      for (const std::uint32_t value : stacks.ended_outside()) on_end(i, value);
      if (!out.empty() || stacks.may_end()) trie_->each_token(n, on_token);
    }
    i = read && !out.empty() ? i + 1 : n.behind;
  }
  stacks.release(marks_[0]);
}

grammar_matcher::base& grammar_matcher::base_of(std::uint32_t state) {
  constexpr std::uint32_t none = 0xFFFFFFFF;
  if (state >= base_numbers_.size()) base_numbers_.resize(sum_of_sizes(parser_.states_.size(), 1), none);
  if (base_numbers_[state] != none) return bases_[base_numbers_[state]];
  const std::uint32_t like = alike(state);
  if (like != detail::grammar_states::dead) base_of(like);
  base b;
  b.first_end = base_ends_.size(), b.first_token = sparse_.size();
  levels_[0].assign(1, {state, detail::grammar_stacks::unknown});
  if (!find_text_base(state, b) && !find_base_like(like, state, b)) find_base(b, parser_.states_.of(state).value);
  b.ends = base_ends_.size() - b.first_end;
  if (state >= base_numbers_.size()) base_numbers_.resize(sum_of_sizes(parser_.states_.size(), 1), none);
  base_numbers_[state] = static_cast<std::uint32_t>(bases_.size());
  bases_.push_back(b);
  return bases_.back();
}

/// Of any state, by a walk of all tokens. See walk() for `passed`.
void grammar_matcher::find_base(base& b, std::uint32_t passed) {
  b.everywhere = passed;
  walk(
      0, trie_->nodes().size(), 0, passed, [&](token id) { sparse_.push_back(id); },
      [&](std::size_t node, std::uint32_t value) {
        base_ends_.push_back({static_cast<std::uint32_t>(node), value, 0});
      });
  b.tokens = sparse_.size() - b.first_token;
  if (b.tokens <= collected_.size()) return;
  make_dense(b);  // bits take less
  const std::span<std::uint64_t> words = std::span(dense_).subspan(b.first_word);
  for (std::size_t i = b.first_token; i < sparse_.size(); ++i) detail::allow(words, sparse_[i]);
  sparse_.resize(b.first_token);
}

void grammar_matcher::make_dense(base& b) {
  b.dense = true;
  b.first_word = dense_.size();
  dense_.resize(sum_of_sizes(dense_.size(), collected_.size()));
}

/// Of a state that most characters lead back to: all texts, but for what begins with the others. False where it is no such
/// state, or where that is not less.
bool grammar_matcher::find_text_base(std::uint32_t state, base& b) {
  detail::grammar_states& states = parser_.states_;
  const detail::grammar_states::facts facts = states.of(state);
  if (!facts.reads || facts.calls > 0 || !states.loops_above_ascii(state)) return false;
  others_.clear();
  const auto add = [&](unsigned byte) {
    const auto nodes = trie_->nodes_of(static_cast<unsigned char>(byte));
    others_.insert(others_.end(), nodes.begin(), nodes.end());
  };
  for (unsigned byte = 0; byte < 0x80; ++byte)
    if (states.step(state, static_cast<unsigned char>(byte)) != state) add(byte);
  for (unsigned byte = 0xF5; byte <= 0xF7; ++byte) add(byte);
  const bool is_free = states.free_text(state) == state;
  if (is_free) others_.insert(others_.end(), trie_->broken_nodes().begin(), trie_->broken_nodes().end());
  if (3 * others_.size() > trie_->nodes().size()) return false;
  b.everywhere = facts.value;
  std::sort(others_.begin(), others_.end());
  make_dense(b);
  const auto from = is_free ? trie_->all() : trie_->texts();
  std::copy(from.begin(), from.end(), dense_.begin() + std::ptrdiff_t(b.first_word));
  std::size_t done = 0;
  for (const std::uint32_t first : others_) {
    if (first < done) continue;
    done = trie_->nodes()[first].behind;
    walk_anew(first, trie_->nodes()[first].depth - 1u, b);
  }
  return true;
}

/// A state that reads much as this one does: where a text that is free until a mark begins, or one that the first byte leads
/// to, which loops there. Else dead.
std::uint32_t grammar_matcher::alike(std::uint32_t state) {
  constexpr std::uint32_t dead = detail::grammar_states::dead;
  detail::grammar_states& states = parser_.states_;
  if (states.of(state).calls > 0) return dead;
  if (const std::uint32_t root = states.free_text(state); root != dead) return root == state ? dead : root;
  for (unsigned byte = 0x20; byte < 0x7F; ++byte) {
    const auto read = static_cast<unsigned char>(byte);
    const std::uint32_t next = states.step(state, read);
    if (next == dead) continue;
    return next != state && states.of(next).calls == 0 && states.step(next, read) == next ? next : dead;
  }
  return dead;
}

/// Of a state that reads as another one, but for tokens of which the first byte leads to another place.
bool grammar_matcher::find_base_like(std::uint32_t like, std::uint32_t state, base& b) {
  detail::grammar_states& states = parser_.states_;
  if (like == detail::grammar_states::dead || !states.of(state).reads) return false;
  const base as = bases_[base_numbers_[like]];
  if (!as.dense) return false;
  b.everywhere = as.everywhere;
  make_dense(b);
  std::copy_n(dense_.begin() + std::ptrdiff_t(as.first_word), collected_.size(), dense_.begin() + std::ptrdiff_t(b.first_word));
  std::size_t end = as.first_end;
  for (std::size_t i = 0, behind = 0; i < trie_->nodes().size(); i = behind) {
    const token_trie::node n = trie_->nodes()[i];
    behind = n.behind;
    const bool is_same = states.step(state, n.byte) == states.step(like, n.byte);
    if (!is_same) walk_anew(i, 0, b);
    for (; end < as.first_end + as.ends && base_ends_[end].node < behind; ++end)
      if (is_same) base_ends_.push_back(base_end(base_ends_[end]));
  }
  return true;
}

/// Finds out about the tokens below a node that the set of a base may have.
void grammar_matcher::walk_anew(std::size_t first, std::size_t depth, const base& b) {
  const std::span<std::uint64_t> words = std::span(dense_).subspan(b.first_word);
  const std::size_t behind = trie_->nodes()[first].behind;
  for (std::size_t i = first; i < behind; ++i)
    trie_->each_token(trie_->nodes()[i], [&](token id) { detail::forbid(words, id); });
  walk(
      first, behind, depth, b.everywhere, [&](token id) { detail::allow(words, id); },
      [&](std::size_t node, std::uint32_t value) {
        base_ends_.push_back({static_cast<std::uint32_t>(node), value, 0});
      });
}

/// Finds how many characters of a string the ends of a base stand behind.
void grammar_matcher::count_characters(base& b) {
  for (std::size_t i = b.first_end; i < b.first_end + b.ends && !b.counted; ++i) {
    const std::uint32_t node = base_ends_[i].node;
    base_ends_[i].characters = detail::json_characters(beginning(node).substr(0, trie_->nodes()[node].depth - 1u));
  }
  b.counted = true;
}

/// The text of a token below a node, of which all begin alike.
std::string_view grammar_matcher::beginning(std::size_t node) const {
  const std::span<const token_trie::node> nodes = trie_->nodes();
  while (nodes[node].first == no_token) ++node;
  return trie_->text(nodes[node].first);
}

void grammar_matcher::make_mask(std::vector<std::uint64_t>& words) {
  pending_.clear();
  for (const detail::grammar_place& p : parser_.places_) {
    add_base(p.state, p.within, words);
    // pending_ of this place still lacks what it is within
    for (std::size_t i = pending_.size(); i > 0 && pending_[i - 1].within == detail::grammar_stacks::unknown; --i)
      pending_[i - 1].within = p.within;
  }
  add_behind(words);
  if (may_end())
    for (const token id : trie_->ends()) detail::allow(words, id);
}

/// Something may follow where the call of `within` ends.
bool grammar_matcher::goes_on_behind(std::uint32_t within, std::uint32_t value) {
  detail::grammar_stacks& stacks = parser_.stacks_;
  const detail::grammar_stacks::mark before = stacks.now();
  levels_[0].clear();
  stacks.begin_list(levels_[0]);
  stacks.end(within, value, levels_[0]);
  stacks.release(before);
  return !levels_[0].empty();
}

/// Makes the base of a state anew, with each place where it ends.
void grammar_matcher::find_all_ends(base& b, std::uint32_t state) {
  b = {.first_token = sparse_.size(), .first_end = base_ends_.size()};
  levels_[0].assign(1, {state, detail::grammar_stacks::unknown});
  find_base(b, detail::grammar_states::no_value);
  b.ends = base_ends_.size() - b.first_end;
}

void grammar_matcher::add_base(std::uint32_t state, std::uint32_t within, std::vector<std::uint64_t>& words) {
  std::uint32_t least = 0, most = 0xFFFFFFFF;
  const bool counted = parser_.states_.counted(state, least, most), by_value = parser_.states_.goes_on_freely(state);
  const std::uint32_t own = state;
  if (counted || by_value) state = parser_.states_.uncounted();
  base& b = base_of(state);
  if (b.everywhere != detail::grammar_states::no_value && goes_on_behind(within, b.everywhere)) find_all_ends(b, state);
  if (counted) count_characters(b);
  std::fill(collected_.begin(), collected_.end(), 0);
  for (std::size_t w = 0; w < collected_.size() && b.dense; ++w) collected_[w] = dense_[b.first_word + w];
  for (std::size_t i = 0; i < b.tokens && !b.dense; ++i) detail::allow(collected_, sparse_[b.first_token + i]);
  if (counted) leave_up_to(most);
  for (std::size_t w = 0; w < collected_.size(); ++w) words[w] |= collected_[w];
  for (std::size_t i = b.first_end; i < b.first_end + b.ends; ++i) {
    const base_end& e = base_ends_[i];
    if (by_value) {  // the value is that of all characters
      if (const std::uint32_t value = value_behind(own, e.node); value != detail::grammar_states::no_value)
        pending_.push_back({e.node, value, detail::grammar_stacks::unknown});
      continue;
    }
    if (!counted || (e.characters >= least && e.characters <= most))
      pending_.push_back({e.node, e.value, detail::grammar_stacks::unknown});
  }
}

/// Takes the tokens of more characters out of collected_.
void grammar_matcher::leave_up_to(std::uint32_t characters) {
  if (characters < token_trie::lengths) {
    const auto kept = trie_->up_to(characters);
    for (std::size_t w = 0; w < collected_.size(); ++w) collected_[w] &= kept[w];
    return;
  }
  for (const token_trie::long_token t : trie_->longer())
    if (t.characters > characters) detail::forbid(collected_, t.id);
}

/// The value of a string that ends at a node of the trie.
std::uint32_t grammar_matcher::value_behind(std::uint32_t state, std::size_t node) {
  for (const char c : beginning(node).substr(0, trie_->nodes()[node].depth))
    state = parser_.states_.step(state, static_cast<unsigned char>(c));
  return parser_.states_.of(state).value;
}

/// Sorts pending_, which has one part for each place, mostly few, in each of which nodes ascend.
void grammar_matcher::sort_pending() {
  const auto by_node = [](const pending& a, const pending& b) { return a.node < b.node; };
  for (int merges = 0; merges < 4; ++merges) {
    const auto second = std::is_sorted_until(pending_.begin(), pending_.end(), by_node);
    if (second == pending_.end()) return;
    const auto third = std::is_sorted_until(second, pending_.end(), by_node);
    merged_.clear();
    std::merge(pending_.begin(), second, second, third, std::back_inserter(merged_), by_node);
    std::copy(merged_.begin(), merged_.end(), pending_.begin());
  }
  std::sort(pending_.begin(), pending_.end(), by_node);
}

/// Whether a byte is read from a place in levels_[0]. Found out once for each list.
bool grammar_matcher::leads_on(unsigned char byte) {
  std::int8_t& known = leads_[byte];
  if (known < 0) {
    const auto reads = [&](const detail::grammar_place& p) {
      return parser_.states_.step(p.state, byte) != detail::grammar_states::dead;
    };
    known = std::any_of(levels_[0].begin(), levels_[0].end(), reads) ? 1 : 0;
  }
  return known > 0;
}

/// The tokens that go on behind the ends of the calls that places are within.
void grammar_matcher::add_behind(std::vector<std::uint64_t>& words) {
  sort_pending();
  const std::span<const token_trie::node> nodes = trie_->nodes();
  const auto take = [&](token id) { detail::allow(words, id); };
  detail::grammar_stacks& stacks = parser_.stacks_;
  const detail::grammar_stacks::mark before = stacks.now();
  std::size_t made_from = 0, made_count = 0;  // of pending_: those that levels_[0] is for
  bool end = false;
  for (std::size_t i = 0; i < pending_.size();) {
    std::size_t behind = i;
    while (behind < pending_.size() && pending_[behind].node == pending_[i].node) ++behind;
    const auto alike = [](const pending& a, const pending& b) { return a.value == b.value && a.within == b.within; };
    if (made_count != behind - i || !std::equal(pending_.begin() + std::ptrdiff_t(i), pending_.begin() + std::ptrdiff_t(behind),
                                                pending_.begin() + std::ptrdiff_t(made_from), alike)) {
      stacks.release(before);
      levels_[0].clear();
      stacks.begin_list(levels_[0]);
      for (std::size_t k = i; k < behind; ++k) stacks.end(pending_[k].within, pending_[k].value, levels_[0]);
      end = stacks.may_end();
      leads_.fill(-1);
      made_from = i, made_count = behind - i;
    }
    const token_trie::node n = nodes[pending_[i].node];
    if (end || !levels_[0].empty()) trie_->each_token(n, take);
    for (std::uint32_t child = pending_[i].node + 1; child < n.behind && !levels_[0].empty(); child = nodes[child].behind) {
      if (!leads_on(nodes[child].byte)) continue;
      walk(child, nodes[child].behind, n.depth, detail::grammar_states::no_value, take, [](std::size_t, std::uint32_t) {});
    }
    i = behind;
  }
  stacks.release(before);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
