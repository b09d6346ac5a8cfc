/// grammar_parser: reads a text that a grammar describes, byte by byte.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/stacks.hpp"
#include "nibble/grammar/states.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Reads one text, byte by byte, as a grammar says. Owned by one thread at a time; any number read by one grammar.
///
/// What was read can always be gone on with until the text may end. States and masks that were found are kept, up to a bound,
/// so that a text takes memory for the rules that it is within and no more.
/// @example  nibble::grammar_parser parser(nibble::grammar::from_regex("[0-9]+ (cats|dogs)"));
///           parser.accept("12 c");   // true
///           parser.accept("o");      // false: it stands where it stood
///           parser.accept("ats");    // true
///           parser.may_end();        // true
/// @cost     a byte: proportional to the ways in which the text may be read: one to ten for usual grammars
class grammar_parser {
 public:
  /// At the beginning of a text. The grammar is held, not copied.
  explicit grammar_parser(const grammar& g);
  grammar_parser(const grammar_parser&) = delete;
  grammar_parser& operator=(const grammar_parser&) = delete;

  /// Takes bytes, all or none.
  bool accept(std::string_view bytes);
  /// The text may end here.
  bool may_end() const noexcept { return may_end_; }
  /// Nothing may follow.
  bool is_over() const noexcept { return places_.empty(); }
  /// The text that must come next: as long as one byte alone goes on, and the text may not end.
  /// @param  out  that text; of bytes only, no control token is in it. At most 1000 bytes
  /// @return  behind it nothing may follow
  bool forced_text(std::string& out);
  /// Begins another text. What was found out about the grammar stays.
  void reset();
  /// Bytes that it has taken. At most a few MB above `bound`, where it forgets what it does not need.
  std::size_t memory_bytes() const noexcept;
  static constexpr std::size_t bound = 16u << 20;

 private:
  friend class grammar_matcher;
  bool forget_if_full();
  int only_byte(std::span<const detail::grammar_place> places);

  std::shared_ptr<const detail::grammar_program> program_;
  detail::grammar_states states_;
  detail::grammar_stacks stacks_;
  std::vector<detail::grammar_place> places_, next_, first_, ahead_;
  bool may_end_ = false, first_may_end_ = false;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
