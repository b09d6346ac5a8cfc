/// The definitions behind states.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/states.hpp"
#include "nibble/grammar/token_code.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The characters that a few first bytes of UTF-8 may still become.
struct utf8_beginning {
  char32_t low, high;
  bool exact;  // any bytes to come make one of them
};
inline utf8_beginning characters_from(std::uint32_t bits, std::uint32_t left) noexcept {
  const char32_t low = bits << 6 * left, high = low | ((char32_t{1} << 6 * left) - 1);
  if (low >= first_token_code) return {low, high, true};
  const char32_t least = left == 2 && bits < 16 ? 0x800 : left == 3 ? 0x10000 : 0;
  const bool exact = low >= least && high <= char_set::last && !(low <= 0xDFFF && high >= 0xD800);
  return {(std::max)(low, least), (std::min)(high, char_set::last), exact};
}
/// The bits and the number of bytes to come of the first byte of a character; 0 to come: none begins so.
struct utf8_lead {
  std::uint32_t bits, left;
};
inline utf8_lead lead_of(unsigned char byte) noexcept {
  if (byte >= 0xC2 && byte <= 0xDF) return {byte & 0x1Fu, 1};
  if (byte >= 0xE0 && byte <= 0xEF) return {byte & 0x0Fu, 2};
  if (byte >= 0xF0 && byte <= 0xF7) return {byte & 0x07u, 3};  // F5 and on: a token
  return {0, 0};
}
/// Whether the bits of a character of which so many bytes are to come are of none: overlong, or between the last character and
/// the first token.
inline bool begins_nothing(std::uint32_t bits, std::uint32_t left) noexcept {
  return (left == 1 && bits < 32) || (left == 2 && (bits < 16 || (bits > 0x10F && bits < first_token_code >> 12)));
}
inline bool continues_character(unsigned char byte) noexcept { return (byte & 0xC0) == 0x80; }
grammar_states::grammar_states(const grammar_program& program) : program_(&program) {
  first_start_.resize(program.targets.size());
  starts_count_.resize(program.targets.size());
  for (const json_shapes::object& o : program.shapes.objects) {
    const std::size_t end = o.first_state + o.reach->size() / (std::max)(o.words(), 1u);
    if (reads_names_.size() < end) reads_names_.resize(end);
    std::fill(reads_names_.begin() + std::ptrdiff_t(o.first_state), reads_names_.begin() + std::ptrdiff_t(end), true);
  }
  reset();
}

void grammar_states::reset() {
  words_.clear(), keys_.assign(1, 0), facts_.clear(), rows_of_.clear(), rows_.clear(), calls_.clear(), starts_.clear();
  std::fill(first_start_.begin(), first_start_.end(), no_row);
  table_.assign((std::max<std::size_t>)(table_.size(), 1024), unknown);
  for (word w = 0; w < 3; ++w) {
    const word of[] = {pseudo, w};
    named(of);
    facts_[w].known = true;
  }
}

grammar_states::id grammar_states::named(std::span<const word> k) {
  std::uint64_t hash = 0x9E3779B97F4A7C15u;
  for (const word w : k) hash = (hash ^ w) * 0xFF51AFD7ED558CCDu, hash ^= hash >> 32;
  for (std::size_t at = static_cast<std::size_t>(hash) & (table_.size() - 1);; at = (at + 1) & (table_.size() - 1)) {
    if (table_[at] == unknown) {
      const id made = static_cast<id>(facts_.size());
      table_[at] = made;
      words_.insert(words_.end(), k.begin(), k.end());
      keys_.push_back(static_cast<std::uint32_t>(words_.size()));
      facts_.emplace_back();
      rows_of_.push_back(no_row);
      if (2 * facts_.size() > table_.size()) grow_table();
      return made;
    }
    const std::span<const word> other = key(table_[at]);
    if (std::equal(other.begin(), other.end(), k.begin(), k.end())) return table_[at];
  }
}

void grammar_states::grow_table() {
  table_.assign(product_of_sizes(table_.size(), 2), unknown);
  for (id s = 0; s < facts_.size(); ++s) {
    std::uint64_t hash = 0x9E3779B97F4A7C15u;
    for (const word w : key(s)) hash = (hash ^ w) * 0xFF51AFD7ED558CCDu, hash ^= hash >> 32;
    std::size_t at = static_cast<std::size_t>(hash) & (table_.size() - 1);
    while (table_[at] != unknown) at = (at + 1) & (table_.size() - 1);
    table_[at] = s;
  }
}

std::size_t grammar_states::memory_bytes() const noexcept {
  const std::size_t numbers =
      sum_of_sizes(sum_of_sizes(words_.capacity(), keys_.capacity()),
                   sum_of_sizes(sum_of_sizes(rows_.capacity(), rows_of_.capacity()), table_.capacity()));
  return sum_of_sizes(product_of_sizes(numbers, sizeof(word)), sum_of_sizes(product_of_sizes(facts_.capacity(), sizeof(facts)),
                                                                            product_of_sizes(calls_.capacity(), sizeof(call))));
}

void grammar_states::keep(std::span<id* const> named_ones) {
  std::vector<word> words;
  std::vector<std::uint32_t> ends;
  // what is named may name others: owners of strings
  std::vector<id> others;
  for (id* s : named_ones) {
    const auto k = key(*s);
    if (k[0] >= string_read && k[0] <= string_low && k[2] != no_value) others.push_back(k[2]);
  }
  const std::size_t owners = others.size();
  for (const id s : others)
    words.insert(words.end(), key(s).begin(), key(s).end()), ends.push_back(static_cast<std::uint32_t>(words.size()));
  for (id* s : named_ones)
    words.insert(words.end(), key(*s).begin(), key(*s).end()), ends.push_back(static_cast<std::uint32_t>(words.size()));
  reset();
  std::size_t at = 0, owner = 0;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::span<word> k(words.data() + at, ends[i] - at);
    at = ends[i];
    if (i < owners) {
      others[i] = named(k);
      continue;
    }
    if (k[0] >= string_read && k[0] <= string_low && k[2] != no_value) k[2] = others[owner++];
    *named_ones[i - owners] = named(k);
  }
}

std::span<const grammar_states::id> grammar_states::starts(std::uint32_t target) {
  if (first_start_[target] == no_row) {
    const grammar_target& t = program_->targets[target];
    const std::size_t first = starts_.size();
    const auto add = [&](std::initializer_list<word> k) { starts_.push_back(named(k)); };
    if (t.start != automaton::none) add({text, t.start});
    if (t.names != automaton::none) add({string_read, t.remembered, no_value, t.names, 0});
    for (const word q : t.texts) add({text, q});
    for (const word s : t.strings) add({string_open, s});
    for (const word a : t.arrays) {
      scratch_.assign({array_at, a, start, 0, 0});
      scratch_.resize(5 + program_->shapes.arrays[a].demands.size());
      starts_.push_back(named(scratch_));
    }
    for (const word o : t.objects) {
      const json_shapes::object& shape = program_->shapes.objects[o];
      scratch_.assign({object_at, o, start, 0, 0, 0});
      scratch_.resize(6 + shape.demands.size() + shape.seen_words());  // fits: of shapes in memory
      starts_.push_back(named(scratch_));
    }
    first_start_[target] = static_cast<std::uint32_t>(first);
    starts_count_[target] = static_cast<std::uint32_t>(starts_.size() - first);
  }
  return std::span<const id>(starts_).subspan(first_start_[target], starts_count_[target]);
}

grammar_states::id grammar_states::step_anew(id s, unsigned char byte) {
  const word what = key(s)[0];
  const bool alone = what >= string_read && what <= string_low && is_remembered(key(s));
  const id next = next_of(s, byte);
  if (alone || what == array_at || what == object_at || what == object_key) return next;  // too many of them for rows
  if (rows_of_[s] == no_row) {
    rows_of_[s] = static_cast<std::uint32_t>(rows_.size() / 256);
    rows_.resize(sum_of_sizes(rows_.size(), 256), unknown);
  }
  rows_[std::size_t{rows_of_[s]} * 256 + byte] = next;
  return next;
}

grammar_states::id grammar_states::next_of(id s, unsigned char byte) {
  saved_.assign(key(s).begin(), key(s).end());
  const std::span<const word> k = saved_;
  switch (k[0]) {
    case text:
      return text_byte(k[1], byte);
    case text_part: {
      if (!continues_character(byte)) return text_broken(k[1], byte);
      const word bits = k[2] << 6 | (byte & 0x3Fu), left = k[3] - 1;
      return begins_nothing(bits, left) ? text_lost(k[1]) : text_partial(k[1], bits, left);
    }
    case text_rest:
      if (!continues_character(byte)) return text_broken(k[1], byte);
      return k[2] == 1 ? named({text, k[1]}) : named({text_rest, k[1], k[2] - 1});
    case string_open:
      if (byte != '"') return dead;
      return named({string_read, k[1], no_value, program_->shapes.strings[k[1]].start, 0});
    case string_read:
      return string_byte(k, byte);
    case string_part: {
      if (!continues_character(byte)) return dead;
      const word bits = k[5] << 6 | (byte & 0x3Fu), left = k[6] - 1;
      return begins_nothing(bits, left) ? dead : string_partial(k, bits, left);
    }
    case string_rest:
      if (!continues_character(byte)) return dead;
      return k[5] == 1 ? string_at(k, string_read, 0, 0, 0) : string_at(k, string_rest, k[5] - 1, 0, 0);
    case string_escape:
      return string_escaped(k, byte);
    case string_hex:
      return string_hex_digit(k, byte);
    case string_low:
      return string_low_part(k, byte);
    case array_at:
      return array_byte(k, byte);
    case object_at:
      return object_byte(k, byte);
    default:
      return dead;
  }
}

void grammar_states::find_facts(id s) {
  of_facts_.assign(key(s).begin(), key(s).end());
  const std::span<const word> k = of_facts_;
  facts f;
  f.known = true;
  f.first_call = static_cast<std::uint32_t>(calls_.size());
  if (k[0] == text) {
    const automaton::state& state = program_->texts[k[1]];
    f.reads = !state.edges.empty();
    f.value = state.tag;
    for (const automaton::call& c : state.calls) {
      const id behind = named({text, c.to});
      calls_.push_back({c.rule, behind});
    }
  } else if (k[0] == done) {
    f.value = k[1];
  } else {
    f.reads = k[0] != object_key;
    if (const id free = free_text(s); free != dead) f.value = program_->texts[key(free)[1]].tag;
    if (k[0] == object_key) calls_.push_back({program_->shapes.objects[k[1]].target, s});
    if (k[0] == array_at) add_array_calls(k);
    if (k[0] == object_at) add_object_calls(k);
  }
  f.calls = static_cast<std::uint32_t>(calls_.size()) - f.first_call;
  f.plain = f.reads && f.calls == 0 && f.value == no_value;
  f.ends = !f.reads && f.calls == 0 && f.value != no_value;
  facts_[s] = f;
}

grammar_states::id grammar_states::text_byte(word q, unsigned char byte) {
  if (byte < 0x80) {
    const word next = program_->texts.step(q, byte);
    return next == automaton::none ? dead : named({text, next});
  }
  const utf8_lead lead = lead_of(byte);
  return lead.left == 0 ? text_lost(q) : text_partial(q, lead.bits, lead.left);
}

/// Behind bytes that are no character.
grammar_states::id grammar_states::text_lost(word q) {
  const word to = program_->texts[q].lost;
  return to == automaton::none ? dead : named({text, to});
}

/// Behind a byte that does not go on with the character before it.
grammar_states::id grammar_states::text_broken(word q, unsigned char byte) {
  const word to = program_->texts[q].lost;
  return to == automaton::none ? dead : text_byte(to, byte);
}

grammar_states::id grammar_states::text_partial(word q, word bits, word left) {
  const utf8_beginning may_be = characters_from(bits, left);
  if (may_be.low >= 0xD800 && may_be.high <= 0xDFFF) return text_lost(q);
  const automaton::edge* e = program_->texts.edge_from(q, may_be.low);
  if (!e || e->low > may_be.high) return dead;
  if (left == 0) return named({text, e->to});
  if (may_be.exact && e->low <= may_be.low && e->high >= may_be.high) return named({text_rest, e->to, left});
  return named({text_part, q, bits, left});
}

bool grammar_states::counted(id s, std::uint32_t& least, std::uint32_t& most) const {
  const std::span<const word> k = key(s);
  if (k[0] != string_read || k[1] == no_value) return false;
  const json_shapes::string& shape = program_->shapes.strings[k[1]];
  if (!shape.counted()) return false;
  least = shape.least > k[4] ? shape.least - k[4] : 0;
  most = shape.most == json_shapes::none ? json_shapes::none : shape.most - k[4];
  return true;
}

bool grammar_states::goes_on_freely(id s) const {
  const std::span<const word> k = key(s);
  if (k[0] != string_read || k[2] != no_value) return false;
  if (k[1] == no_value) return k[3] < reads_names_.size() && reads_names_[k[3]];
  const json_shapes::string& shape = program_->shapes.strings[k[1]];
  return shape.remembered && (shape.names != json_shapes::none || k[3] == program_->shapes.any_text);
}

bool grammar_states::loops_above_ascii(id s) const {
  const std::span<const word> k = key(s);
  if (k[0] != text && k[0] != string_read) return false;
  const word q = k[0] == text ? k[1] : k[3];
  const auto leads_back = [&](char32_t low, char32_t high) {
    const automaton::edge* e = program_->texts.edge_from(q, low);
    return e && e->low <= low && e->high >= high && e->to == q;
  };
  if (!leads_back(0x80, 0xD7FF) || !leads_back(0xE000, char_set::last)) return false;
  return k[0] == text || (string_may_read(k, q) && string_count(k, 0x80) == k[4]);
}

grammar_states::id grammar_states::free_text(id s) {
  const std::span<const word> k = key(s);
  return k[0] >= text && k[0] <= text_rest ? text_lost(k[1]) : dead;
}

grammar_states::id grammar_states::uncounted() {
  return named({string_read, no_value, no_value, program_->shapes.any_text, 0});
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
