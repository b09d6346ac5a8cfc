/// word_wrapper: a line of text as lines of a width at most, broken between words.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/code_point.hpp"
#include "nibble/text/digit_groups.hpp"
#include "nibble/text/margin.hpp"
#include "nibble/text/template/cutting.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

struct wrapping {
  std::size_t width = 79;  ///< characters of a line, at least one
  bool breaks_words = true, breaks_at_hyphens = true;
};

/// The text is a row of words and spaces, of which a line takes as many as it has room for; spaces at its ends are left out,
/// but for those the text begins with.
/// @cost    O(characters)
/// @source  Python's textwrap.TextWrapper, with the options that Jinja's wordwrap sets
class word_wrapper {
 public:
  word_wrapper(run& r, const traced_text& text, const wrapping& how) : run_(r), text_(text), how_(how) {
    const std::string_view all = text.view();
    const std::size_t most = character_count(all);
    if (!r.charge(all.size() * 64) || !r.may_take(product_of_sizes(most, sizeof(character) + sizeof(piece)))) return;
    characters_.reserve(most);
    for (std::size_t at = 0; at < all.size();) {
      const code_point c = code_point_at(all, at);
      const bool letter = c.is_letter() || c.ascii == '_' || (c.is_number() && !is_decimal(c.code));
      characters_.push_back({at, c.ascii, letter, letter || c.is_number(), margin(all.substr(at, c.size), false) > 0});
      at += c.size;
    }
    split();
  }

  std::vector<traced_text> lines() {
    std::vector<traced_text> out;
    while (next_ < pieces_.size() && run_.charge()) {
      if (!out.empty() && is_blank(pieces_[next_]) && ++next_ == pieces_.size()) break;
      const piece line = next_line();
      if (line.end > line.begin) out.push_back(text_.cut(place(line.begin), place(line.end)));
    }
    return out;
  }

 private:
  struct character {
    std::size_t place;
    char ascii;
    bool letter, word, blank;  // a letter or what is like one; that or a digit; whitespace of any kind
  };
  /// Characters that stand together: a word, a part of one, or spaces.
  struct piece {
    std::size_t begin, end;
    std::size_t size() const noexcept { return end - begin; }
  };

  std::size_t place(std::size_t i) const noexcept { return i < characters_.size() ? characters_[i].place : text_.size(); }
  bool is(std::size_t i, bool character::*what) const noexcept { return i < characters_.size() && characters_[i].*what; }
  bool is_hyphen(std::size_t i) const noexcept { return i < characters_.size() && characters_[i].ascii == '-'; }
  bool is_space(std::size_t i) const noexcept {
    constexpr std::string_view spaces = "\t\n\v\f\r ";
    return i < characters_.size() && characters_[i].ascii != 0 && spaces.find(characters_[i].ascii) != spaces.npos;
  }
  bool is_blank(const piece& p) const noexcept {
    for (std::size_t i = p.begin; i < p.end; ++i)
      if (!characters_[i].blank) return false;
    return true;
  }

  void split() {
    for (std::size_t at = 0; at < characters_.size();) {
      std::size_t end = at;
      if (is_space(at)) {
        while (is_space(end)) ++end;
      } else {
        end = how_.breaks_at_hyphens ? word_end(at) : at;
        while (!how_.breaks_at_hyphens && end < characters_.size() && !is_space(end)) ++end;
      }
      pieces_.push_back({at, end});
      at = end;
    }
  }
  std::size_t word_end(std::size_t at) const noexcept {
    if (const std::size_t end = dash_end(at); end > at) return end;
    for (std::size_t i = at + 1;; ++i) {
      if (is_within_word(i)) return i + 1;
      if (i == characters_.size() || is_space(i) || dash_end(i) > i) return i;
    }
  }
  /// Behind two hyphens or more between words; `at` for anything else.
  std::size_t dash_end(std::size_t at) const noexcept {
    constexpr std::string_view signs = "!\"'&.,?";
    if (at == 0 || !is_hyphen(at) || !is_hyphen(at + 1)) return at;
    const character& before = characters_[at - 1];
    if (!before.word && (before.ascii == 0 || signs.find(before.ascii) == signs.npos)) return at;
    std::size_t end = at;
    while (is_hyphen(end)) ++end;
    return is(end, &character::word) ? end : at;
  }
  /// A hyphen between parts of a word, each of two letters or of one that another hyphen stands beside.
  bool is_within_word(std::size_t at) const noexcept {
    const auto letter = [&](std::size_t i) { return is(i, &character::letter); };
    if (!is_hyphen(at) || at < 2 || !letter(at - 1)) return false;
    const bool behind = letter(at - 2) || (at >= 3 && is_hyphen(at - 2) && letter(at - 3));
    return behind && letter(at + 1) && (letter(at + 2) || (is_hyphen(at + 2) && letter(at + 3)));
  }

  piece next_line() {
    piece line{pieces_[next_].begin, pieces_[next_].begin};
    std::size_t last = line.begin;  // of the line: where its last piece begins
    while (next_ < pieces_.size() && line.size() + pieces_[next_].size() <= how_.width) {
      last = line.end;
      line.end = pieces_[next_++].end;
    }
    if (next_ < pieces_.size() && pieces_[next_].size() > how_.width) {
      piece& word = pieces_[next_];  // for which no line has room
      if (how_.breaks_words) {
        last = line.end;
        line.end = word.begin = break_in(word, how_.width - line.size());
      } else if (line.size() == 0) {
        last = line.end;
        line.end = pieces_[next_++].end;
      }
    }
    if (line.end > last && is_blank({last, line.end})) line.end = last;
    return line;
  }
  /// Where a word is broken of which so many characters have room: behind the last hyphen among them, but not of those that it
  /// begins with.
  std::size_t break_in(const piece& word, std::size_t room) const noexcept {
    const std::size_t end = (std::min)(word.begin + room, word.end);
    if (!how_.breaks_at_hyphens) return end;
    std::size_t hyphen = end;
    while (hyphen > word.begin && !is_hyphen(hyphen - 1)) --hyphen;
    for (std::size_t i = word.begin; i + 1 < hyphen; ++i)
      if (!is_hyphen(i)) return hyphen;
    return end;
  }

  run& run_;
  const traced_text& text_;
  const wrapping how_;
  std::vector<character> characters_;
  std::vector<piece> pieces_;
  std::size_t next_ = 0;
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
