/// lexer: the source of a template as texts and pieces of tags.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/code_point.hpp"
#include "nibble/text/margin.hpp"
#include "nibble/text/template/syntax.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// Splits a source once, under the settings of chat templates: the line break behind a tag goes, and the spaces before one.
/// @source  the lexer of Jinja 3.1, trim_blocks and lstrip_blocks on
class lexer {
 public:
  lexer(std::string_view source, std::vector<lexeme>& out, mistake& wrong) : source_(source), out_(out), wrong_(wrong) {}

  void run() {
    while (at_ < source_.size() && !wrong_.found()) read_text();
    add(lexeme_kind::end, source_.size(), 0);
  }

 private:
  static constexpr std::size_t none = std::string_view::npos;

  char peek(std::size_t ahead = 0) const noexcept { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  bool starts(std::string_view word) const noexcept { return source_.substr(at_).starts_with(word); }
  void add(lexeme_kind kind, std::size_t at, std::size_t size) { out_.push_back({kind, at, source_.substr(at, size)}); }

  void skip_space() noexcept {
    while (const std::size_t size = margin(source_.substr(at_), false)) at_ += size;
  }

  /// Text up to the next tag, and that tag.
  void read_text() {
    std::size_t tag = at_;
    do {
      tag = source_.find('{', tag);
      if (tag == none || tag + 1 == source_.size()) return take_rest();
    } while (std::string_view("{%#").find(source_[tag + 1]) == none && ++tag);
    const char opener = source_[tag + 1], sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    add_text(tag, sign, opener == '{');
    at_ = tag + 2 + (sign == '-' || sign == '+');
    if (opener == '#') return skip_comment(tag);
    if (opener == '%' && is_raw()) return read_raw(tag);
    read_tag(opener == '{', tag);
  }
  void take_rest() {
    if (at_ < source_.size()) add(lexeme_kind::text, at_, source_.size() - at_);
    at_ = source_.size();
  }
  /// The text before a tag at `tag`, without what its sign, or its being a block, takes away.
  void add_text(std::size_t tag, char sign, bool expression) {
    std::string_view text = source_.substr(at_, tag - at_);
    if (sign == '-') {
      while (const std::size_t size = margin(text, true)) text.remove_suffix(size);
    } else if (sign != '+' && !expression) {
      const std::size_t line = text.rfind('\n') + 1;  // 0: it begins where a tag ended
      std::string_view rest = text.substr(line);
      while (const std::size_t size = margin(rest, false)) rest.remove_prefix(size);
      if (rest.empty() && (line > 0 || line_starts_)) text = text.substr(0, line);
    }
    if (!text.empty()) add(lexeme_kind::text, at_, text.size());
  }
  void ends_at(std::size_t end) noexcept {
    at_ = end;
    line_starts_ = end > 0 && source_[end - 1] == '\n';
  }

  /// The end of a tag, if one stands here, with what it takes away behind it.
  bool take_end(std::string_view closer, bool plus) noexcept {
    const bool minus = starts("-") && source_.substr(at_ + 1).starts_with(closer);
    if (minus || (plus && starts("+") && source_.substr(at_ + 1).starts_with(closer))) {
      at_ += 1 + closer.size();
      if (minus) skip_space();
    } else if (starts(closer)) {
      at_ += closer.size();
      if (plus && peek() == '\n') ++at_;
    } else {
      return false;
    }
    ends_at(at_);
    return true;
  }

  void skip_comment(std::size_t tag) {
    const std::size_t end = source_.find("#}", at_);
    if (end == none) return wrong_.set(tag, "a comment that does not end");
    at_ = end;
    if (end > tag + 2 && (source_[end - 1] == '-' || source_[end - 1] == '+') && end - 1 >= tag + 2) --at_;
    static_cast<void>(take_end("#}", true));
  }

  bool is_raw() {
    const std::size_t begin = at_;
    skip_space();
    const bool word = starts("raw");
    if (word) {
      at_ += 3;
      skip_space();
      if (starts("%}") || starts("-%}")) {
        const bool minus = peek() == '-';
        at_ += minus ? 3u : 2u;
        if (minus) skip_space();
        ends_at(at_);
        return true;
      }
    }
    at_ = begin;
    return false;
  }
  void read_raw(std::size_t tag) {
    for (std::size_t end = source_.find("{%", at_); end != none; end = source_.find("{%", end + 2)) {
      const std::size_t begin = at_;
      const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
      at_ = end + 2 + (sign == '-' || sign == '+');
      skip_space();
      if (starts("endraw")) {
        at_ += 6;
        skip_space();
        const std::size_t closer = at_;
        at_ = begin;
        const bool signed_end = closer < source_.size() && (source_[closer] == '-' || source_[closer] == '+');
        if (source_.substr(closer + signed_end, 2) == "%}") {
          add_text(end, sign, false);
          at_ = closer;
          if (take_end("%}", true)) return;
        }
      }
      at_ = begin;
    }
    wrong_.set(tag, "a raw block that does not end");
  }

  void read_tag(bool expression, std::size_t tag) {
    const std::string_view closer = expression ? "}}" : "%}";
    add(expression ? lexeme_kind::expression_begin : lexeme_kind::tag_begin, tag, 2);
    open_.clear();
    for (;;) {
      skip_space();
      if (at_ == source_.size()) return wrong_.set(tag, "a tag that does not end");
      const std::size_t before = at_;
      if (open_.empty() && take_end(closer, !expression))
        return add(expression ? lexeme_kind::expression_end : lexeme_kind::tag_end, before, 2);
      read_piece();
      if (wrong_.found()) return;
    }
  }
  void read_piece() {
    const char c = peek();
    if (c == '\'' || c == '"') return read_string(c);
    if (is_digit(c)) return read_number();
    if (const std::size_t size = word_size(true)) {
      const std::size_t begin = at_;
      at_ += size;
      while (const std::size_t more = word_size(false)) at_ += more;
      return add(lexeme_kind::name, begin, at_ - begin);
    }
    read_operator();
  }

  static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
  /// Bytes of a character that belongs to a name, or 0.
  std::size_t word_size(bool first) const noexcept {
    const char c = peek();
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') return 1;
    if (static_cast<unsigned char>(c) < 0x80) return !first && is_digit(c) ? 1 : 0;
    const code_point read = code_point_at(source_, at_);
    return read.is_letter() || (!first && (read.is(char_class::mark) || read.is_number())) ? read.size : 0;
  }

  void read_string(char quote) {
    const std::size_t begin = at_++;
    while (at_ < source_.size() && source_[at_] != quote) at_ += source_[at_] == '\\' ? 2 : 1;
    if (at_ >= source_.size()) return wrong_.set(begin, "a string that does not end");
    ++at_;
    add(lexeme_kind::string, begin, at_ - begin);
  }

  /// Digits of a base with single underscores between them, from `at`: where they end.
  std::size_t digits_end(std::size_t at, std::string_view digits) const noexcept {
    const auto is = [&](std::size_t i) { return i < source_.size() && digits.find(source_[i]) != none; };
    while (is(at) || (at < source_.size() && source_[at] == '_' && is(at + 1))) ++at;
    return at;
  }
  void read_number() {
    constexpr std::string_view decimal = "0123456789";
    const std::size_t begin = at_;
    const char base = peek() == '0' ? static_cast<char>(peek(1) | 0x20) : '\0';
    const std::string_view digits = base == 'x'   ? "0123456789abcdefABCDEF"
                                    : base == 'o' ? "01234567"
                                    : base == 'b' ? "01"
                                                  : decimal;
    if (digits != decimal && digits_end(begin + 2, digits) > begin + 2) {
      at_ = digits_end(begin + 2, digits);
      return add(lexeme_kind::integer, begin, at_ - begin);
    }
    std::size_t end = digits_end(begin, decimal);
    bool real = false;
    const bool part = begin > 0 && source_[begin - 1] == '.';  // of a.1.2
    if (!part && end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      end = digits_end(end + 1, decimal);
      real = true;
    }
    if (!part && end < source_.size() && (source_[end] | 0x20) == 'e') {
      const std::size_t sign = end + 1 + (end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-'));
      if (sign < source_.size() && is_digit(source_[sign])) {
        end = digits_end(sign, decimal);
        real = true;
      }
    }
    if (!real && source_[begin] == '0') {  // only zeros are an integer that begins with one
      end = digits_end(begin, "0");
    }
    at_ = end;
    add(real ? lexeme_kind::real : lexeme_kind::integer, begin, end - begin);
  }

  void read_operator() {
    constexpr std::string_view two[] = {"//", "**", "==", "!=", ">=", "<="};
    std::size_t size = 1;
    for (const std::string_view known : two)
      if (starts(known)) size = 2;
    const char c = peek();
    if (size == 1 && std::string_view("+-/*%~[](){}><=.:|,;").find(c) == none)
      return wrong_.set(
          at_, "a character that has no meaning here: " + detail::quoted(source_.substr(at_, decode_utf8(source_, at_).size)));
    if (c == '(' || c == '[' || c == '{') open_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open_.empty()) return wrong_.set(at_, std::string("a '") + c + "' that nothing opened");
      if (open_.back() != c) return wrong_.set(at_, std::string("expected '") + open_.back() + "', found '" + c + "'");
      open_.pop_back();
    }
    add(lexeme_kind::symbol, at_, size);
    at_ += size;
  }

  std::string_view source_;
  std::vector<lexeme>& out_;
  mistake& wrong_;
  std::size_t at_ = 0;
  bool line_starts_ = true;
  std::string open_;  // the brackets of a tag that are to come
};

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
