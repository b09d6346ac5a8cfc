/// The definitions behind regex.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/automaton-impl.hpp"
#include "nibble/grammar/regex.hpp"
#include "nibble/grammar/repetition.hpp"
#include "nibble/grammar/scanner.hpp"
#include "nibble/text/unicode.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Reads an expression into a pattern. `^` and `$` become marks that stand in front of the text and behind it.
class regex_reader {
 public:
  static constexpr char32_t begin_mark = 0xD800, end_mark = 0xDFFF;

  regex_reader(std::string_view text, const grammar_limits& most, patterns& out) : in_(text), most_(most), out_(out) {}

  result<patterns::id> read() {
    auto all = choice(0);
    if (all && !in_.done()) return in_.malformed("a closing parenthesis without an opening one");
    return all;
  }

 private:
  using id = patterns::id;

  result<id> choice(std::uint32_t depth) {
    NIBBLE_TRY(check_nesting(depth, most_.nesting, in_));
    std::vector<id> parts;
    do {
      auto part = sequence(depth);
      if (!part) return part;
      parts.push_back(*part);
    } while (in_.take('|'));
    return parts.size() == 1 ? parts.front() : out_.choice(std::move(parts));
  }

  result<id> sequence(std::uint32_t depth) {
    std::vector<id> parts;
    while (!in_.done() && in_.peek() != '|' && in_.peek() != ')') {
      auto part = atom(depth);
      if (!part) return part;
      part = quantified(*part);
      if (!part) return part;
      parts.push_back(*part);
    }
    return out_.sequence(std::move(parts));
  }

  result<id> atom(std::uint32_t depth) {
    const std::size_t from = in_.at();
    switch (in_.peek()) {
      case '^':
        in_.skip();
        return out_.characters(char_set::mark(begin_mark));
      case '$':
        in_.skip();
        return out_.characters(char_set::mark(end_mark));
      case '.':
        in_.skip();
        return out_.characters(line_breaks().inverted());
      case '(':
        return group(depth);
      case '[': {
        in_.skip();
        auto set = char_class(from);
        if (!set) return std::move(set).failure();
        return out_.characters(*std::move(set));
      }
      case '\\': {
        auto set = escape(false);
        if (!set) return std::move(set).failure();
        return out_.characters(*std::move(set));
      }
      case '*':
      case '+':
      case '?':
        return in_.malformed("there is nothing to repeat");
      default:
        return out_.character(in_.take_character());
    }
  }

  result<id> group(std::uint32_t depth) {
    const std::size_t from = in_.at();
    in_.skip();
    if (in_.take('?') && !in_.take(':')) {
      if (in_.peek() == '<' && in_.peek(1) != '=' && in_.peek(1) != '!') {
        while (!in_.done() && !in_.take('>')) in_.skip();
      } else if (in_.peek() == '=' || in_.peek() == '!' || in_.peek() == '<') {
        return in_.malformed(from, "an assertion that looks ahead or behind is not supported");
      } else {
        return in_.malformed(from, "flags of a group are not supported");
      }
    }
    auto all = choice(depth + 1);
    if (all && !in_.take(')')) return in_.malformed(from, "this group has no closing parenthesis");
    return all;
  }

  result<id> quantified(id part) {
    const std::size_t from = in_.at();
    const std::optional<repetition> sign = take_repetition_sign(in_), r = sign ? sign : counts();
    if (!r) return part;
    auto made = repeated(out_, part, *r, in_, from, most_.states);
    if (!made) return made;
    in_.take('?');  // lazy
    if (const char next = in_.peek(); next == '*' || next == '+') return in_.malformed("there is nothing to repeat");
    return made;
  }

  /// {n}, {n,}, {n,m}; any other brace stands for itself.
  std::optional<repetition> counts() {
    const std::size_t from = in_.at();
    if (!in_.take('{')) return std::nullopt;
    if (const auto low = in_.take_number()) {
      repetition r{*low, *low};
      if (in_.take(',')) r.most = in_.take_number().value_or(pattern::unlimited);
      if (in_.take('}')) return r;
    }
    in_.go_to(from);
    return std::nullopt;
  }

  result<char_set> char_class(std::size_t from) {
    const bool inverted = in_.take('^');
    char_set all;
    while (!in_.take(']')) {
      if (in_.done()) return in_.malformed(from, "this class has no closing bracket");
      const std::size_t at = in_.at();
      auto low = class_atom();
      if (!low) return low;
      if (in_.peek() == '-' && in_.peek(1) != ']' && in_.peek(1) != '\0') {
        in_.skip();
        auto high = class_atom();
        if (!high) return high;
        if (!is_one(*low) || !is_one(*high)) return in_.malformed(at, "a range between what is no character");
        const char32_t first = low->ranges()[0].low, last = high->ranges()[0].low;
        if (first > last) return in_.malformed(at, "a range that ends before it begins");
        all.add(first, last);
      } else {
        all.add(*low);
      }
    }
    return inverted ? all.inverted() : all;
  }
  static bool is_one(const char_set& set) { return set.ranges().size() == 1 && set.ranges()[0].low == set.ranges()[0].high; }

  result<char_set> class_atom() {
    if (in_.peek() == '\\') return escape(true);
    const char32_t c = in_.take_character();
    return char_set(c, c);
  }

  result<char_set> escape(bool in_class) {
    const std::size_t from = in_.at();
    in_.skip();
    if (in_.done()) return in_.malformed(from, "a backslash at the end");
    const char32_t c = in_.take_character();
    switch (c) {
      case 'd':
        return char_set('0', '9');
      case 'D':
        return char_set('0', '9').inverted();
      case 'w':
        return word_characters();
      case 'W':
        return word_characters().inverted();
      case 's':
        return spaces();
      case 'S':
        return spaces().inverted();
      case 'p':
      case 'P':
        return property(from, c == 'P');
      case 'b':
        if (in_class) return char_set(8, 8);
        [[fallthrough]];
      case 'B':
        return in_.malformed(from, "a word boundary is not supported");
      case 'k':
        return in_.malformed(from, "a reference to a group is not supported");
      default:
        break;
    }
    if (c >= '1' && c <= '9') return in_.malformed(from, "a reference to a group is not supported");
    const std::optional<char32_t> code = code_of_escape(c);
    if (!code) return in_.malformed(from, "an escape that is not known");
    return char_set(*code, *code);
  }

  std::optional<char32_t> code_of_escape(char32_t c) {
    switch (c) {
      case 't':
        return U'\t';
      case 'n':
        return U'\n';
      case 'v':
        return U'\v';
      case 'f':
        return U'\f';
      case 'r':
        return U'\r';
      case '0':
        return U'\0';
      case 'x':
        return in_.take_hex(2);
      case 'c': {
        const char letter = static_cast<char>(in_.peek() | 0x20);
        if (letter < 'a' || letter > 'z') return std::nullopt;
        in_.skip();
        return static_cast<char32_t>(letter - 'a' + 1);
      }
      case 'u':
        return unicode_escape();
      default:
        break;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter ? std::nullopt : std::optional(c);
  }

  std::optional<char32_t> unicode_escape() {
    if (in_.take('{')) {
      char32_t code = 0;
      std::size_t digits = 0;
      for (; code <= char_set::last; ++digits) {
        const auto digit = in_.take_hex(1);
        if (!digit) break;
        code = code << 4 | *digit;
      }
      return digits > 0 && code <= char_set::last && in_.take('}') ? std::optional(code) : std::nullopt;
    }
    const auto high = in_.take_hex(4);
    if (!high || *high < 0xD800 || *high > 0xDBFF) return high;
    const std::size_t behind = in_.at();
    if (in_.take("\\u")) {
      const auto low = in_.take_hex(4);
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) return 0x10000 + ((*high - 0xD800) << 10) + (*low - 0xDC00);
    }
    in_.go_to(behind);
    return high;
  }

  /// Of the general categories, those that the tables of this library have.
  result<char_set> property(std::size_t from, bool inverted) {
    std::size_t end = in_.rest().find('}');
    if (!in_.take('{') || end == std::string_view::npos) return in_.malformed(from, "a property without a name in braces");
    const std::string_view name = in_.rest().substr(0, end - 1);
    in_.skip(end);
    static constexpr std::pair<std::string_view, nibble::char_class> known[] = {
        {"L", nibble::char_class::letter},      {"Letter", nibble::char_class::letter}, {"N", nibble::char_class::number},
        {"Number", nibble::char_class::number}, {"M", nibble::char_class::mark},        {"Mark", nibble::char_class::mark},
        {"P", nibble::char_class::punctuation}, {"S", nibble::char_class::symbol}};
    for (const auto& [its_name, kind] : known) {
      if (name != its_name) continue;
      return all_that([wanted = kind](char32_t c) { return class_of(c) == wanted; }, inverted);
    }
    if (name == "Nd") return all_that([](char32_t c) { return is_decimal(c); }, inverted);
    return in_.malformed(from, "the property \"" + std::string(name) + "\" is not supported");
  }
  template <class Belongs>
  static char_set all_that(Belongs belongs, bool inverted) {
    char_set out;
    for (char32_t low = 0; low <= char_set::last; ++low) {
      if (belongs(low) == inverted) continue;
      const char32_t from = low;
      while (low < char_set::last && belongs(low + 1) != inverted) ++low;
      out.add(from, low);
    }
    return out;
  }

  static char_set line_breaks() {
    char_set out('\n', '\n');
    out.add('\r', '\r'), out.add(0x2028, 0x2029);
    return out;
  }
  static char_set word_characters() {
    char_set out('0', '9');
    out.add('A', 'Z'), out.add('_', '_'), out.add('a', 'z');
    return out;
  }
  static char_set spaces() {
    char_set out(9, 13);
    out.add(' ', ' '), out.add(0xA0, 0xA0), out.add(0x1680, 0x1680), out.add(0x2000, 0x200A), out.add(0x2028, 0x2029);
    out.add(0x202F, 0x202F), out.add(0x205F, 0x205F), out.add(0x3000, 0x3000), out.add(0xFEFF, 0xFEFF);
    return out;
  }

  scanner in_;
  const grammar_limits& most_;
  patterns& out_;
};

/// Leaves the marks out again: where one led to is known from the states beside it.
inline std::uint32_t without_marks(automaton& a, std::uint32_t first, std::uint32_t start) {
  const auto step = [&](std::uint32_t s, char32_t mark) { return s == automaton::none ? s : a.step(s, mark); };
  std::vector<std::uint32_t> tags;
  for (std::uint32_t s = first; s < a.size(); ++s) {
    const std::uint32_t end = step(s, regex_reader::end_mark);
    tags.push_back(end == automaton::none ? automaton::none : a[end].tag);
  }
  const std::uint32_t behind = step(start, regex_reader::begin_mark);
  for (std::uint32_t s = first; s < a.size(); ++s) {
    a[s].tag = tags[s - first];
    std::erase_if(a[s].edges, [](const automaton::edge& e) { return e.low >= 0xD800 && e.low <= 0xDFFF; });
  }
  return behind;
}

result<std::uint32_t> add_regex(std::string_view text, regex_extent extent, const grammar_limits& most, automaton& out) {
  patterns all;
  auto body = regex_reader(text, most, all).read();
  if (!body) return std::move(body).failure();
  // `^` and `$` take the marks; where there is none, what stands around the expression does
  const auto around = [&](char32_t mark) {
    const patterns::id optional = all.repeat(all.characters(char_set::mark(mark)), 0, 1);
    if (extent == regex_extent::whole) return optional;
    const patterns::id others = all.repeat(all.characters(char_set::all()), 0, pattern::unlimited);
    return mark == regex_reader::begin_mark
               ? all.choice({all.sequence({}), all.sequence({all.characters(char_set::mark(mark)), others})})
               : all.choice({all.sequence({}), all.sequence({others, all.characters(char_set::mark(mark))})});
  };
  const patterns::id front = around(regex_reader::begin_mark);
  const patterns::id back = around(regex_reader::end_mark);
  const std::uint32_t first = static_cast<std::uint32_t>(out.size());
  auto start = add_automaton(all, all.sequence({front, *body, back}), most.states, out);
  if (!start) return start;
  const std::uint32_t behind = without_marks(out, first, *start);
  std::vector<bool> alive;
  remove_dead_ends(out, {}, first, alive);
  if (behind == automaton::none || !alive[behind - first]) return automaton::none;
  return behind;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
