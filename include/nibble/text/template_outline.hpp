/// template_outline: the source of a chat template in one spelling, so that templates can be compared. It is not run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/config.hpp"
#include "nibble/text/margin.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Writes a template as what it prints: text and the strings of its prints are one, whitespace is cut as Jinja does under
/// trim_blocks and lstrip_blocks, and what is left of tags has one spelling.
///
/// `{% for m in messages %}{{ 'a' + m['role'] }}` becomes `\1for message in messages\3a\2message.role\3`: \1 begins a
/// statement, \2 a print, \3 ends both, and \4 stands around a string inside of them. The variable of the first loop is
/// `message`.
/// @cost  O(source.size()), in one pass
class template_outline {
 public:
  /// Nothing, if the source has what this does not know: comments, unusual escapes, braces in tags, control characters, and
  /// whitespace that is not ASCII beside a tag that cuts it.
  static std::optional<std::string> of(std::string_view source) {
    template_outline outline(source);
    if (!outline.read()) return std::nullopt;
    return std::move(outline.out_);
  }

 private:
  explicit template_outline(std::string_view source) : source_(source) {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
  }

  static bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n'; }
  static bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  char at(std::size_t i) const noexcept { return i < source_.size() ? source_[i] : '\0'; }
  void skip_space() noexcept {
    while (is_space(at(place_))) ++place_;
  }

  bool read() {
    for (const char c : source_)
      if (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) return false;
    while (place_ < source_.size()) {
      if (cuts_ && margin(source_.substr(place_), false) > 0) return false;
      std::size_t open = source_.find('{', place_);
      while (open != source_.npos && at(open + 1) != '{' && at(open + 1) != '%' && at(open + 1) != '#')
        open = source_.find('{', open + 1);
      std::string_view text = source_.substr(place_, open == source_.npos ? open : open - place_);
      if (open == source_.npos) return out_ += text, true;
      const bool prints = at(open + 1) == '{', cuts = at(open + 2) == '-';
      std::string_view cut = text;
      while (!cut.empty() && is_space(cut.back())) cut.remove_suffix(1);
      if ((cuts || !prints) && margin(cut, true) > 0) return false;
      text = cuts ? cut : prints ? text : without_indent(text);
      out_ += text;
      place_ = open + (cuts ? 3 : 2);
      if (at(open + 1) == '#' || !(prints ? read_print() : read_statement())) return false;
    }
    return true;
  }

  /// Without the spaces between the beginning of a line and a statement.
  std::string_view without_indent(std::string_view text) const noexcept {
    const std::size_t line = text.rfind('\n') + 1;  // npos + 1 is 0
    const bool blank = text.find_first_not_of(" \t", line) == text.npos;
    return blank && (line > 0 || begins_line_) ? text.substr(0, line) : text;
  }

  bool read_statement() {
    const std::size_t begin = out_.size();
    out_ += '\1';
    while (!closes('%'))
      if (!read_token(out_)) return false;
    return name_loop(begin), out_ += '\3', true;
  }

  /// The terms of a sum, one after the other; those that are strings are text.
  bool read_print() {
    std::string term;
    for (bool more = true; more;) {
      more = !closes('}');
      const bool ends = !more || (depth_ == 0 && at(place_) == '+');
      if (!ends) {
        if (!read_token(term)) return false;
        continue;
      }
      if (more) ++place_, skip_space();
      if (term.empty()) return false;
      const bool text = term.front() == '\4' && term.find('\4', 1) == term.size() - 1;
      out_ += text ? term.substr(1, term.size() - 2) : '\2' + term + '\3';
      term.clear();
    }
    return true;
  }

  /// Goes behind the end of a tag, if it stands here, and what it cuts.
  bool closes(char mark) {
    skip_space();
    const bool cuts = at(place_) == '-';
    if (depth_ > 0 || at(place_ + cuts) != mark || at(place_ + cuts + 1) != '}') return false;
    place_ += cuts ? 3 : 2;
    cuts_ = cuts;
    if (cuts)
      skip_space();
    else if (mark == '%' && at(place_) == '\n')
      ++place_;
    begins_line_ = at(place_ - 1) == '\n';
    return true;
  }

  bool read_token(std::string& to) {
    skip_space();
    const char c = at(place_);
    if (c == '\'' || c == '"') return read_string(to);
    if (is_word(c)) return read_word(to);
    if (c == '[' && read_member(to)) return true;
    if (std::string_view("()[]+-*/%=!<>|.,:~").find(c) == std::string_view::npos) return false;
    depth_ += c == '(' || c == '[';
    if (c == ')' || c == ']')
      if (depth_-- == 0) return false;
    const bool pair = (c == '!' || c == '=') && at(place_ + 1) == '=';
    if ((c == '!' && !pair) || (c == '=' && to.ends_with('='))) return false;
    to.append(source_, place_, pair ? 2 : 1);
    place_ += pair ? 2 : 1;
    return true;
  }

  bool read_word(std::string& to) {
    const std::size_t begin = place_;
    while (is_word(at(place_))) ++place_;
    std::string_view word = source_.substr(begin, place_ - begin);
    const bool member = !to.empty() && to.back() == '.';
    if (!member && !loop_variable_.empty()) {
      if (word == loop_variable_)
        word = "message";
      else if (word == "message")
        return false;
    }
    if (!to.empty() && (is_word(to.back()) || to.back() == '\4')) to += ' ';
    to += word;
    return true;
  }

  /// ['name'] as .name
  bool read_member(std::string& to) {
    std::size_t i = place_ + 1;
    while (is_space(at(i))) ++i;
    const char quote = at(i);
    const std::size_t begin = ++i;
    while (is_word(at(i))) ++i;
    const std::string_view name = source_.substr(std::min(begin, source_.size()), i - begin);
    if ((quote != '\'' && quote != '"') || at(i) != quote || name.empty()) return false;
    ++i;
    while (is_space(at(i))) ++i;
    if (at(i) != ']') return false;
    place_ = i + 1;
    (to += '.') += name;
    return true;
  }

  bool read_string(std::string& to) {
    const char quote = at(place_++);
    if (!to.empty() && (is_word(to.back()) || to.back() == '\4')) to += ' ';
    to += '\4';
    for (; place_ < source_.size() && at(place_) != quote; ++place_) {
      char c = at(place_);
      if (c == '\\') {
        c = at(++place_);
        if (c == 'n')
          c = '\n';
        else if (c == 't')
          c = '\t';
        else if (c != '\\' && c != '\'' && c != '"')
          return false;
      }
      to += c;
    }
    to += '\4';
    return at(place_++) == quote;
  }

  /// From here on the variable of the first loop is called `message`, if its name is one of the usual ones.
  void name_loop(std::size_t statement) {
    std::string_view words = std::string_view(out_).substr(statement + 1);
    if (!loop_variable_.empty() || !words.starts_with("for ")) return;
    words.remove_prefix(4);
    const std::string_view name = words.substr(0, words.find(' '));
    if (name != "message" && name != "m" && name != "msg") return;
    loop_variable_ = name;
    out_.replace(statement + 5, name.size(), "message");
  }

  std::string_view source_;
  std::size_t place_ = 0, depth_ = 0;
  bool begins_line_ = true, cuts_ = false;  // cuts_: the last tag cuts what stands behind it
  std::string out_, loop_variable_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
