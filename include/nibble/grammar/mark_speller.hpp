/// mark_speller: marks of a format as characters of a grammar: those that are tokens of a vocabulary by the tokens' codes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/grammar/program_builder.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

class mark_speller {
 public:
  explicit mark_speller(const tokenizer& words) noexcept : words_(words) {}

  struct spelled {
    std::u32string text;
    bool ends = false;  // with a token that ends a reply, which is not in the text, nor what would follow
  };
  spelled spell(std::string_view mark) const;
  bool ends(std::string_view mark) const { return spell(mark).ends; }

  /// Adds what a text is searched for: the tokens, and letters that look like them.
  void add_marks(std::string_view mark, std::uint32_t rule, std::vector<search_mark>& out) const;
  patterns::id pattern(std::string_view mark, program_builder& out) const { return out.text(spell(mark).text); }

 private:
  const tokenizer& words_;
};

/// A sequence in which a mark may end the reply.
class marked_sequence {
 public:
  using id = patterns::id;
  marked_sequence(program_builder& out, const mark_speller& speller) noexcept : out_(out), speller_(speller) {}

  marked_sequence& mark(std::string_view text) {
    if (over_) return *this;
    const mark_speller::spelled s = speller_.spell(text);
    over_ = s.ends;
    return add(out_.text(s.text), true);
  }
  marked_sequence& add(id part) { return add(part, !over_); }
  /// Nothing can follow.
  bool is_over() const noexcept { return over_; }
  id pattern() { return out_.all.sequence(std::move(parts_)); }

 private:
  marked_sequence& add(id part, bool is_there) {
    if (is_there) parts_.push_back(part);
    return *this;
  }

  program_builder& out_;
  const mark_speller& speller_;
  std::vector<id> parts_;
  bool over_ = false;
};

std::u32string characters_of(std::string_view text);
char_set char_set_of(std::u32string_view characters);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
