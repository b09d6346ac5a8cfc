/// percent_format: '%s of %d' % (a, b), and how numbers and texts are put into a field.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/text/template/collections.hpp"
#include "nibble/text/template/printing.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// How something stands in its field.
struct field {
  std::string fill = " ";
  char align = '\0';  ///< < > ^ or = (behind the sign)
  char sign = '-';    ///< + or a space: for numbers that are not negative
  bool alternate = false, commas = false, underscores = false;
  std::size_t width = 0;
  std::int64_t precision = -1;
  char type = '\0';
  origin from = origin::program;  ///< who described it, and so writes what fills it
};
inline constexpr std::size_t widest_field = 10'000;

/// A number without its sign.
inline std::string digits_of(run& r, double size, const field& f) {
  char text[1'400];
  const int precision = static_cast<int>(f.precision < 0 ? 6 : (std::min<std::int64_t>)(f.precision, 400));
  const char type = static_cast<char>(f.type | 0x20);
  if (std::isnan(size)) return "nan";
  if (std::isinf(size)) return "inf";
  if (f.type == '\0' && f.precision < 0) return real_text(size);
  if (type == '%') size *= 100;
  const std::chars_format how = type == 'e'                  ? std::chars_format::scientific
                                : type == 'f' || type == '%' ? std::chars_format::fixed
                                                             : std::chars_format::general;
  const auto done =
      std::to_chars(text, text + sizeof text, size, how, how == std::chars_format::general && precision == 0 ? 1 : precision);
  if (done.ec != std::errc()) r.fail("a number too long");
  return std::string(text, done.ec == std::errc() ? done.ptr : text);
}

inline std::string grouped(std::string digits, char separator, std::size_t group) {
  std::size_t at = (std::min)(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  while (at > group) digits.insert(at -= group, 1, separator);
  return digits;
}

/// A number as a field of its type writes it.
inline std::string number_field(run& r, const value& v, const field& f, bool& negative) {
  const char type = static_cast<char>(f.type | 0x20);
  const bool whole = v.is_integer() && (f.type == '\0' || std::string_view("dixobncu").find(type) != std::string_view::npos);
  std::string out;
  if (whole) {
    const int radix = type == 'x' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
    const auto number = static_cast<std::uint64_t>(v.as_integer());
    negative = v.as_integer() < 0;
    char text[72];
    out.assign(text, std::to_chars(text, text + sizeof text, negative ? 0 - number : number, radix).ptr);
    if (f.commas || f.underscores) out = grouped(std::move(out), f.commas ? ',' : '_', radix == 10 ? 3 : 4);
    if (f.alternate && radix != 10) out.insert(0, radix == 16 ? "0x" : radix == 8 ? "0o" : "0b");
  } else {
    negative = std::signbit(v.as_real()) && !std::isnan(v.as_real());
    out = digits_of(r, std::fabs(v.as_real()), f);
    if (f.commas || f.underscores) out = grouped(std::move(out), f.commas ? ',' : '_', 3);
    if (type == '%' && f.type == '%') out += '%';
  }
  if (f.type >= 'A' && f.type <= 'Z')
    for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

/// Puts a text into its field.
inline void append_in_field(const traced_text& text, std::string_view sign, const field& f, char usual, traced_text& out) {
  const std::size_t size = character_count(text.view()) + sign.size();
  const std::size_t room = f.width > size ? f.width - size : 0;
  const char align = f.align ? f.align : usual;
  const std::size_t before = align == '<' ? 0 : align == '^' ? room / 2 : room;
  const auto pad = [&](std::size_t count) { out.append(traced_text(f.fill, f.from).repeated(count)); };
  if (align == '=') out.append(sign, f.from);
  pad(before);
  if (align != '=') out.append(sign, f.from);
  out.append(text);
  pad(room - before);
}

inline void append_number(run& r, const value& v, const field& f, traced_text& out) {
  bool negative = false;
  const std::string digits = number_field(r, v, f, negative);
  const std::string_view sign = negative ? "-" : f.sign == '+' ? "+" : f.sign == ' ' ? " " : "";
  append_in_field(traced_text(digits, joined_origin(v.from(), f.from)), sign, f, '>', out);
}
/// The first characters of a text, if its precision says so, in its field.
inline void append_words(const traced_text& text, const field& f, char usual, traced_text& out) {
  std::size_t end = text.size();
  if (f.precision >= 0) {
    std::int64_t left = f.precision;
    for (end = 0; end < text.size() && left > 0; --left) end += decode_utf8(text.view(), end).size;
  }
  append_in_field(text.cut(0, end), {}, f, usual, out);
}

/// '%(name)-5.2f' % values: reads and writes one conversion after another.
class percent_formatter {
 public:
  percent_formatter(run& r, const traced_text& format, const value& values) : run_(r), format_(format), values_(values) {}

  traced_text format() {
    const std::string_view text = format_.view();
    while (at_ < text.size() && run_.charge(256) && run_.may_be_long(out_)) {
      const std::size_t percent = (std::min)(text.find('%', at_), text.size());
      out_.append(format_, at_, percent);
      at_ = percent;
      if (at_ < text.size()) convert();
    }
    const bool tuple = is_list(values_, list_form::tuple);
    const std::size_t count = tuple ? list_of(values_)->items.size() : 1;
    const bool has_names = values_.is(kind::dict) || values_.is(kind::list) || values_.is_undefined();  // or could have
    if (used_ < count && !named_ && (tuple || !has_names)) run_.fail("not all values have a place in the format");
    return std::move(out_);
  }

 private:
  char peek() const noexcept { return at_ < format_.size() ? format_.view()[at_] : '\0'; }

  value next() {
    if (is_list(values_, list_form::tuple)) {
      if (used_ < list_of(values_)->items.size()) return list_of(values_)->items[used_++];
    } else if (used_++ == 0) {
      return values_;
    }
    run_.fail("too few values for the format");
    return value::none();
  }
  std::int64_t read_number() {
    if (peek() == '*') {
      ++at_;
      const value v = next();
      return v.is_integer() ? v.as_integer() : (run_.fail("'*' wants an integer"), 0);
    }
    std::int64_t number = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      if (number <= 1'000'000) number = number * 10 + (peek() - '0');
    return number;
  }
  bool take_flag(field& f) const {
    switch (peek()) {
      case '-':
        return f.align = '<', true;
      case '+':
        return f.sign = '+', true;
      case ' ':
        return f.sign = f.sign == '+' ? '+' : ' ', true;
      case '#':
        return f.alternate = true;
      case '0':
        return f.fill = "0", true;
      default:
        return false;
    }
  }
  void convert() {
    const std::size_t begin = at_++;
    value chosen;
    bool by_name = false;
    if (peek() == '(') {
      const std::size_t end = format_.view().find(')', at_);
      if (end == std::string_view::npos) return run_.fail("a format with '(' that does not end");
      if (!values_.is(kind::dict)) return run_.fail("a format with names wants a dict");
      const value name = run_.text(format_.cut(at_ + 1, end));
      const entry* found = find_entry(run_, *dict_of(values_), name);
      if (!found) return run_.fail("nothing is named " + detail::quoted(view_of(name)));
      chosen = found->held;
      by_name = named_ = true;
      at_ = end + 1;
    }
    field f;
    while (take_flag(f)) ++at_;
    std::int64_t width = read_number();
    if (width < 0) f.align = '<', width = -width;
    if (peek() == '.') ++at_, f.precision = read_number();
    if (width > static_cast<std::int64_t>(widest_field) || f.precision > static_cast<std::int64_t>(widest_field))
      return run_.fail_beyond("a field too wide", widest_field);
    f.width = static_cast<std::size_t>(width);
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++at_;
    f.type = peek();
    at_ += at_ < format_.size();
    f.from = format_.cut(begin, at_).whole_origin();
    if (f.type == '%') return out_.append("%", f.from);
    write(by_name ? chosen : next(), f);
  }
  void write(const value& v, field f) {
    if (run_.failed()) return;
    if (f.align == '<') f.fill = " ";
    const char type = static_cast<char>(f.type | 0x20);
    if (f.type == 's' || f.type == 'r' || f.type == 'a') {
      traced_text text;
      f.fill = " ";
      f.type == 's' ? append_text(run_, v, text) : append_repr(run_, v, text);
      return append_words(text, f, '>', out_);
    }
    if (f.type == 'c') return write_character(v, f);
    const bool whole = f.type == 'd' || f.type == 'i' || f.type == 'u' || type == 'x' || f.type == 'o';
    if (!whole && type != 'f' && type != 'e' && type != 'g') return run_.fail("a format with an unknown conversion");
    if (!v.is_number())
      return run_.fail(v.is_undefined()
                           ? undefined_reason(v)
                           : "%" + std::string(1, f.type) + " wants a number, found a " + std::string(type_name(v)));
    if (whole && !v.is_integer() && (type == 'x' || f.type == 'o')) return run_.fail("%x and %o want an integer");
    value number = v;
    if (whole && !v.is_integer()) {
      if (!(std::fabs(v.as_real()) < 9e18)) return run_.fail("an integer of more than 64 bits");
      number = value::integer(static_cast<std::int64_t>(v.as_real()), v.from());
    }
    if (f.fill == "0" && !f.align) f.align = '=';
    append_number(run_, number, f, out_);
  }

  void write_character(const value& v, field f) {
    traced_text text;
    const std::int64_t code = v.is_integer() ? v.as_integer() : -1;
    if (code >= 0 && code < 0x110000 && (code < 0xD800 || code > 0xDFFF)) {
      std::string character;
      append_utf8(static_cast<char32_t>(code), character);
      text = traced_text(character, joined_origin(v.from(), f.from));
    } else if (v.is_text() && character_count(view_of(v)) == 1) {
      text = text_of(v)->text;
    } else {
      return run_.fail("%c wants a character");
    }
    f.fill = " ";
    append_words(text, f, '>', out_);
  }

  run& run_;
  const traced_text& format_;
  const value& values_;
  traced_text out_;
  std::size_t at_ = 0, used_ = 0;
  bool named_ = false;
};

/// @source  Python's str % values
inline value percent_format(run& r, const value& format, const value& values) {
  traced_text out = percent_formatter(r, text_of(format)->text, values).format();
  return r.text(std::move(out), text_of(format)->safe);
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
