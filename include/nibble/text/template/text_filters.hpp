/// The filters that make texts and numbers: upper, trim, replace, indent, tojson, int, round, ...
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/template/json_format.hpp"
#include "nibble/text/template/methods.hpp"
#include "nibble/text/template/reading_numbers.hpp"
#include "nibble/text/template/wrapping.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

inline value string_filter(run& r, const value& v, const arguments&) { return as_text(r, v); }
template <casing How>
value case_filter(run& r, const value& v, const arguments& given) {
  return case_method<How>(r, as_text(r, v), given);
}

/// @source  do_title: a word begins behind spaces and - ( { [ <
inline value title_filter(run& r, const value& v, const arguments&) {
  const value whole = as_text(r, v);
  const traced_text& text = text_of(whole)->text;
  const std::string_view all = text.view();
  traced_text out;
  if (!r.charge(all.size() * 64)) return value::none();
  const auto breaks = [&](std::size_t at) -> std::size_t {
    if (std::string_view("-({[<").find(all[at]) != std::string_view::npos) return 1;
    return margin(all.substr(at), false);
  };
  for (std::size_t at = 0; at < all.size();) {
    std::size_t end = at;
    while (end < all.size() && breaks(end) == 0) end += decode_utf8(all, end).size;
    out.append(in_case(text.cut(at, end), casing::capital));
    at = end;
    while (end < all.size() && breaks(end) > 0) end += breaks(end);
    out.append(text, at, end);
    at = end;
  }
  return r.text(std::move(out));
}

inline value trim_filter(run& r, const value& v, const arguments& given) {
  return strip_method(r, as_text(r, v), given, "trim", true, true);
}

inline value replace_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "replace", given, {"old", "new", "count"}, 2);
  const std::int64_t most = integer_argument(r, b.given(2), -1);
  if (r.failed()) return value::none();
  const value old = as_text(r, *b[0]), by = as_text(r, *b[1]), whole = as_text(r, v);
  return r.text(replaced(r, text_of(whole)->text, view_of(old), text_of(by)->text, most));
}

inline value center_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "center", given, {"width"});
  const value width = b[0] ? *b[0] : value::integer(80);
  return justify_method(r, as_text(r, v), {{width}, {}}, "center", '^');
}

inline value indent_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "indent", given, {"width", "first", "blank"});
  if (!v.is_text())
    r.fail(v.is_undefined() ? undefined_reason(v) : "indent wants a text, found a " + std::string(type_name(v)));
  traced_text by(std::string(4, ' '), origin::program);
  if (b[0] && b[0]->is_text()) {
    by = text_of(*b[0])->text;
  } else if (b[0]) {
    const std::int64_t width = integer_argument(r, b[0], 4);
    if (width > static_cast<std::int64_t>(widest_field)) r.fail_beyond("an indent too wide", widest_field);
    if (!r.failed()) by = traced_text(std::string(width > 0 ? static_cast<std::size_t>(width) : 0, ' '), origin::program);
  }
  if (r.failed()) return value::none();
  traced_text whole = text_of(v)->text;
  whole.append("\n", origin::program);
  const std::vector<value> lines = splitter(r, whole).lines(false);
  const bool first = b[1] && is_true(*b[1]), blank = b[2] && is_true(*b[2]);
  traced_text out;
  for (std::size_t i = 0; i < lines.size() && r.charge(by.size()) && r.may_be_long(out, by.size()); ++i) {
    if (i > 0) out.append("\n", origin::program);
    if (i == 0 ? first : blank || !view_of(lines[i]).empty()) out.append(by);
    out.append(text_of(lines[i])->text);
  }
  return r.text(std::move(out), text_of(v)->safe);
}

inline value truncate_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "truncate", given, {"length", "killwords", "end", "leeway"});
  const std::int64_t length = integer_argument(r, b[0], 255), leeway = integer_argument(r, b.given(3), 5);
  const traced_text dots("...", origin::program);
  const traced_text& end = b[2] ? text_argument(r, *b[2]) : dots;
  const auto tail = static_cast<std::int64_t>(character_count(end.view()));
  if (length < tail || leeway < 0) r.fail("truncate wants a length of at least " + std::to_string(tail));
  if (r.failed()) return value::none();
  if (static_cast<std::int64_t>(length_of(r, v)) <= length + leeway) return v;
  if (!v.is_text()) return r.fail("truncate wants a text, found a " + std::string(type_name(v))), value::none();
  traced_text out = sliced(r, text_of(v)->text, {0, length - tail, 1});
  const std::size_t space = out.view().rfind(' ');
  if (!(b[1] && is_true(*b[1])) && space != std::string_view::npos) out = out.cut(0, space);
  out.append(end);
  return r.text(std::move(out));
}

inline value wordwrap_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "wordwrap", given, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  const std::int64_t width = integer_argument(r, b[0], 79);
  if (!v.is_text())
    r.fail(v.is_undefined() ? undefined_reason(v) : "wordwrap wants a text, found a " + std::string(type_name(v)));
  if (width < 1) r.fail("wordwrap wants a width of at least 1");
  if (r.failed()) return value::none();
  const traced_text line_end("\n", origin::program);
  const traced_text& between = b.given(2) ? text_argument(r, *b[2]) : line_end;
  const wrapping how{static_cast<std::size_t>(width), !b[1] || is_true(*b[1]), !b[3] || is_true(*b[3])};
  traced_text out;
  bool first = true;
  for (const value& paragraph : splitter(r, text_of(v)->text).lines(false)) {
    std::vector<traced_text> lines = word_wrapper(r, text_of(paragraph)->text, how).lines();
    if (lines.empty()) lines.emplace_back();
    for (const traced_text& line : lines) {
      if (!r.charge(between.size()) || !r.may_be_long(out, between.size())) return value::none();
      if (!std::exchange(first, false)) out.append(between);
      out.append(line);
    }
  }
  return r.text(std::move(out));
}

inline value wordcount_filter(run& r, const value& v, const arguments&) {
  const value whole = as_text(r, v);
  const std::string_view all = view_of(whole);
  std::int64_t count = 0;
  bool inside = false;
  if (!r.charge(all.size() * 16)) return value::none();
  for (std::size_t at = 0; at < all.size();) {
    const code_point c = code_point_at(all, at);
    const bool word = c.is_letter() || c.is_number() || c.ascii == '_';
    count += word && !inside;
    inside = word;
    at += c.size;
  }
  return value::integer(count);
}

inline value format_filter(run& r, const value& v, const arguments& given) {
  const value format = as_text(r, v);
  if (given.named.empty()) return percent_format(r, format, r.list(given.plain, list_form::tuple));
  if (!given.plain.empty()) r.fail("format takes values with names or without, not both");
  auto* names = r.memory.make<dict_node>(kind::dict);
  const value dict = value::refer(kind::dict, names);
  for (const auto& [name, held] : given.named) set_entry(r, *names, name, held);
  return percent_format(r, format, dict);
}

inline bool is_ascii_word(char c) noexcept { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

inline value urlencode_filter(run& r, const value& v, const arguments&) {
  constexpr std::string_view plain = "_.-~/", hex = "0123456789ABCDEF";
  traced_text out;
  const auto quote = [&](const value& part, bool query) {
    const value text = as_text(r, part);
    r.charge(view_of(text).size() * 16);
    text_of(text)->text.each_piece([&](std::string_view piece, origin from) {
      std::string written;
      for (const char c : piece) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80 && (is_ascii_word(c) || (plain.find(c) != plain.npos && !(query && c == '/'))))
          written += c;
        else if (query && c == ' ')
          written += '+';
        else
          (written += '%') += {hex[byte >> 4], hex[byte & 15]};
      }
      out.append(written, from);
      return r.may_be_long(out);
    });
  };
  if (v.is_text() || !is_iterable(v)) {
    quote(v, false);
    return r.text(std::move(out));
  }
  for (const value& pair : items_of(r, v.is(kind::dict) ? items_method(r, v, {}) : v)) {
    const std::vector<value> parts = items_of(r, pair);
    if (parts.size() != 2) r.fail("urlencode wants pairs");
    if (r.failed()) break;
    if (!out.empty()) out.append("&", origin::program);
    quote(parts[0], true);
    out.append("=", origin::program);
    quote(parts[1], true);
  }
  return r.text(std::move(out));
}

/// @source  tojson of chat templates: json.dumps, without escapes of what is no ASCII
inline value tojson_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "tojson", given, {"ensure_ascii", "indent", "separators", "sort_keys"});
  if (r.failed()) return value::none();
  json_style style;
  style.ascii = b[0] && is_true(*b[0]);
  style.sorts = b[3] && is_true(*b[3]);
  if (b.given(1)) {
    style.indents = true;
    style.items = traced_text(",", origin::program);
    const std::int64_t width = b[1]->is_text() ? 0 : integer_argument(r, b[1], 0);
    if (width > static_cast<std::int64_t>(widest_field)) r.fail_beyond("an indent too wide", widest_field);
    if (r.failed()) return value::none();
    style.indent = b[1]->is_text()
                       ? text_of(*b[1])->text
                       : traced_text(std::string(width > 0 ? static_cast<std::size_t>(width) : 0, ' '), origin::program);
  }
  if (b.given(2)) {
    const bool pair = b[2]->is(kind::list) && list_of(*b[2])->items.size() == 2;
    if (!pair) return r.fail("separators are two texts"), value::none();
    style.items = text_argument(r, list_of(*b[2])->items[0]);
    style.keys = text_argument(r, list_of(*b[2])->items[1]);
  }
  traced_text out;
  json_writer(r, style, out).write(v);
  return r.text(std::move(out));
}

inline value int_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "int", given, {"default", "base"});
  const std::int64_t base = integer_argument(r, b[1], 10);
  if (base != 0 && (base < 2 || base > 36)) r.fail("a base is 0 or 2 to 36");
  if (v.is_undefined()) r.fail(undefined_reason(v));
  if (!r.charge(view_of(v).size() * 32)) return value::none();
  if (v.is_integer()) return value::integer(v.as_integer(), v.from());
  if (v.is(kind::digits)) return v;
  std::int64_t whole = 0;
  double number = v.as_real();
  if (v.is_text() && read_integer(view_of(v), static_cast<int>(base), whole))
    return value::integer(whole, text_of(v)->text.whole_origin());
  const bool real = v.is(kind::real) || (v.is_text() && read_real(view_of(v), number));
  if (real && std::fabs(number) < 9.2e18) return value::integer(static_cast<std::int64_t>(number), v.from());
  if (real && std::isfinite(number)) r.fail("an integer of more than 64 bits");
  return b[0] ? *b[0] : value::integer(0);
}
inline value float_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "float", given, {"default"});
  double number = 0;
  if (v.is_undefined()) r.fail(undefined_reason(v));
  if (!r.charge(view_of(v).size() * 32)) return value::none();
  if (v.is_number()) return value::real(v.as_real(), v.from());
  if (v.is(kind::digits)) return value::real(real_of(text_of(v)->text.view()), v.from());
  if (v.is_text() && read_real(view_of(v), number)) return value::real(number, text_of(v)->text.whole_origin());
  return b[0] ? *b[0] : value::real(0);
}

inline value abs_filter(run& r, const value& v, const arguments&) {
  if (v.is_integer() && v.as_integer() >= 0) return value::integer(v.as_integer(), v.from());
  return v.is(kind::real) ? value::real(std::fabs(v.as_real()), v.from()) : negated(r, v, true);
}

/// A double to so many decimal digits, halves to even.
inline double rounded(double number, std::int64_t precision) {
  if (!std::isfinite(number) || precision > 300) return number;
  char text[700];
  if (precision < 0) {
    const double power = std::pow(10.0, static_cast<double>(-precision));
    return std::isinf(power) ? 0.0 * number : std::nearbyint(number / power) * power;
  }
  const auto done = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, static_cast<int>(precision));
  return real_of(std::string_view(text, static_cast<std::size_t>(done.ptr - text)));
}
inline value round_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "round", given, {"precision", "method"});
  const std::int64_t precision = integer_argument(r, b[0], 0);
  const std::string_view method = b[1] ? text_argument(r, *b[1]).view() : "common";
  if (method != "common" && method != "ceil" && method != "floor") r.fail("a method of rounding is common, ceil or floor");
  if (!v.is_number())
    r.fail(v.is_undefined() ? undefined_reason(v) : "round wants a number, found a " + std::string(type_name(v)));
  if (!r.charge(2048)) return value::none();  // up to 600 digits are written and read
  if (method == "common") {
    if (v.is(kind::real)) return value::real(rounded(v.as_real(), precision), v.from());
    return value::integer(precision >= 0 ? v.as_integer() : static_cast<std::int64_t>(rounded(v.as_real(), precision)),
                          v.from());
  }
  const double power = std::pow(10.0, static_cast<double>(precision)), scaled = v.as_real() * power;
  return value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / power, v.from());
}

inline value filesizeformat_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "filesizeformat", given, {"binary"});
  const bool binary = b[0] && is_true(*b[0]);
  const value read = float_filter(r, v, {});
  const double bytes = read.as_real(), base = binary ? 1024 : 1000;
  if (r.failed()) return value::none();
  if (bytes == 1) return r.text(std::string("1 Byte"), read.from());
  if (bytes < base) return r.text(std::to_string(static_cast<std::int64_t>(bytes)) + " Bytes", read.from());
  double unit = base;
  std::size_t i = 0;
  while (i + 1 < 8 && bytes >= unit * base) unit *= base, ++i;
  field f;
  f.precision = 1, f.type = 'f';
  return r.text(digits_of(r, bytes / unit, f) + " " + (binary ? "KMGTPEZY" : "kMGTPEZY")[i] + (binary ? "iB" : "B"),
                read.from());
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
