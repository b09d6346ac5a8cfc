/// The states of JSON values: a part of states.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/states-impl.hpp"
#include "nibble/grammar/states.hpp"
#include "nibble/text/hex.hpp"
#include "nibble/text/json_characters.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

// Strings. A word of a key: 1 the string, 2 the object whose member's name it is, 3 the automaton's state, 4 characters so far.

grammar_states::id grammar_states::string_at(std::span<const word> k, word new_kind, word a, word b, word c) {
  if (new_kind == string_read || new_kind == string_escape) return named({new_kind, k[1], k[2], k[3], k[4]});
  if (new_kind == string_rest) return named({new_kind, k[1], k[2], k[3], k[4], a});
  if (new_kind == string_low) return named({new_kind, k[1], k[2], k[3], k[4], a, b, c});
  return named({new_kind, k[1], k[2], k[3], k[4], a, b});
}

/// Whether the characters of a string are kept, as a hash: where it must not come twice.
bool grammar_states::is_remembered(std::span<const word> k) const {
  if (k[1] != no_value) return program_->shapes.strings[k[1]].remembered;
  return k[2] != no_value && program_->shapes.objects[key(k[2])[1]].remembers;
}

/// What is kept of the characters so far, with one more.
grammar_states::word grammar_states::string_count(std::span<const word> k, char32_t code) const {
  if (is_remembered(k))
    return static_cast<word>(
        ((std::uint64_t{k[4]} + 1) * 0x9E3779B97F4A7C15u ^ (std::uint64_t{code} + 1) * 0xFF51AFD7ED558CCDu) >> 29);
  if (k[1] == no_value) return 0;
  const json_shapes::string& shape = program_->shapes.strings[k[1]];
  if (!shape.counted()) return 0;
  return shape.most == json_shapes::none ? (std::min)(k[4] + 1, shape.least) : k[4] + 1;
}

/// Whether a character may lead to a state of the automaton.
bool grammar_states::string_may_read(std::span<const word> k, word q) const {
  if (k[1] != no_value && k[4] == program_->shapes.strings[k[1]].most && !program_->shapes.strings[k[1]].remembered)
    return false;
  if (k[2] == no_value) return true;
  const std::span<const word> owner = key(k[2]);
  const json_shapes::object& shape = program_->shapes.objects[owner[1]];
  const std::size_t first = std::size_t{q - shape.first_state} * shape.words();
  const word missing = object_missing(owner);
  for (std::uint32_t w = 0; w < shape.words(); ++w) {
    for (word bits = (*shape.reach)[first + w]; bits != 0; bits &= bits - 1) {
      if (object_allows(owner, w * 32 + static_cast<word>(std::countr_zero(bits)), missing)) return true;
    }
  }
  return false;
}

bool grammar_states::string_reads_in(std::span<const word> k, char32_t low, char32_t high) const {
  if (low > high) return false;
  const std::vector<automaton::edge>& edges = program_->texts[k[3]].edges;
  for (const automaton::edge* e = program_->texts.edge_from(k[3], low); e && e != edges.data() + edges.size() && e->low <= high;
       ++e)
    if (string_may_read(k, e->to)) return true;
  return false;
}

/// The same for the numbers behind \u: controls, what is not ASCII, and the first halves of pairs.
bool grammar_states::string_reads_unit(std::span<const word> k, char32_t low, char32_t high) const {
  const auto within = [&](char32_t from, char32_t to) {
    return string_reads_in(k, (std::max)(low, from), (std::min)(high, to));
  };
  if (within(0, 0x1F) || within(0x7F, 0xD7FF) || within(0xE000, 0xFFFF)) return true;
  const char32_t first = (std::max<char32_t>)(low, 0xD800), last = (std::min<char32_t>)(high, 0xDBFF);
  return first <= last && string_reads_in(k, 0x10000 + ((first - 0xD800) << 10), 0x10000 + ((last - 0xD800) << 10) + 0x3FF);
}

grammar_states::id grammar_states::string_character(std::span<const word> k, char32_t code) {
  const word next = program_->texts.step(k[3], code);
  if (next == automaton::none || !string_may_read(k, next)) return dead;
  return named({string_read, k[1], k[2], next, string_count(k, code)});
}

grammar_states::id grammar_states::string_byte(std::span<const word> k, unsigned char byte) {
  if (byte == '"') return string_end(k);
  if (byte == '\\') {
    constexpr std::string_view plain = "\"\\/\b\f\n\r\t";
    const auto reads = [&](char c) { return string_reads_in(k, static_cast<char32_t>(c), static_cast<char32_t>(c)); };
    const bool any = std::any_of(plain.begin(), plain.end(), reads) || string_reads_unit(k, 0, 0xFFFF);
    return any ? string_at(k, string_escape, 0, 0, 0) : dead;
  }
  if (byte < 0x20) return dead;
  if (byte < 0x80) return string_character(k, byte);
  const utf8_lead lead = lead_of(byte);
  return lead.left == 0 ? dead : string_partial(k, lead.bits, lead.left);
}

grammar_states::id grammar_states::string_partial(std::span<const word> k, word bits, word left) {
  const utf8_beginning may_be = characters_from(bits, left);
  if (left == 0) return string_character(k, may_be.low);
  if (!string_reads_in(k, may_be.low, may_be.high)) return dead;
  const automaton::edge* e = program_->texts.edge_from(k[3], may_be.low);
  if (may_be.exact && e->low <= may_be.low && e->high >= may_be.high && !is_remembered(k))
    return named({string_rest, k[1], k[2], e->to, string_count(k, 0), left});
  return string_at(k, string_part, bits, left, 0);
}

grammar_states::id grammar_states::string_escaped(std::span<const word> k, unsigned char byte) {
  switch (byte) {
    case '"':
    case '\\':
    case '/':
      return string_character(k, byte);
    case 'b':
      return string_character(k, U'\b');
    case 'f':
      return string_character(k, U'\f');
    case 'n':
      return string_character(k, U'\n');
    case 'r':
      return string_character(k, U'\r');
    case 't':
      return string_character(k, U'\t');
    case 'u':
      return string_reads_unit(k, 0, 0xFFFF) ? string_at(k, string_hex, 0, 4, 0) : dead;
    default:
      return dead;
  }
}

grammar_states::id grammar_states::string_hex_digit(std::span<const word> k, unsigned char byte) {
  const int digit = hex_value(static_cast<char>(byte));
  if (digit < 0) return dead;
  const word bits = k[5] << 4 | static_cast<word>(digit), left = k[6] - 1;
  const char32_t low = bits << 4 * left, high = low | ((char32_t{1} << 4 * left) - 1);
  if (!string_reads_unit(k, low, high)) return dead;
  if (left > 0) return string_at(k, string_hex, bits, left, 0);
  return bits >= 0xD800 && bits <= 0xDBFF ? string_at(k, string_low, bits, 6, 0) : string_character(k, bits);
}

/// The second half of a pair: words 5 the first half, 6 what is to come, 7 the bits of it.
grammar_states::id grammar_states::string_low_part(std::span<const word> k, unsigned char byte) {
  if (k[6] == 6) return byte == '\\' ? string_at(k, string_low, k[5], 5, 0) : dead;
  if (k[6] == 5) return byte == 'u' ? string_at(k, string_low, k[5], 4, 0) : dead;
  const int digit = hex_value(static_cast<char>(byte));
  if (digit < 0) return dead;
  const word bits = k[7] << 4 | static_cast<word>(digit), left = k[6] - 1;
  const char32_t low = (std::max<char32_t>)(bits << 4 * left, 0xDC00);
  const char32_t high = (std::min<char32_t>)((bits << 4 * left) | ((char32_t{1} << 4 * left) - 1), 0xDFFF);
  const char32_t base = 0x10000 + ((char32_t{k[5]} - 0xD800) << 10);
  if (low > high || !string_reads_in(k, base + (low - 0xDC00), base + (high - 0xDC00))) return dead;
  return left > 0 ? string_at(k, string_low, k[5], left, bits) : string_character(k, base + (low - 0xDC00));
}

grammar_states::id grammar_states::string_end(std::span<const word> k) {
  const word tag = program_->texts[k[3]].tag;
  if (tag == automaton::none) return dead;
  if (k[2] != no_value) {
    scratch_.assign(key(k[2]).begin(), key(k[2]).end());
    return object_behind_name(scratch_, program_->shapes.objects[scratch_[1]].value_of(tag, k[4]));
  }
  if (k[1] == no_value) return named({done, tag});
  const json_shapes::string& shape = program_->shapes.strings[k[1]];
  if (shape.names != json_shapes::none) return named({done, program_->shapes.objects[shape.names].value_of(tag, k[4])});
  if (shape.remembered) return named({done, k[4] == no_value ? 0 : k[4]});
  return k[4] >= shape.least ? named({done, 0}) : dead;
}

// Arrays. Words: 1 the array, 2 the place, 3 spaces, 4 items so far, 5 and on the counts of demands.

inline const std::vector<json_shapes::choice>& choices_at(const json_shapes::array& shape, std::uint32_t item) noexcept {
  return item < shape.first.size() ? shape.first[item] : shape.rest;
}

bool grammar_states::array_may_end(std::span<const word> k) const {
  const json_shapes::array& shape = program_->shapes.arrays[k[1]];
  if (k[4] < shape.least) return false;
  for (std::size_t d = 0; d < shape.demands.size(); ++d)
    if (k[5 + d] < shape.demands[d].least) return false;
  return true;
}

/// Whether the next item may meet these demands, and all that is demanded can still be met behind it.
bool grammar_states::array_can_take(std::span<const word> k, const json_shapes::choice& c) const {
  const json_shapes::array& shape = program_->shapes.arrays[k[1]];
  if (k[4] >= shape.most || (shape.remembers && k.size() >= 1005)) return false;
  const std::uint64_t behind = std::uint64_t{k[4]} + 1, room = std::uint64_t{shape.most} - behind;
  std::uint64_t all_missing = 0;
  for (std::size_t d = 0; d < shape.demands.size(); ++d) {
    const json_shapes::demand& demand = shape.demands[d];
    const bool meets = (c.met >> d & 1) != 0;
    if (meets && k[5 + d] >= demand.most) return false;
    const word met = k[5 + d] + meets;
    const std::uint64_t missing = demand.least > met ? demand.least - met : 0;
    const auto can_meet = [d](const json_shapes::choice& x) { return (x.met >> d & 1) != 0; };
    std::uint64_t places = 0;
    for (std::size_t i = as_size(behind); i < shape.first.size(); ++i)
      places += std::any_of(shape.first[i].begin(), shape.first[i].end(), can_meet);
    if (std::any_of(shape.rest.begin(), shape.rest.end(), can_meet)) {
      const std::uint64_t begins = (std::max<std::uint64_t>)(behind, shape.first.size());
      places += shape.most > begins ? shape.most - begins : 0;
    }
    if (missing > places) return false;
    all_missing += missing;
  }
  return all_missing <= room;
}

bool grammar_states::array_may_go_on(std::span<const word> k) const {
  const std::vector<json_shapes::choice>& choices = choices_at(program_->shapes.arrays[k[1]], k[4]);
  return std::any_of(choices.begin(), choices.end(), [&](const json_shapes::choice& c) { return array_can_take(k, c); });
}

grammar_states::id grammar_states::array_behind(std::span<const word> k, const json_shapes::choice& c) {
  const json_shapes::array& shape = program_->shapes.arrays[k[1]];
  scratch_.assign(k.begin(), k.end());
  scratch_[2] = behind_value, scratch_[3] = 0;
  const word enough = (std::max)(shape.least, static_cast<word>(shape.first.size()));
  if (shape.most != json_shapes::none || k[4] < enough) ++scratch_[4];
  for (std::size_t d = 0; d < shape.demands.size(); ++d) {
    const json_shapes::demand& demand = shape.demands[d];
    if ((c.met >> d & 1) != 0 && (demand.most != json_shapes::none || scratch_[5 + d] < demand.least)) ++scratch_[5 + d];
  }
  return named(scratch_);
}

grammar_states::id grammar_states::array_byte(std::span<const word> k, unsigned char byte) {
  const auto at = [&](word where, word spaces) {
    scratch_.assign(k.begin(), k.end());
    scratch_[2] = where, scratch_[3] = spaces;
    return named(scratch_);
  };
  if (k[2] == start) return byte == '[' ? at(open, 0) : dead;
  if (is_json_space(static_cast<char>(byte))) return k[3] < program_->shapes.spaces ? at(k[2], k[3] + 1) : dead;
  if (byte == ']') return k[2] != behind_comma && array_may_end(k) ? named({done, 0}) : dead;
  return byte == ',' && k[2] == behind_value && array_may_go_on(k) ? at(behind_comma, 0) : dead;
}

void grammar_states::add_array_calls(std::span<const word> k) {
  if (k[2] != open && k[2] != behind_comma) return;
  for (const json_shapes::choice& c : choices_at(program_->shapes.arrays[k[1]], k[4])) {
    if (!array_can_take(k, c)) continue;
    const id behind = array_behind(k, c);
    calls_.push_back({c.target, behind});
  }
}

// Objects. Words: 1 the object, 2 the place, 3 spaces, 4 the class of the last name, 5 members so far, 6 and on the counts of
// demands, then bits of the known classes that came, then the names that are remembered.

/// Required members that are missing.
grammar_states::word grammar_states::object_missing(std::span<const word> k) const {
  const json_shapes::object& shape = program_->shapes.objects[k[1]];
  const std::size_t seen = 6 + shape.demands.size();
  word missing = 0;
  for (std::uint32_t w = 0; w < shape.seen_words(); ++w) {
    missing += static_cast<word>(std::popcount(shape.required[w] & ~k[seen + w]));
  }
  return missing;
}

bool grammar_states::object_may_end(std::span<const word> k) const {
  const json_shapes::object& shape = program_->shapes.objects[k[1]];
  if (k[5] < shape.least || object_missing(k) > 0) return false;
  for (std::size_t d = 0; d < shape.demands.size(); ++d)
    if (k[6 + d] < shape.demands[d].least) return false;
  return true;
}

/// Whether a member of a class may come next, with a value that meets these demands. @param missing  see object_missing()
bool grammar_states::object_can_take(std::span<const word> k, word key_class, word missing,
                                     const json_shapes::choice& c) const {
  const json_shapes::object& shape = program_->shapes.objects[k[1]];
  const std::size_t seen = 6 + shape.demands.size();
  const auto came = [&](word x) { return x < shape.known && (k[seen + x / 32] >> x % 32 & 1) != 0; };
  if (came(key_class)) return false;
  const std::uint64_t members = std::uint64_t{k[5]} + 1;
  if (key_class < shape.known) missing -= shape.required[key_class / 32] >> key_class % 32 & 1;
  if (shape.most != json_shapes::none && members + missing > shape.most) return false;
  const std::uint64_t room = shape.most == json_shapes::none ? std::uint64_t{1} << 40 : shape.most - members;
  if (shape.demands.empty() && shape.least <= members) return true;
  // what may still come: how many members, and how many that meet each demand
  const auto places = [&](auto fits) {
    std::uint64_t n = 0;
    for (word x = 0; x < shape.classes.size(); ++x) {
      if (x == key_class && x < shape.known) continue;
      if (came(x) || std::none_of(shape.classes[x].begin(), shape.classes[x].end(), fits)) continue;
      if (x >= shape.known) return room;
      ++n;
    }
    return (std::min)(n, room);
  };
  if (members < shape.least && members + places([](const json_shapes::choice&) { return true; }) < shape.least) return false;
  std::uint64_t all_missing = 0;
  for (std::size_t d = 0; d < shape.demands.size(); ++d) {
    const bool meets = (c.met >> d & 1) != 0;
    if (meets && k[6 + d] >= shape.demands[d].most) return false;
    const word met = k[6 + d] + meets;
    const std::uint64_t wanted = shape.demands[d].least > met ? shape.demands[d].least - met : 0;
    if (wanted > 0 && wanted > places([d](const json_shapes::choice& x) { return (x.met >> d & 1) != 0; })) return false;
    all_missing += wanted;
  }
  return all_missing + missing <= room;
}

bool grammar_states::object_allows(std::span<const word> k, word key_class, word missing) const {
  const std::vector<json_shapes::choice>& choices = program_->shapes.objects[k[1]].classes[key_class];
  return std::any_of(choices.begin(), choices.end(),
                     [&](const json_shapes::choice& c) { return object_can_take(k, key_class, missing, c); });
}

bool grammar_states::object_may_go_on(std::span<const word> k) const {
  const auto classes = static_cast<word>(program_->shapes.objects[k[1]].classes.size());
  const word missing = object_missing(k);
  for (word c = classes; c > 0; --c)  // what is always allowed stands behind
    if (object_allows(k, c - 1, missing)) return true;
  return false;
}

/// Whether any beginning of a name may go on, whatever members came.
bool grammar_states::object_names_are_free(std::span<const word> k) const {
  const json_shapes::object& shape = program_->shapes.objects[k[1]];
  if (!shape.free_names) return false;
  for (word c = shape.known; c < shape.classes.size(); ++c)
    if (!shape.classes[c].empty() && !object_allows(k, c)) return false;
  return true;
}

grammar_states::id grammar_states::object_at_place(std::span<const word> k, word new_kind, word where, word key_class) {
  saved_words_.assign(k.begin(), k.end());
  saved_words_[0] = new_kind, saved_words_[2] = where, saved_words_[3] = 0, saved_words_[4] = key_class;
  return named(saved_words_);
}

grammar_states::id grammar_states::object_behind(std::span<const word> k, const json_shapes::choice& c) {
  const json_shapes::object& shape = program_->shapes.objects[k[1]];
  scratch_.assign(k.begin(), k.end());
  scratch_[2] = behind_value, scratch_[3] = 0, scratch_[4] = 0;
  if (shape.most != json_shapes::none || scratch_[5] < shape.least) ++scratch_[5];
  for (std::size_t d = 0; d < shape.demands.size(); ++d) {
    const json_shapes::demand& demand = shape.demands[d];
    if ((c.met >> d & 1) != 0 && (demand.most != json_shapes::none || scratch_[6 + d] < demand.least)) ++scratch_[6 + d];
  }
  if (k[4] < shape.known) scratch_[6 + shape.demands.size() + k[4] / 32] |= word{1} << k[4] % 32;
  return named(scratch_);
}

grammar_states::id grammar_states::object_byte(std::span<const word> k, unsigned char byte) {
  if (k[2] == start) return byte == '{' ? object_at_place(k, object_at, open, 0) : dead;
  if (is_json_space(static_cast<char>(byte))) {
    if (k[3] >= program_->shapes.spaces) return dead;
    scratch_.assign(k.begin(), k.end());
    ++scratch_[3];
    return named(scratch_);
  }
  switch (byte) {
    case '}':
      return (k[2] == open || k[2] == behind_value) && object_may_end(k) ? named({done, 0}) : dead;
    case ',':
      return k[2] == behind_value && object_may_go_on(k) ? object_at_place(k, object_at, behind_comma, 0) : dead;
    case ':':
      return k[2] == behind_key ? object_at_place(k, object_at, before_value, k[4]) : dead;
    case '"': {
      if ((k[2] != open && k[2] != behind_comma) || !object_may_go_on(k)) return dead;
      if (object_names_are_free(k)) return object_at_place(k, object_key, behind_comma, 0);
      const id owner = object_at_place(k, object_at, behind_comma, 0);
      return named({string_read, no_value, owner, program_->shapes.objects[k[1]].keys, 0});
    }
    default:
      return dead;
  }
}

void grammar_states::add_object_calls(std::span<const word> k) {
  if (k[2] != before_value) return;
  const word missing = object_missing(k);
  for (const json_shapes::choice& c : program_->shapes.objects[k[1]].classes[k[4]]) {
    if (!object_can_take(k, k[4], missing, c)) continue;
    const id behind = object_behind(k, c);
    calls_.push_back({c.target, behind});
  }
}

grammar_states::id grammar_states::behind(id s, std::uint32_t value) {
  const std::span<const word> k = key(s);
  if (k[0] == array_at && program_->shapes.arrays[k[1]].remembers) {  // what came stands behind the counts
    const std::span<const word> came = k.subspan(5);
    if (std::find(came.begin(), came.end(), value) != came.end()) return dead;
    scratch_.assign(k.begin(), k.end());
    scratch_.push_back(value);
    return named(scratch_);
  }
  if (k[0] != object_key) return s;
  scratch_.assign(k.begin(), k.end());
  return object_behind_name(scratch_, value);
}

/// Behind a name, by its value, in a state of the object; `k` is no part of the states.
grammar_states::id grammar_states::object_behind_name(std::span<const word> k, word value) {
  const json_shapes::object& shape = program_->shapes.objects[k[1]];
  const word key_class = shape.class_of(value);
  if (!object_allows(k, key_class)) return dead;
  const bool remembered = shape.remembers && key_class >= shape.known;
  const std::span<const word> came = k.subspan(6 + shape.demands.size() + shape.seen_words());
  if (remembered && std::find(came.begin(), came.end(), value) != came.end()) return dead;
  saved_words_.assign(k.begin(), k.end());
  saved_words_[0] = object_at, saved_words_[2] = behind_key, saved_words_[3] = 0, saved_words_[4] = key_class;
  if (remembered) saved_words_.push_back(value);
  return named(saved_words_);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
