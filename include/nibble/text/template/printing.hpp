/// append_text, append_repr: values as Python writes them.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "nibble/config.hpp"
#include "nibble/text/code_point.hpp"
#include "nibble/text/template/run.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// A double with as few digits as tell it from all others.
/// @source  Python's repr(float): exponents below 1e-4 and from 1e16 on
inline std::string real_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char text[400];
  const double size = std::fabs(number);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  char* end =
      std::to_chars(text, text + sizeof text, number, plain ? std::chars_format::fixed : std::chars_format::scientific).ptr;
  std::string out(text, end);
  if (plain && out.find('.') == out.npos) out += ".0";
  return out;
}

/// Whether Python prints a character as it is.
inline bool is_printable(const code_point& c) noexcept {
  return c.ascii ? c.code >= 0x20 && c.code < 0x7F : c.kind != char_class::other && c.kind != char_class::whitespace;
}

/// A text in quotes, with escapes, that keeps its origins.
inline void append_quoted(run& r, const traced_text& text, traced_text& out) {
  static constexpr char hex[] = "0123456789abcdef";
  const std::string_view all = text.view();
  const char quote = all.find('\'') != all.npos && all.find('"') == all.npos ? '"' : '\'';
  out.append(std::string(1, quote), origin::program);
  text.each_piece([&](std::string_view run, origin from) {
    std::string written;
    for (std::size_t at = 0; at < run.size();) {
      const code_point c = code_point_at(run, at);
      constexpr std::string_view plain = "\n\r\t\\", letters = "nrt\\";
      if (c.ascii == quote) {
        (written += '\\') += quote;
      } else if (const std::size_t known = c.ascii ? plain.find(c.ascii) : plain.npos; known != plain.npos) {
        (written += '\\') += letters[known];
      } else if (is_printable(c)) {
        written += run.substr(at, c.size);
      } else {
        const int digits = c.code < 0x100 ? 2 : c.code < 0x10000 ? 4 : 8;
        (written += '\\') += digits == 2 ? 'x' : digits == 4 ? 'u' : 'U';
        for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) written += hex[c.code >> shift & 15];
      }
      at += c.size;
    }
    out.append(written, from);
    return r.may_be_long(out);
  });
  out.append(std::string(1, quote), origin::program);
}

inline void append_repr(run& r, const value& v, traced_text& out);

inline void append_all(run& r, const std::vector<value>& items, std::string_view begin, std::string_view end,
                       traced_text& out) {
  out.append(begin, origin::program);
  for (std::size_t i = 0; i < items.size() && !r.failed(); ++i) {
    if (i > 0) out.append(", ", origin::program);
    append_repr(r, items[i], out);
  }
  out.append(end, origin::program);
}

inline void append_list(run& r, const list_node& list, traced_text& out) {
  switch (list.form) {
    case list_form::list:
      return append_all(r, list.items, "[", "]", out);
    case list_form::tuple:
    case list_form::group:
      return append_all(r, list.items, "(", list.items.size() == 1 ? ",)" : ")", out);
    case list_form::range: {
      const std::size_t size = list.items.size();
      const std::int64_t first = size ? list.items[0].as_integer() : 0;
      const std::int64_t step = size > 1 ? list.items[1].as_integer() - first : 1;
      const std::int64_t end = size ? list.items[size - 1].as_integer() + step : 0;
      out.append(
          "range(" + std::to_string(first) + ", " + std::to_string(end) + (step != 1 ? ", " + std::to_string(step) : "") + ")",
          origin::program);
      return;
    }
    case list_form::items:
      return append_all(r, list.items, "dict_items([", "])", out);
    case list_form::keys:
      return append_all(r, list.items, "dict_keys([", "])", out);
    case list_form::values:
      return append_all(r, list.items, "dict_values([", "])", out);
    case list_form::iterator:
      return out.append("<generator object>", origin::program);
  }
}

inline void append_dict(run& r, const dict_node& dict, traced_text& out) {
  out.append("{", origin::program);
  for (std::size_t i = 0; i < dict.entries.size() && !r.failed(); ++i) {
    if (i > 0) out.append(", ", origin::program);
    append_repr(r, dict.entries[i].key, out);
    out.append(": ", origin::program);
    append_repr(r, dict.entries[i].held, out);
  }
  out.append("}", origin::program);
}

/// What {{ v }} prints.
/// @source  Python's str()
inline void append_text(run& r, const value& v, traced_text& out) {
  const run::level inside(r);
  if (!r.charge() || !r.may_be_long(out)) return;
  switch (v.type()) {
    case kind::undefined:
      return;
    case kind::none:
      return out.append("None", origin::program);
    case kind::boolean:
      return out.append(v.as_integer() ? "True" : "False", v.from());
    case kind::integer:
      return out.append(std::to_string(v.as_integer()), v.from());
    case kind::real:
      return out.append(real_text(v.as_real()), v.from());
    case kind::digits:
    case kind::text:
      r.charge(text_of(v)->text.size());
      return out.append(text_of(v)->text);
    case kind::list:
      return append_list(r, *list_of(v), out);
    case kind::dict:
      return append_dict(r, *dict_of(v), out);
    case kind::space:
      out.append("<Namespace ", origin::program);
      append_dict(r, *dict_of(v), out);
      return out.append(">", origin::program);
    case kind::loop:
      while (r.loops->pull(*loop_of(v))) continue;
      return out.append(
          "<LoopContext " + std::to_string(loop_of(v)->index + 1) + "/" + std::to_string(loop_of(v)->items.size()) + ">",
          origin::program);
    case kind::macro:
      return out.append("<Macro>", origin::program);
    default:
      return out.append("<function>", origin::program);
  }
}

/// @source  Python's repr()
inline void append_repr(run& r, const value& v, traced_text& out) {
  if (v.is_undefined()) return out.append("Undefined", origin::program);
  if (!v.is_text()) return append_text(r, v, out);
  r.charge(text_of(v)->text.size() * 16);
  if (text_of(v)->safe) out.append("Markup(", origin::program);
  append_quoted(r, text_of(v)->text, out);
  if (text_of(v)->safe) out.append(")", origin::program);
}

/// A value as a text: itself, if it is one.
inline value as_text(run& r, const value& v) {
  if (v.is_text()) return v;
  traced_text out;
  append_text(r, v, out);
  return r.text(std::move(out));
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
