/// pretty_printer: values as Python's pprint writes them, in lines of 80 characters where there is room, dicts by their keys.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/template/cutting.hpp"
#include "nibble/text/template/printing.hpp"
#include "nibble/text/template/sorting.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// @source  Python's pprint.pformat; keys that have no order stand by the names of their types
class pretty_printer {
 public:
  explicit pretty_printer(run& r) : run_(r) {}

  traced_text text_of_all(const value& v) {
    write(v, 0, 0, 0);
    return std::move(out_);
  }

 private:
  static constexpr std::size_t width = 80;

  static bool is_dict(const value& v) { return v.is(kind::dict) && !dict_of(v)->entries.empty(); }
  static bool is_sequence(const value& v) {
    return v.is(kind::list) && is_indexed(list_of(v)->form) && list_of(v)->form != list_form::range;
  }
  static bool is_tuple(const value& v) { return list_of(v)->form != list_form::list; }

  std::vector<keyed> sorted(const value& dict) {
    std::vector<keyed> all;
    for (const entry& e : dict_of(dict)->entries) all.push_back({e.key, e.held});
    sort_keyed(run_, all, false, [this](const value& a, const value& b) -> std::partial_ordering {
      const bool alike = (a.is_number() && b.is_number()) || a.type() == b.type();
      return alike && !a.is(kind::none) ? compare(run_, a, b) : type_name(a).compare(type_name(b)) <=> 0;
    });
    return all;
  }

  /// All in one line.
  void append_line(const value& v, traced_text& out) {
    const run::level inside(run_);
    if (!run_.charge() || !run_.may_be_long(out)) return;
    if (is_dict(v)) {
      std::string_view before = "{";
      for (const keyed& k : sorted(v)) {
        out.append(before, origin::program);
        append_line(k.key, out);
        out.append(": ", origin::program);
        append_line(k.item, out);
        before = ", ";
      }
      return out.append("}", origin::program);
    }
    if (!is_sequence(v)) return append_repr(run_, v, out);
    const std::vector<value>& items = list_of(v)->items;
    out.append(is_tuple(v) ? "(" : "[", origin::program);
    for (std::size_t i = 0; i < items.size() && !run_.failed(); ++i) {
      if (i > 0) out.append(", ", origin::program);
      append_line(items[i], out);
    }
    out.append(!is_tuple(v) ? "]" : items.size() == 1 ? ",)" : ")", origin::program);
  }
  traced_text line_of(const value& v) {
    traced_text out;
    append_line(v, out);
    return out;
  }
  std::size_t size_of(const traced_text& text) const { return character_count(text.view()); }

  void put(std::string_view text) { out_.append(text, origin::program); }
  void new_line(std::size_t indent) {
    put("\n");
    if (run_.charge(indent) && run_.may_be_long(out_, indent)) put(std::string(indent, ' '));
  }
  /// @param indent     characters in front of it in its line
  /// @param allowance  and behind it
  void write(const value& v, std::size_t indent, std::size_t allowance, std::size_t level) {
    const run::level inside(run_);
    const traced_text line = line_of(v);
    if (run_.failed() || !run_.may_be_long(out_, line.size())) return;
    if (size_of(line) + indent + allowance <= width) return out_.append(line);
    if (is_dict(v)) return write_dict(v, indent, allowance);
    if (is_sequence(v)) return write_items(v, indent, allowance);
    if (v.is_text() && !text_of(v)->text.empty() && !text_of(v)->safe) return write_text(v, indent, allowance, level == 0);
    out_.append(line);
  }
  void write_dict(const value& v, std::size_t indent, std::size_t allowance) {
    const std::vector<keyed> all = sorted(v);
    put("{");
    for (std::size_t i = 0; i < all.size() && !run_.failed(); ++i) {
      if (i > 0) put(","), new_line(indent + 1);
      const traced_text key = line_of(all[i].key);
      out_.append(key);
      put(": ");
      write(all[i].item, indent + 1 + size_of(key) + 2, i + 1 < all.size() ? 1 : allowance + 1, 1);
    }
    put("}");
  }
  void write_items(const value& v, std::size_t indent, std::size_t allowance) {
    const std::vector<value>& items = list_of(v)->items;
    const std::string_view end = !is_tuple(v) ? "]" : items.size() == 1 ? ",)" : ")";
    put(is_tuple(v) ? "(" : "[");
    for (std::size_t i = 0; i < items.size() && !run_.failed(); ++i) {
      if (i > 0) put(","), new_line(indent + 1);
      write(items[i], indent + 1, i + 1 < items.size() ? 1 : allowance + end.size(), 1);
    }
    put(end);
  }

  traced_text quoted(const traced_text& part) {
    traced_text out;
    append_quoted(run_, part, out);
    run_.charge(part.size() * 32);
    return out;
  }
  /// Several texts one below the other, cut behind ends of lines and spaces.
  void write_text(const value& v, std::size_t indent, std::size_t allowance, bool alone) {
    if (alone) ++indent, ++allowance;
    const std::vector<value> lines = splitter(run_, text_of(v)->text).lines(true);
    std::vector<traced_text> parts;
    const std::size_t room = width > indent ? width - indent : 0;
    for (std::size_t i = 0; i < lines.size() && !run_.failed(); ++i) {
      const traced_text& line = text_of(lines[i])->text;
      const std::size_t behind = i + 1 == lines.size() ? allowance : 0;
      if (traced_text whole = quoted(line); size_of(whole) + behind <= room)
        parts.push_back(std::move(whole));
      else
        add_words(line, room, behind, parts);
    }
    if (parts.size() == 1) return out_.append(quoted(text_of(lines.back())->text));
    if (alone) put("(");
    for (std::size_t i = 0; i < parts.size() && !run_.failed(); ++i) {
      if (i > 0) new_line(indent);
      if (run_.may_be_long(out_, parts[i].size())) out_.append(parts[i]);
    }
    if (alone) put(")");
  }
  void add_words(const traced_text& line, std::size_t room, std::size_t behind, std::vector<traced_text>& parts) {
    const std::string_view all = line.view();
    std::size_t begin = 0;
    run_.charge(all.size() * 32);
    for (std::size_t at = 0; at < all.size() && run_.charge(room);) {
      std::size_t end = at;
      while (end < all.size() && margin(all.substr(end), false) == 0) end += decode_utf8(all, end).size;
      while (const std::size_t blank = margin(all.substr(end), false)) end += blank;
      const std::size_t more = end == all.size() ? behind : 0;
      if (size_of(quoted(line.cut(begin, end))) + more > room && begin < at) {
        parts.push_back(quoted(line.cut(begin, at)));
        begin = at;
      }
      at = end;
    }
    if (begin < all.size()) parts.push_back(quoted(line.cut(begin, all.size())));
  }

  run& run_;
  traced_text out_;
};

inline value pprint_filter(run& r, const value& v, const arguments&) { return r.text(pretty_printer(r).text_of_all(v)); }

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
