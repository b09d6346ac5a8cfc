/// The definitions behind regex.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <array>
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
    NIBBLE_TRY(check_size(out_, most_.states, in_));
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
    std::vector<char_set::range> ranges;
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
        ranges.push_back({first, last});
      } else {
        ranges.insert(ranges.end(), low->ranges().begin(), low->ranges().end());
        if (ranges.size() > 8 * std::size_t{most_.states})
          return in_.malformed(from, "a class of too many ranges", errc::limit_exceeded);
      }
    }
    char_set all = char_set::of(std::move(ranges));
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
    for (const auto& [its_name, kind] : known)
      if (name == its_name) return all_of(unicode_runs, static_cast<std::uint32_t>(kind), inverted);
    if (name == "Nd") return all_of(unicode_decimal_runs, 1, inverted);
    return in_.malformed(from, "the property \"" + std::string(name) + "\" is not supported");
  }
  /// The characters of one kind, from the runs of a table.
  template <std::size_t Runs>
  static char_set all_of(const std::array<std::uint32_t, Runs>& runs, std::uint32_t kind, bool inverted) {
    char_set out;
    for (std::size_t r = 0; r < Runs; ++r)
      if ((runs[r] & 7) == kind) out.add(runs[r] >> 3, r + 1 < Runs ? (runs[r + 1] >> 3) - 1 : char_set::last);
    return inverted ? out.inverted() : out;
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

/// The states of an automaton from which marks of the end lead to a tag, any number of them.
inline std::vector<bool> ends_by_marks(const automaton& a, std::uint32_t first) {
  enum : char { unknown, open, no, yes };
  std::vector<char> found(a.size() - first, unknown);
  std::vector<std::uint32_t> path;
  for (std::uint32_t s = first; s < a.size(); ++s) {
    std::uint32_t at = s;
    for (; at != automaton::none && found[at - first] == unknown; at = a.step(at, regex_reader::end_mark)) {
      found[at - first] = open;
      path.push_back(at);
    }
    bool ends = at != automaton::none && found[at - first] == yes;
    for (; !path.empty(); path.pop_back()) {
      ends = ends || a[path.back()].tag != automaton::none;
      found[path.back() - first] = ends ? yes : no;
    }
  }
  std::vector<bool> out;
  for (const char f : found) out.push_back(f == yes);
  return out;
}

/// Whether the empty text matches: then the marks of its beginning and of its end may come in any order.
inline bool matches_empty(const automaton& a, std::uint32_t first, std::uint32_t start) {
  std::vector<bool> seen(a.size() - first);
  std::vector<std::uint32_t> open = {start};
  while (!open.empty()) {
    const std::uint32_t at = open.back();
    open.pop_back();
    if (at == automaton::none || seen[at - first]) continue;
    if (a[at].tag != automaton::none) return true;
    seen[at - first] = true;
    open.push_back(a.step(at, regex_reader::begin_mark));
    open.push_back(a.step(at, regex_reader::end_mark));
  }
  return false;
}

/// Leaves the marks out again. Each assertion takes one, so that a text has any number of them on both sides: the more there
/// are, the more matches.
inline std::uint32_t without_marks(automaton& a, std::uint32_t first, std::uint32_t start) {
  const bool empty = matches_empty(a, first, start);
  const std::vector<bool> ends = ends_by_marks(a, first);
  std::vector<bool> seen(a.size() - first);
  std::uint32_t behind = start;
  for (std::uint32_t at = start; at != automaton::none && !seen[at - first]; at = a.step(at, regex_reader::begin_mark)) {
    seen[at - first] = true;
    behind = at;
  }
  for (std::uint32_t s = first; s < a.size(); ++s) {
    a[s].tag = ends[s - first] ? 0 : automaton::none;
    std::erase_if(a[s].edges, [](const automaton::edge& e) { return e.low >= 0xD800 && e.low <= 0xDFFF; });
  }
  if (!empty || a[behind].tag != automaton::none) return behind;
  automaton::state begin = a[behind];
  begin.tag = 0;
  return a.add(std::move(begin));
}

result<std::uint32_t> add_regex(std::string_view text, regex_extent extent, const grammar_limits& most, automaton& out) {
  patterns all;
  auto body = regex_reader(text, most, all).read();
  if (!body) return std::move(body).failure();
  // `^` and `$` take marks; what stands around the expression takes the others, and other characters where it may
  const auto around = [&](char32_t mark) {
    const patterns::id marks = all.repeat(all.characters(char_set::mark(mark)), 0, pattern::unlimited);
    if (extent == regex_extent::whole) return marks;
    const patterns::id others = all.repeat(all.characters(char_set::all()), 0, pattern::unlimited);
    return all.sequence(mark == regex_reader::begin_mark ? std::vector{marks, others} : std::vector{others, marks});
  };
  const patterns::id front = around(regex_reader::begin_mark);
  const patterns::id back = around(regex_reader::end_mark);
  const std::uint32_t first = static_cast<std::uint32_t>(out.size());
  auto start = add_automaton(all, all.sequence({front, *body, back}), most.states, out);
  if (!start) return start;
  const std::uint32_t behind = without_marks(out, first, *start);
  std::vector<bool> alive;
  remove_dead_ends(out, {}, first, alive);
  return alive[behind - first] ? behind : automaton::none;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
