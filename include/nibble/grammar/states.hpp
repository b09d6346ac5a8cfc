/// grammar_states: the states of a parser: made when they are first reached, and kept with what was found out about them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "nibble/grammar/program.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A state is where reading stands within one rule or one JSON value: a few numbers, kept once, and named by an id. A byte
/// leads from a state to at most one other; a call goes on in its state behind what was called; a state with a value is where
/// what is read may end.
///
/// Every state can be gone on from to an end.
class grammar_states {
 public:
  using id = std::uint32_t;
  static constexpr id dead = 0;      ///< nothing goes on
  static constexpr id accepted = 1;  ///< behind the whole text
  static constexpr id outside = 2;   ///< behind a state of which the rest is not known
  static constexpr std::uint32_t no_value = (std::numeric_limits<std::uint32_t>::max)();

  struct call {
    std::uint32_t target;
    id behind;
  };
  /// What does not depend on a byte.
  struct facts {
    std::uint32_t first_call = 0, calls = 0;
    std::uint32_t value = no_value;
    bool known = false;
    bool reads = false;  // some byte goes on
    bool plain = false;  // reads, calls nothing, and does not end
    bool ends = false;   // nothing else but ends, and gives no value that matters
  };

  explicit grammar_states(const grammar_program& program);

  /// @cost  one load, after the first time
  id step(id s, unsigned char byte) {
    const std::uint32_t row = rows_of_[s];
    if (row != no_row) {
      if (const id next = rows_[std::size_t{row} * 256 + byte]; next != unknown) return next;
    }
    return step_anew(s, byte);
  }
  const facts& of(id s) {
    if (!facts_[s].known) find_facts(s);
    return facts_[s];
  }
  std::span<const call> calls(id s) {
    const facts& f = of(s);
    return std::span<const call>(calls_).subspan(f.first_call, f.calls);
  }
  std::span<const id> starts(std::uint32_t target);
  /// The state behind a call that ended with a value.
  id behind(id s, std::uint32_t value);

  std::size_t targets() const noexcept { return program_->targets.size(); }
  std::uint32_t root() const noexcept { return program_->root; }
  /// For a string of which the characters are counted: how many may come, and must. Else false.
  bool counted(id s, std::uint32_t& least, std::uint32_t& most) const;
  /// For a string that may go on as any other may, and whose value depends on all of it: a name, or one that is remembered.
  bool goes_on_freely(id s) const;
  /// All characters above ASCII lead back to it.
  bool loops_above_ascii(id s) const;
  /// Of a text that bytes may stand in which are no characters: the state to which these lead. Else dead.
  id free_text(id s);
  /// The same place in a string of any length.
  id uncounted();

  std::size_t size() const noexcept { return facts_.size(); }
  /// Bytes that it has taken.
  std::size_t memory_bytes() const noexcept;
  /// Forgets all states but those that are named, which get new names.
  void keep(std::span<id* const> named);

 private:
  using word = std::uint32_t;
  static constexpr std::uint32_t no_row = (std::numeric_limits<std::uint32_t>::max)();
  static constexpr id unknown = (std::numeric_limits<id>::max)();

  enum kind : word {
    pseudo,
    text,           // automaton state
    text_part,      // automaton state, bits of a character so far, bytes to come
    text_rest,      // automaton state behind the character, bytes to come
    string_open,    // string
    string_read,    // string or none, object state or none, automaton state, characters so far
    string_part,    // the same, bits, bytes to come
    string_rest,    // the same (behind the character), bytes to come
    string_escape,  // the same
    string_hex,     // the same, bits, digits to come
    string_low,     // the same, high surrogate, what is to come of "\uDC00": 6 backslash, 5 u, 4 to 1 digits; bits
    done,           // value
    array_at,       // array, place, spaces, items so far, counts of demands
    object_at,      // object, place, spaces, class of the last key, members so far, counts of demands, classes seen
    object_key,     // the same: a key is called for
  };
  enum place : word { start, open, behind_value, behind_comma, behind_key, before_value };

  id named(std::span<const word> key);
  id named(std::initializer_list<word> key) { return named(std::span<const word>(key.begin(), key.size())); }
  std::span<const word> key(id s) const noexcept {
    return std::span<const word>(words_).subspan(keys_[s], keys_[s + 1] - keys_[s]);
  }
  id step_anew(id s, unsigned char byte);
  id next_of(id s, unsigned char byte);
  void find_facts(id s);
  void add_calls(std::span<const word> k);
  void reset();
  void grow_table();

  // reading of text and of strings
  id text_byte(word q, unsigned char byte);
  id text_lost(word q);
  id text_broken(word q, unsigned char byte);
  id text_partial(word q, word bits, word left);
  id string_byte(std::span<const word> k, unsigned char byte);
  id string_partial(std::span<const word> k, word bits, word left);
  bool string_reads_in(std::span<const word> k, char32_t low, char32_t high) const;
  bool string_reads_unit(std::span<const word> k, char32_t low, char32_t high) const;
  id string_at(std::span<const word> k, word new_kind, word a, word b, word c);
  id string_character(std::span<const word> k, char32_t code);
  bool is_remembered(std::span<const word> k) const;
  bool string_may_read(std::span<const word> k, word q) const;
  word string_count(std::span<const word> k, char32_t code) const;
  id string_escaped(std::span<const word> k, unsigned char byte);
  id string_hex_digit(std::span<const word> k, unsigned char byte);
  id string_low_part(std::span<const word> k, unsigned char byte);
  id string_end(std::span<const word> k);

  // arrays and objects
  id array_byte(std::span<const word> k, unsigned char byte);
  id object_byte(std::span<const word> k, unsigned char byte);
  bool array_may_end(std::span<const word> k) const;
  bool array_may_go_on(std::span<const word> k) const;
  bool array_can_take(std::span<const word> k, const json_shapes::choice& c) const;
  id array_behind(std::span<const word> k, const json_shapes::choice& c);
  bool object_may_end(std::span<const word> k) const;
  bool object_may_go_on(std::span<const word> k) const;
  bool object_allows(std::span<const word> k, word key_class) const { return object_allows(k, key_class, object_missing(k)); }
  bool object_allows(std::span<const word> k, word key_class, word missing) const;
  bool object_can_take(std::span<const word> k, word key_class, word missing, const json_shapes::choice& c) const;
  id object_behind_name(std::span<const word> k, word value);
  bool object_names_are_free(std::span<const word> k) const;
  id object_behind(std::span<const word> k, const json_shapes::choice& c);
  id object_at_place(std::span<const word> k, word new_kind, word where, word key_class);
  word object_missing(std::span<const word> k) const;
  void add_array_calls(std::span<const word> k);
  void add_object_calls(std::span<const word> k);

  const grammar_program* program_;
  std::vector<bool> reads_names_;  // automaton states that read any name
  std::vector<word> words_;
  std::vector<std::uint32_t> keys_;  // where each state's words begin, and the end
  std::vector<facts> facts_;
  std::vector<std::uint32_t> rows_of_;
  std::vector<id> rows_;
  std::vector<call> calls_;
  std::vector<std::uint32_t> first_start_, starts_count_;  // of each target
  std::vector<id> starts_;
  std::vector<id> table_;  // by hash of the words
  std::vector<word> scratch_, saved_, saved_words_, of_facts_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
