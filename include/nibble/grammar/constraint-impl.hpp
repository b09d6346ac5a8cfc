/// The definitions behind constraint.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/constraint.hpp"
#include "nibble/grammar/token_trie-impl.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

struct grammar_constraint::state {
  state(const grammar& g, const std::shared_ptr<const token_trie>& trie) : matcher(g, trie), tail(g) {}

  grammar_matcher matcher;
  grammar_parser tail;   // reads what stands behind a trigger in one token
  std::size_t seen = 0;  // tokens of the context that were taken
  bool begun = false;
  bool free = false;                              // the trigger has not come
  bool impossible = false;                        // a token came that the grammar does not allow
  std::size_t matched = 0;                        // bytes of the trigger that the text ends with
  std::vector<std::size_t> borders;               // of each beginning of the trigger: the longest shorter one that it ends with
  std::vector<std::vector<std::uint64_t>> masks;  // while it is free, by `matched`
  std::vector<token> run;                         // that must come, newest first
  std::string run_text;
  std::vector<std::uint64_t> only;  // the mask of one token

  std::size_t advance(std::string_view trigger, std::size_t at, char byte) const noexcept {
    while (at > 0 && trigger[at] != byte) at = borders[at - 1];
    return at + (trigger[at] == byte);
  }
};

grammar_constraint::grammar_constraint(grammar g, std::shared_ptr<const token_trie> trie, constraint_options options)
    : grammar_(std::move(g)), trie_(std::move(trie)), options_(std::move(options)) {
  NIBBLE_ASSERT(trie_ != nullptr);
  if (!trie_) return;
  state_ = std::make_unique<state>(grammar_, trie_);
  const std::string_view trigger = options_.trigger;
  state_->free = !trigger.empty();
  state_->masks.resize(trigger.size());
  state_->borders.assign(trigger.size(), 0);
  for (std::size_t i = 1, k = 0; i < trigger.size(); ++i) {
    while (k > 0 && trigger[i] != trigger[k]) k = state_->borders[k - 1];
    k += trigger[i] == trigger[k];
    state_->borders[i] = k;
  }
}
grammar_constraint::grammar_constraint(grammar_constraint&&) noexcept = default;
grammar_constraint::~grammar_constraint() = default;
grammar_constraint& grammar_constraint::operator=(grammar_constraint other) noexcept {
  std::swap(grammar_, other.grammar_), std::swap(trie_, other.trie_), std::swap(options_, other.options_);
  std::swap(state_, other.state_);
  return *this;
}

std::size_t grammar_constraint::memory_bytes() const noexcept { return state_ ? state_->matcher.memory_bytes() : 0; }

void grammar_constraint::operator()(candidates& c, sample_context& context) {
  NIBBLE_ASSERT(state_ && (!c.complete() || c.size() == trie_->size()));
  if (!state_ || (c.complete() && c.size() > trie_->size())) {  // of no vocabulary, or another one
    context.why_none = no_choice::impossible;
    c.truncate(0);
    return;
  }
  follow(context.recent);
  const bool over = !state_->free && state_->matcher.is_over();
  token_mask allowed;
  if (!state_->impossible && !over) {
    const token next = known();
    allowed = next == no_token ? mask() : mask_of(next);
    if (std::none_of(allowed.begin(), allowed.end(), [](std::uint64_t w) { return w != 0; })) state_->impossible = true;
  }
  if (state_->impossible || over) {
    context.why_none = state_->impossible ? no_choice::impossible : no_choice::complete;
    c.truncate(0);
    return;
  }
  const bool some = !c.empty();
  c.keep(allowed);
  if (some && c.empty()) context.why_none = no_choice::impossible;  // what steps in front have left is not what may come
}

token grammar_constraint::foresee(std::span<const token> recent) {
  if (!state_) return no_token;
  follow(recent);
  if (state_->free || state_->impossible || state_->matcher.is_over()) return no_token;
  if (const token next = known(); next != no_token) return next;
  const token only = state_->matcher.forced();
  return only == no_token || trie_->text(only).empty() ? no_token : only;
}

/// The next token of a run, or no_token.
token grammar_constraint::known() {
  if (!options_.canonical || state_->free) return no_token;
  if (state_->run.empty()) find_run();
  return state_->run.empty() ? no_token : state_->run.back();
}

/// The tokens of the text that must come; but the last one, of which more text may become a part, unless none can follow.
void grammar_constraint::find_run() {
  state& s = *state_;
  const bool ends = s.matcher.forced_text(s.run_text);
  if (s.run_text.size() < 2) return;
  trie_->tokenizer().encode(s.run_text, s.run, {.bos = false, .eos = false, .continues = true});
  std::size_t spelled = 0;
  for (const token id : s.run) {
    const std::string_view text = trie_->text(id);
    if (text.empty() || s.run_text.compare(spelled, text.size(), text) != 0) return s.run.clear();
    spelled += text.size();
  }
  if (spelled != s.run_text.size()) return s.run.clear();
  if (!ends && !s.run.empty()) s.run.pop_back();
  std::reverse(s.run.begin(), s.run.end());
}

token_mask grammar_constraint::mask_of(token id) {
  state_->only.assign(sum_of_sizes(trie_->size() / 64, 1), 0);
  detail::allow(state_->only, id);
  return state_->only;
}

void grammar_constraint::follow(std::span<const token> recent) {
  if (!std::exchange(state_->begun, true)) state_->seen = recent.size();
  while (state_->seen < recent.size()) take(recent[state_->seen++]);
}

void grammar_constraint::take(token id) {
  state& s = *state_;
  if (!s.free) {
    if (!s.run.empty() && s.run.back() == id) {
      s.run.pop_back();
    } else {
      s.run.clear();
    }
    if (!s.matcher.accept(id)) s.impossible = true;
    return;
  }
  const std::string_view text = trie_->text(id), trigger = options_.trigger;
  for (std::size_t i = 0; i < text.size(); ++i) {
    s.matched = s.advance(trigger, s.matched, text[i]);
    if (s.matched < trigger.size()) continue;
    s.free = false;
    if (!s.matcher.accept_text(text.substr(i + 1))) s.impossible = true;
    return;
  }
}

token_mask grammar_constraint::mask() { return state_->free ? free_mask() : state_->matcher.allowed(); }

/// All tokens but those that end the trigger and go on as the grammar does not say.
token_mask grammar_constraint::free_mask() {
  state& s = *state_;
  std::vector<std::uint64_t>& words = s.masks[s.matched];
  if (!words.empty()) return words;
  words.assign(trie_->size() / 64 + 1, ~std::uint64_t{0});
  if (trie_->size() % 64 != 0)
    words.back() = (std::uint64_t{1} << trie_->size() % 64) - 1;
  else
    words.back() = 0;
  std::vector<std::size_t> matched(trie_->depth() + 1, s.matched);
  const auto nodes = trie_->nodes();
  for (std::size_t i = 0; i < nodes.size();) {
    const std::size_t at = s.advance(options_.trigger, matched[nodes[i].depth - 1u], static_cast<char>(nodes[i].byte));
    matched[nodes[i].depth] = at;
    if (at < options_.trigger.size()) {
      ++i;
      continue;
    }
    for (std::size_t below = i; below < nodes[i].behind; ++below) {
      trie_->each_token(nodes[below], [&](token id) {
        s.tail.reset();
        if (!s.tail.accept(trie_->text(id).substr(nodes[i].depth))) detail::forbid(words, id);
      });
    }
    i = nodes[i].behind;
  }
  return words;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
