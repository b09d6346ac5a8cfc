/// The methods of texts, lists and dicts that a template may call, by owner and name.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/text/template/arithmetic.hpp"
#include "nibble/text/template/brace_format.hpp"
#include "nibble/text/template/cutting.hpp"
#include "nibble/text/template/letters.hpp"
#include "nibble/text/template/subscripts.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

using method_call = value (*)(run& r, const value& self, const arguments& given);

struct named_method {
  std::string_view name;
  method_call call;
};

/// The text of an argument; empty after a failure.
inline const traced_text& text_argument(run& r, const value& v) {
  if (v.is_text()) return text_of(v)->text;
  r.fail(v.is_undefined() ? undefined_reason(v) : "expected a text, found a " + std::string(type_name(v)));
  return r.no_text;
}
inline std::int64_t integer_argument(run& r, const value* v, std::int64_t usual) {
  if (!v) return usual;
  if (v->is_integer()) return v->as_integer();
  r.fail(v->is_undefined() ? undefined_reason(*v) : "expected an integer, found a " + std::string(type_name(*v)));
  return usual;
}

inline value strip_method(run& r, const value& self, const arguments& given, std::string_view name, bool left, bool right) {
  const bound b(r, name, given, {"chars"});
  if (r.failed()) return value::none();
  if (!b.given(0)) return r.text(stripped(r, text_of(self)->text, nullptr, left, right), text_of(self)->safe);
  const std::string_view chars = text_argument(r, *b[0]).view();
  return r.text(stripped(r, text_of(self)->text, &chars, left, right), text_of(self)->safe);
}

inline value split_method(run& r, const value& self, const arguments& given, bool last) {
  const bound b(r, last ? "rsplit" : "split", given, {"sep", "maxsplit"});
  const std::int64_t most = integer_argument(r, b[1], -1);
  if (r.failed()) return value::none();
  splitter pieces(r, text_of(self)->text, text_of(self)->safe);
  if (!b.given(0)) return r.list(last ? pieces.at_last_spaces(most) : pieces.at_spaces(most));
  const std::string_view separator = text_argument(r, *b[0]).view();
  if (separator.empty()) r.fail("a text cannot be split at an empty one");
  if (r.failed()) return value::none();
  return r.list(last ? pieces.at_last(separator, most) : pieces.at(separator, most));
}

inline value partition_method(run& r, const value& self, const arguments& given, bool last) {
  const bound b(r, last ? "rpartition" : "partition", given, {"sep"}, 1);
  if (r.failed()) return value::none();
  const traced_text& text = text_of(self)->text;
  const std::string_view separator = text_argument(r, *b[0]).view();
  if (separator.empty()) r.fail("a text cannot be split at an empty one");
  if (!r.charge(search_work(text.view(), separator))) return value::none();
  const text_search search(separator, last);
  const std::size_t at = last ? search.find_last(text.view()) : search.find(text.view());
  const value none = r.text(std::string());
  if (at == std::string_view::npos)
    return r.list(last ? std::vector<value>{none, none, self} : std::vector<value>{self, none, none}, list_form::tuple);
  const std::size_t end = at + separator.size();
  return r.list({r.text(text.cut(0, at)), r.text(text.cut(at, end)), r.text(text.cut(end, text.size()))}, list_form::tuple);
}

/// The part of a text that `start` and `end` of a method name, as bytes.
inline std::pair<std::size_t, std::size_t> searched(run& r, std::string_view text, const value* start, const value* end) {
  if (!start && !end) return {0, text.size()};
  if (!r.charge(text.size())) return {0, 0};
  const std::size_t size = character_count(text);
  std::int64_t from = 0, to = 0;
  if (start && !start->is(kind::none)) from = integer_argument(r, start, 0);
  const bool ends = end && !end->is(kind::none);
  if (ends) to = integer_argument(r, end, 0);
  if (from > static_cast<std::int64_t>(size)) return {text.size() + 1, text.size()};
  const stretch s = slice_of(r, size, &from, ends ? &to : nullptr, nullptr);
  const std::size_t begin = place_of(text, static_cast<std::size_t>(s.first));
  return {begin, begin + place_of(text.substr(begin), static_cast<std::size_t>(s.count))};
}

/// find, rfind, index, rindex: a place in characters, or -1.
inline value find_method_of(run& r, const value& self, const arguments& given, bool last, bool must) {
  const bound b(r, must ? "index" : "find", given, {"sub", "start", "end"}, 1);
  if (r.failed()) return value::none();
  const std::string_view text = view_of(self), part = text_argument(r, *b[0]).view();
  const auto [begin, end] = searched(r, text, b[1], b[2]);
  if (!r.charge(search_work(text, part))) return value::none();
  std::size_t at = std::string_view::npos;
  if (begin <= end) {
    const std::string_view within = text.substr(begin, end - begin);
    const text_search search(part, last);
    at = last ? search.find_last(within) : search.find(within);
  }
  if (at == std::string_view::npos && must) r.fail("the text does not contain " + detail::quoted(part));
  return value::integer(at == std::string_view::npos ? -1
                                                     : static_cast<std::int64_t>(character_count(text.substr(0, begin + at))));
}

inline value count_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "count", given, {"sub", "start", "end"}, 1);
  if (r.failed()) return value::none();
  const std::string_view text = view_of(self), part = text_argument(r, *b[0]).view();
  const auto [begin, end] = searched(r, text, b[1], b[2]);
  if (!r.charge(search_work(text, part)) || begin > end) return value::integer(0);
  const std::string_view within = text.substr(begin, end - begin);
  if (part.empty()) return value::integer(static_cast<std::int64_t>(character_count(within)) + 1);
  const text_search search(part);
  std::int64_t count = 0;
  for (std::size_t at = search.find(within); at != within.npos; at = search.find(within, at + part.size())) ++count;
  return value::integer(count);
}

/// startswith, endswith: of one text, or of any of a tuple.
inline value edge_method(run& r, const value& self, const arguments& given, bool end) {
  const bound b(r, end ? "endswith" : "startswith", given, {"prefix", "start", "end"}, 1);
  if (r.failed()) return value::none();
  const auto [from, to] = searched(r, view_of(self), b[1], b[2]);
  if (r.failed() || from > to) return value::boolean(false);
  const std::string_view within = view_of(self).substr(from, to - from);
  const auto fits = [&](const value& edge) {
    const std::string_view text = text_argument(r, edge).view();
    r.charge(text.size());
    return end ? within.ends_with(text) : within.starts_with(text);
  };
  if (!is_list(*b[0], list_form::tuple)) return value::boolean(fits(*b[0]));
  bool any = false;
  for (const value& edge : list_of(*b[0])->items) any = any || fits(edge);
  return value::boolean(any);
}

inline value join_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "join", given, {"iterable"}, 1);
  if (r.failed()) return value::none();
  if (b[0]->is_undefined()) return r.text(std::string());
  traced_text out;
  bool first = true;
  for (const value& item : items_of(r, *b[0])) {
    const traced_text& text = text_argument(r, item);
    if (!r.charge(text.size()) || !r.may_be_long(out, sum_of_sizes(view_of(self).size(), text.size()))) break;
    if (!first) out.append(text_of(self)->text);
    out.append(text);
    first = false;
  }
  return r.text(std::move(out), text_of(self)->safe);
}

inline value replace_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "replace", given, {"old", "new", "count"}, 2);
  const std::int64_t most = integer_argument(r, b[2], -1);
  if (r.failed()) return value::none();
  const std::string_view old = text_argument(r, *b[0]).view();
  const traced_text& by = text_argument(r, *b[1]);
  if (r.failed()) return value::none();
  return r.text(replaced(r, text_of(self)->text, old, by, most), text_of(self)->safe);
}

/// ljust, rjust, center, zfill.
inline value justify_method(run& r, const value& self, const arguments& given, std::string_view name, char align) {
  const bound b(r, name, given, {"width", "fillchar"}, 1);
  const std::int64_t width = integer_argument(r, b[0], 0);
  traced_text fill(" ", origin::program);
  if (b[1]) fill = text_argument(r, *b[1]);
  if (!r.failed() && character_count(fill.view()) != 1) r.fail("expected one character to fill with");
  if (width > 0 && !r.may_be_long(static_cast<std::uint64_t>(width))) return value::none();
  if (r.failed()) return value::none();
  const std::size_t size = length_of(r, self);
  const std::size_t all = width > 0 ? static_cast<std::size_t>(width) : 0, room = all > size ? all - size : 0;
  const std::size_t before = align == '<' ? 0 : align == '>' ? room : room / 2 + (room & all & 1);
  if (!r.charge(all)) return value::none();
  traced_text out = fill.repeated(before);
  out.append(text_of(self)->text);
  out.append(fill.repeated(room - before));
  return r.text(std::move(out), text_of(self)->safe);
}
inline value zfill_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "zfill", given, {"width"}, 1);
  const std::int64_t width = integer_argument(r, b[0], 0);
  if (r.failed() || (width > 0 && !r.may_be_long(static_cast<std::uint64_t>(width)))) return value::none();
  const traced_text& text = text_of(self)->text;
  const bool sign = text.view().starts_with('-') || text.view().starts_with('+');
  const auto size = static_cast<std::int64_t>(length_of(r, self));
  traced_text out = text.cut(0, sign);
  out.append(std::string(width > size ? static_cast<std::size_t>(width - size) : 0, '0'), origin::program);
  out.append(text, sign, text.size());
  return r.text(std::move(out));
}

inline value without_edge(run& r, const value& self, const arguments& given, bool end) {
  const bound b(r, end ? "removesuffix" : "removeprefix", given, {"edge"}, 1);
  if (r.failed()) return value::none();
  const traced_text& text = text_of(self)->text;
  const std::string_view edge = text_argument(r, *b[0]).view();
  if (!r.charge(edge.size())) return value::none();
  const bool has = end ? text.view().ends_with(edge) : text.view().starts_with(edge);
  const std::size_t size = has ? edge.size() : 0;
  return r.text(text.cut(end ? 0 : size, text.size() - (end ? size : 0)));
}

template <casing How>
value case_method(run& r, const value& self, const arguments&) {
  if (!r.charge(view_of(self).size() * 64)) return value::none();
  return r.text(in_case(text_of(self)->text, How), text_of(self)->safe);
}
template <text_kind Kind>
value kind_method(run& r, const value& self, const arguments&) {
  return value::boolean(r.charge(view_of(self).size() * 32) && is_of(view_of(self), Kind));
}
inline value ascii_method(run& r, const value& self, const arguments&) {
  const std::string_view text = view_of(self);
  r.charge(text.size());
  return value::boolean(std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}
inline value splitlines_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "splitlines", given, {"keepends"});
  if (r.failed()) return value::none();
  return r.list(splitter(r, text_of(self)->text, text_of(self)->safe).lines(b[0] && is_true(*b[0])));
}
inline value format_method(run& r, const value& self, const arguments& given) {
  traced_text out = brace_formatter(r, given).write(text_of(self)->text);
  return r.text(std::move(out), text_of(self)->safe);
}

inline value items_method(run& r, const value& self, const arguments&) {
  std::vector<value> out;
  for (const entry& e : dict_of(self)->entries) out.push_back(r.list({e.key, e.held}, list_form::tuple));
  return r.list(std::move(out), list_form::items);
}
inline value keys_method(run& r, const value& self, const arguments&) { return r.list(items_of(r, self), list_form::keys); }
inline value values_method(run& r, const value& self, const arguments&) {
  std::vector<value> out;
  r.charge(dict_of(self)->entries.size() * 16);
  for (const entry& e : dict_of(self)->entries) out.push_back(e.held);
  return r.list(std::move(out), list_form::values);
}
inline value get_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "get", given, {"key", "default"}, 1);
  if (r.failed()) return value::none();
  const entry* found = find_entry(r, *dict_of(self), *b[0]);
  return found ? found->held : b[1] ? *b[1] : value::none();
}
inline value copy_method(run&, const value& self, const arguments&) { return self; }  // nothing changes it

inline value list_count_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "count", given, {"value"}, 1);
  std::int64_t count = 0;
  if (r.failed()) return value::none();
  for (const value& item : list_of(self)->items)
    if (r.charge()) count += is_equal(r, item, *b[0]);
  return value::integer(count);
}
inline value list_index_method(run& r, const value& self, const arguments& given) {
  const bound b(r, "index", given, {"value"}, 1);
  if (r.failed()) return value::none();
  for (std::size_t i = 0; i < list_of(self)->items.size() && r.charge(); ++i)
    if (is_equal(r, list_of(self)->items[i], *b[0])) return value::integer(static_cast<std::int64_t>(i));
  r.fail("the value is not in the list");
  return value::none();
}

inline value cycle_method(run& r, const value& self, const arguments& given) {
  if (given.plain.empty()) return r.fail("cycle() needs an argument"), value::none();
  return given.plain[loop_of(self)->index % given.plain.size()];
}
inline value changed_method(run& r, const value& self, const arguments& given) {
  value now = r.list(given.plain, list_form::tuple);
  const bool changed = !is_equal(r, loop_of(self)->changed, now);
  loop_of(self)->changed = std::move(now);
  return value::boolean(changed);
}
inline value next_method(run&, const value& self, const arguments&) {
  cycle_node& cycle = *cycle_of(self);
  value out = cycle.items[cycle.position];
  cycle.position = (cycle.position + 1) % cycle.items.size();
  return out;
}
inline value reset_method(run&, const value& self, const arguments&) {
  cycle_of(self)->position = 0;
  return value::none();
}

// clang-format off
inline constexpr auto all_methods = std::to_array<named_method>({
    // of texts
    {"capitalize", case_method<casing::capital>}, {"casefold", case_method<casing::folded>},
    {"center", [](run& r, const value& s, const arguments& a) { return justify_method(r, s, a, "center", '^'); }},
    {"count", count_method},
    {"endswith", [](run& r, const value& s, const arguments& a) { return edge_method(r, s, a, true); }},
    {"find", [](run& r, const value& s, const arguments& a) { return find_method_of(r, s, a, false, false); }},
    {"format", format_method},
    {"index", [](run& r, const value& s, const arguments& a) { return find_method_of(r, s, a, false, true); }},
    {"isalnum", kind_method<text_kind::letters_and_digits>}, {"isalpha", kind_method<text_kind::letters>}, {"isascii", ascii_method},
    {"isdecimal", kind_method<text_kind::decimals>}, {"isdigit", kind_method<text_kind::digits>},
    {"isidentifier", kind_method<text_kind::name>}, {"islower", kind_method<text_kind::lower>},
    {"isnumeric", kind_method<text_kind::numbers>}, {"isspace", kind_method<text_kind::spaces>},
    {"istitle", kind_method<text_kind::title>}, {"isupper", kind_method<text_kind::upper>},
    {"join", join_method},
    {"ljust", [](run& r, const value& s, const arguments& a) { return justify_method(r, s, a, "ljust", '<'); }},
    {"lower", case_method<casing::lower>},
    {"lstrip", [](run& r, const value& s, const arguments& a) { return strip_method(r, s, a, "lstrip", true, false); }},
    {"partition", [](run& r, const value& s, const arguments& a) { return partition_method(r, s, a, false); }},
    {"removeprefix", [](run& r, const value& s, const arguments& a) { return without_edge(r, s, a, false); }},
    {"removesuffix", [](run& r, const value& s, const arguments& a) { return without_edge(r, s, a, true); }},
    {"replace", replace_method},
    {"rfind", [](run& r, const value& s, const arguments& a) { return find_method_of(r, s, a, true, false); }},
    {"rindex", [](run& r, const value& s, const arguments& a) { return find_method_of(r, s, a, true, true); }},
    {"rjust", [](run& r, const value& s, const arguments& a) { return justify_method(r, s, a, "rjust", '>'); }},
    {"rpartition", [](run& r, const value& s, const arguments& a) { return partition_method(r, s, a, true); }},
    {"rsplit", [](run& r, const value& s, const arguments& a) { return split_method(r, s, a, true); }},
    {"rstrip", [](run& r, const value& s, const arguments& a) { return strip_method(r, s, a, "rstrip", false, true); }},
    {"split", [](run& r, const value& s, const arguments& a) { return split_method(r, s, a, false); }},
    {"splitlines", splitlines_method},
    {"startswith", [](run& r, const value& s, const arguments& a) { return edge_method(r, s, a, false); }},
    {"strip", [](run& r, const value& s, const arguments& a) { return strip_method(r, s, a, "strip", true, true); }},
    {"swapcase", case_method<casing::swapped>}, {"title", case_method<casing::title>}, {"upper", case_method<casing::upper>},
    {"zfill", zfill_method},
    // of dicts
    {"copy", copy_method}, {"get", get_method}, {"items", items_method}, {"keys", keys_method}, {"values", values_method},
    // of lists and tuples
    {"copy", copy_method}, {"count", list_count_method}, {"index", list_index_method},
    // of loops
    {"changed", changed_method}, {"cycle", cycle_method},
    // of cyclers
    {"next", next_method}, {"reset", reset_method},
});
// clang-format on

inline std::uint32_t find_method(const value& owner, std::string_view name) noexcept {
  struct owned {
    kind owner;
    std::size_t begin, end;
  };
  if (owner.is(kind::list) &&
      (!is_indexed(list_of(owner)->form) || (name == "copy" && list_of(owner)->form != list_form::list)))
    return 0;
  constexpr std::size_t texts = all_methods.size() - 12;
  constexpr owned owners[] = {{kind::text, 0, texts},
                              {kind::dict, texts, texts + 5},
                              {kind::list, texts + 5, texts + 8},
                              {kind::loop, texts + 8, texts + 10},
                              {kind::cycler, texts + 10, texts + 12}};
  for (const owned& s : owners)
    for (std::size_t i = s.begin; s.owner == owner.type() && i < s.end; ++i)
      if (all_methods[i].name == name) return static_cast<std::uint32_t>(i + 1);
  return 0;
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
