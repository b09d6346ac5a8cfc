/// The definitions behind matcher.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/stacks-impl.hpp"
#include "nibble/grammar/states-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

grammar_parser::grammar_parser(const grammar& g) : program_(g.program()), states_(*program_), stacks_(states_) {
  const detail::grammar_stacks::mark before = stacks_.now();
  stacks_.begin(first_);
  first_may_end_ = stacks_.may_end();
  stacks_.settle(first_, before);
  reset();
}

void grammar_parser::reset() {
  places_ = first_;
  may_end_ = first_may_end_;
}

bool grammar_parser::accept(std::string_view bytes) {
  if (bytes.empty()) return true;
  const detail::grammar_stacks::mark before = stacks_.now();
  const std::vector<detail::grammar_place>* from = &places_;
  bool end = may_end_;
  next_.clear();
  std::size_t begin = 0;
  for (const char byte : bytes) {
    const std::size_t count = next_.size();
    // what step() reads must not move while it adds
    next_.reserve(sum_of_sizes(count, detail::grammar_stacks::most_places + 1));
    const std::span<const detail::grammar_place> now = from == &places_
                                                           ? std::span<const detail::grammar_place>(places_)
                                                           : std::span<const detail::grammar_place>(next_).subspan(begin);
    if (now.empty() || !stacks_.step(now, static_cast<unsigned char>(byte), next_)) {
      stacks_.release(before);
      return false;
    }
    begin = count;
    from = &next_;
    end = stacks_.may_end();
    if (begin > 4 * detail::grammar_stacks::most_places) {
      next_.erase(next_.begin(), next_.begin() + std::ptrdiff_t(begin));
      begin = 0;
    }
  }
  places_.assign(next_.begin() + std::ptrdiff_t(begin), next_.end());
  may_end_ = end;
  stacks_.settle(places_, before);
  return true;
}

/// True where states and calls have new numbers.
bool grammar_parser::forget_if_full() {
  if (memory_bytes() <= bound) return false;
  const std::size_t count = places_.size();
  places_.insert(places_.end(), first_.begin(), first_.end());
  stacks_.compact(places_);
  first_.assign(places_.begin() + std::ptrdiff_t(count), places_.end());
  places_.resize(count);
  return true;
}

std::size_t grammar_parser::memory_bytes() const noexcept {
  return sum_of_sizes(states_.memory_bytes(), stacks_.memory_bytes());
}

grammar_matcher::grammar_matcher(const grammar& g, std::shared_ptr<const token_trie> trie)
    : trie_(std::move(trie)), parser_(g) {
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
  const std::size_t lists = sum_of_sizes(product_of_sizes(sparse_.capacity(), sizeof(token)),
                                         product_of_sizes(base_ends_.capacity(), sizeof(base_end)));
  return sum_of_sizes(parser_.memory_bytes(), sum_of_sizes(product_of_sizes(masks, sizeof(std::uint64_t)), lists));
}

void grammar_matcher::forget_masks() {
  base_numbers_.clear(), bases_.clear(), dense_.clear(), sparse_.clear(), base_ends_.clear();
  lengths_of_ = 0xFFFFFFFF;
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

namespace detail {
inline void allow(std::vector<std::uint64_t>& words, token id) noexcept {
  words[static_cast<std::size_t>(id) / 64] |= std::uint64_t{1} << static_cast<std::size_t>(id) % 64;
}
inline void forbid(std::vector<std::uint64_t>& words, token id) noexcept {
  words[static_cast<std::size_t>(id) / 64] &= ~(std::uint64_t{1} << static_cast<std::size_t>(id) % 64);
}
/// Characters of a beginning of a JSON string's inside; one that is not whole counts.
inline std::uint32_t json_characters(std::string_view text) noexcept {
  std::uint32_t n = 0;
  for (std::size_t at = 0; at < text.size();) {
    ++n;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\\' && at + 1 < text.size() && text[at + 1] == 'u') {
      const bool pair =
          at + 3 < text.size() && (text[at + 2] | 0x20) == 'd' &&
          (text[at + 3] == '8' || text[at + 3] == '9' || (text[at + 3] | 0x20) == 'a' || (text[at + 3] | 0x20) == 'b');
      at += pair ? 12 : 6;
    } else {
      at += byte == '\\' ? 2 : byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    }
  }
  return n;
}
}  // namespace detail

/// Walks the tokens below a node of the trie, from the places in levels_[0]. Calls on_token for those that are read, and on_end
/// where a call of which nothing is known has ended.
template <class OnToken, class OnEnd>
void grammar_matcher::walk(std::size_t first, std::size_t behind, std::size_t depth, OnToken on_token, OnEnd on_end) {
  const std::span<const token_trie::node> nodes = trie_->nodes();
  detail::grammar_stacks& stacks = parser_.stacks_;
  detail::grammar_states& states = parser_.states_;
  marks_[0] = stacks.now();
  is_one_[0] = levels_[0].size() == 1;
  if (is_one_[0]) one_[0] = levels_[0].front();
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
      if (states.of(next).plain) {
        one_[level] = {next, p.within};
        is_one_[level] = true;
        marks_[level] = marks_[level - 1];
        for (token id = n.first; id != no_token; id = trie_->same_as(id)) on_token(id);
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
      if (!out.empty() || stacks.may_end())
        for (token id = n.first; id != no_token; id = trie_->same_as(id)) on_token(id);
    }
    i = read && !out.empty() ? i + 1 : n.behind;
  }
  stacks.release(marks_[0]);
}

const grammar_matcher::base& grammar_matcher::base_of(std::uint32_t state) {
  constexpr std::uint32_t none = 0xFFFFFFFF;
  if (state >= base_numbers_.size()) base_numbers_.resize(sum_of_sizes(parser_.states_.size(), 1), none);
  if (base_numbers_[state] != none) return bases_[base_numbers_[state]];
  base b;
  b.first_end = base_ends_.size(), b.first_token = sparse_.size();
  levels_[0].assign(1, {state, detail::grammar_stacks::unknown});
  walk(
      0, trie_->nodes().size(), 0, [&](token id) { sparse_.push_back(id); },
      [&](std::size_t node, std::uint32_t value) {
        base_ends_.push_back({static_cast<std::uint32_t>(node), value, 0});
      });
  b.tokens = sparse_.size() - b.first_token;
  b.ends = base_ends_.size() - b.first_end;
  if (b.tokens > collected_.size()) {  // bits take less
    b.dense = true;
    b.first_word = dense_.size();
    dense_.resize(sum_of_sizes(dense_.size(), collected_.size()));
    for (std::size_t i = b.first_token; i < sparse_.size(); ++i) {
      const auto id = static_cast<std::size_t>(sparse_[i]);
      dense_[b.first_word + id / 64] |= std::uint64_t{1} << id % 64;
    }
    sparse_.resize(b.first_token);
  }
  if (state >= base_numbers_.size()) base_numbers_.resize(sum_of_sizes(parser_.states_.size(), 1), none);
  base_numbers_[state] = static_cast<std::uint32_t>(bases_.size());
  bases_.push_back(b);
  return bases_.back();
}

void grammar_matcher::make_mask(std::vector<std::uint64_t>& words) {
  pending_.clear();
  for (const detail::grammar_place& p : parser_.places_) {
    add_base(p.state, words);
    // pending_ of this place still lacks what it is within
    for (std::size_t i = pending_.size(); i > 0 && pending_[i - 1].within == detail::grammar_stacks::unknown; --i)
      pending_[i - 1].within = p.within;
  }
  add_behind(words);
  if (may_end())
    for (const token id : trie_->ends()) detail::allow(words, id);
}

void grammar_matcher::add_base(std::uint32_t state, std::vector<std::uint64_t>& words) {
  std::uint32_t least = 0, most = 0xFFFFFFFF;
  const bool counted = parser_.states_.counted(state, least, most), by_value = parser_.states_.goes_on_freely(state);
  const std::uint32_t own = state;
  if (counted || by_value) state = parser_.states_.uncounted();
  const base b = base_of(state);
  if (counted && lengths_of_ != base_numbers_[state]) {
    lengths_of_ = base_numbers_[state];
    lengths_.of.clear();
    const auto add = [&](token id) {
      const std::size_t n = detail::json_characters(trie_->text(id));
      if (n >= lengths_.of.size()) lengths_.of.resize(sum_of_sizes(n, 1));
      lengths_.of[n].push_back(id);
    };
    for (std::size_t i = 0; i < b.tokens && !b.dense; ++i) add(sparse_[b.first_token + i]);
    for (std::size_t w = 0; w < collected_.size() && b.dense; ++w)
      for (std::uint64_t bits = dense_[b.first_word + w]; bits != 0; bits &= bits - 1)
        add(static_cast<token>(w * 64 + static_cast<std::size_t>(std::countr_zero(bits))));
    for (std::size_t i = b.first_end; i < b.first_end + b.ends; ++i) {
      const token_trie::node& n = trie_->nodes()[base_ends_[i].node];
      std::size_t below = base_ends_[i].node;  // any token down there begins alike
      while (trie_->nodes()[below].first == no_token) ++below;
      base_ends_[i].characters = detail::json_characters(trie_->text(trie_->nodes()[below].first).substr(0, n.depth - 1u));
    }
  }
  std::fill(collected_.begin(), collected_.end(), 0);
  for (std::size_t w = 0; w < collected_.size() && b.dense; ++w) collected_[w] = dense_[b.first_word + w];
  for (std::size_t i = 0; i < b.tokens && !b.dense; ++i) detail::allow(collected_, sparse_[b.first_token + i]);
  if (counted) {
    for (std::size_t n = std::size_t{most} + 1; n < lengths_.of.size(); ++n)
      for (const token id : lengths_.of[n]) detail::forbid(collected_, id);
  }
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

/// The value of a string that ends at a node of the trie.
std::uint32_t grammar_matcher::value_behind(std::uint32_t state, std::size_t node) {
  const std::span<const token_trie::node> nodes = trie_->nodes();
  std::size_t below = node;  // any token down there begins alike
  while (nodes[below].first == no_token) ++below;
  for (const char c : trie_->text(nodes[below].first).substr(0, nodes[node].depth))
    state = parser_.states_.step(state, static_cast<unsigned char>(c));
  return parser_.states_.of(state).value;
}

/// The tokens that go on behind the ends of the calls that places are within.
void grammar_matcher::add_behind(std::vector<std::uint64_t>& words) {
  const auto by_node = [](const pending& a, const pending& b) { return a.node < b.node; };
  if (!std::is_sorted(pending_.begin(), pending_.end(), by_node)) std::sort(pending_.begin(), pending_.end(), by_node);
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
      made_from = i, made_count = behind - i;
    }
    const token_trie::node n = trie_->nodes()[pending_[i].node];
    const auto take = [&](token id) { detail::allow(words, id); };
    if (end || !levels_[0].empty())
      for (token id = n.first; id != no_token; id = trie_->same_as(id)) take(id);
    if (!levels_[0].empty()) walk(pending_[i].node + 1, n.behind, n.depth, take, [](std::size_t, std::uint32_t) {});
    i = behind;
  }
  stacks.release(before);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
