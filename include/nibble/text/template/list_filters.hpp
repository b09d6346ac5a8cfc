/// The filters that take and make lists: map, select, sort, join, groupby, ...
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/rng.hpp"
#include "nibble/text/template/methods.hpp"
#include "nibble/text/template/reading_numbers.hpp"
#include "nibble/text/template/sorting.hpp"
#include "nibble/text/template/tests.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

value call_filter(run& r, std::string_view name, const value& v, const arguments& given);

/// What "a.b.0" names of a value; the value itself, where nothing is named.
inline value path_of(run& r, value v, const value* path, const value* fallback = nullptr) {
  if (!path || path->is(kind::none)) return v;
  if (!path->is_text()) return item_of(r, v, *path);
  for (std::string_view rest = view_of(*path);;) {
    const std::size_t end = (std::min)(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, end);
    std::int64_t number = 0;
    v = is_of(part, text_kind::decimals) && read_integer(part, 10, number) ? item_of(r, v, value::integer(number))
                                                                           : item_of(r, v, r.text(std::string(part)));
    if (v.is_undefined() && fallback && !fallback->is(kind::none)) v = *fallback;
    if (end == rest.size() || r.failed()) return v;
    rest.remove_prefix(end + 1);
  }
}
inline value without_case(run& r, const value& v, bool keep) {
  return keep || !v.is_text() ? v : case_method<casing::lower>(r, v, {});
}

inline value length_filter(run& r, const value& v, const arguments&) {
  return value::integer(static_cast<std::int64_t>(length_of(r, v)));
}
inline value list_filter(run& r, const value& v, const arguments&) { return r.list(items_of(r, v)); }
inline value first_filter(run& r, const value& v, const arguments&) {
  value first;
  if (is_list(v, list_form::iterator) && next_item(r, v, first)) return first;
  if (v.is_text() && !view_of(v).empty()) return r.text(text_of(v)->text.cut(0, decode_utf8(view_of(v), 0).size));
  const std::vector<value> items = items_of(r, v);
  return items.empty() ? value::undefined(lack::said, r.text("there is no first item")) : items.front();
}
inline value last_filter(run& r, const value& v, const arguments&) {
  if (is_list(v, list_form::iterator)) r.fail("a generator has no last item");
  if (v.is_text() && !view_of(v).empty())
    return r.text(text_of(v)->text.cut(view_of(v).size() - last_size(view_of(v)), view_of(v).size()));
  const std::vector<value> items = items_of(r, v);
  return items.empty() ? value::undefined(lack::said, r.text("there is no last item")) : items.back();
}
/// One of the items: which one is told by the time that the run knows, and by how many were asked for before.
inline value random_filter(run& r, const value& v, const arguments&) {
  if (!v.is_text() && !(v.is(kind::list) && is_indexed(list_of(v)->form)))
    r.fail(v.is_undefined() ? undefined_reason(v) : "random wants a text or a list, found a " + std::string(type_name(v)));
  if (r.failed()) return value::none();
  const std::size_t size = length_of(r, v);
  if (size == 0) return value::undefined(lack::said, r.text("there is no random item"));
  rng random(static_cast<std::uint64_t>(r.now) ^ ++r.draws << 32);
  return item_of(r, v, value::integer(static_cast<std::int64_t>(random() % size)));
}
inline value reverse_filter(run& r, const value& v, const arguments&) {
  if (v.is_text()) {
    const auto size = static_cast<std::int64_t>(length_of(r, v));
    return r.text(sliced(r, text_of(v)->text, {size - 1, size, -1}));
  }
  std::vector<value> items = items_of(r, v);
  std::reverse(items.begin(), items.end());
  const value all = r.list(std::move(items));
  return is_list(v, list_form::iterator) ? all : r.iterator({next_of_source, all});
}

inline value join_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "join", given, {"d", "attribute"});
  if (r.failed()) return value::none();
  const value separator = b[0] ? as_text(r, *b[0]) : r.text(std::string());
  traced_text out;
  bool first = true;
  for (const value& item : items_of(r, v)) {
    if (!r.charge(view_of(separator).size()) || !r.may_be_long(out, view_of(separator).size())) break;
    if (!first) out.append(text_of(separator)->text);
    append_text(r, path_of(r, item, b[1]), out);
    first = false;
  }
  return r.text(std::move(out));
}

/// The name of a filter or a test among what map, select and their like are given, and what is given to that.
inline arguments arguments_behind(const arguments& given, std::size_t name) {
  return {{given.plain.begin() + static_cast<std::ptrdiff_t>(name) + 1, given.plain.end()}, given.named};
}

inline bool next_mapped(run& r, stream& from, value& out) {
  const arguments& given = from.given;
  if (!from.begun && !is_true(from.source)) return false;
  if (given.plain.empty() && !given.find("attribute")) return r.fail("map needs the name of a filter, or an attribute"), false;
  value item;
  if (given.plain.empty()) {
    const bound b(r, "map", given, {"attribute", "default"});
    if (r.failed() || !next_of_source(r, from, item)) return false;
    out = path_of(r, item, b[0], b[1]);
    return true;
  }
  const std::string_view name = text_argument(r, given.plain[0]).view();
  if (r.failed() || !next_of_source(r, from, item)) return false;
  out = call_filter(r, name, item, arguments_behind(given, 0));
  return true;
}
inline value map_filter(run& r, const value& v, const arguments& given) { return r.iterator({next_mapped, v, given}); }

/// select, reject, selectattr, rejectattr.
template <bool Wanted, bool Attribute>
bool next_selected(run& r, stream& from, value& out) {
  const arguments& given = from.given;
  constexpr std::size_t skip = Attribute ? 1 : 0;
  if (!from.begun && !is_true(from.source)) return false;
  if (given.plain.size() < skip) return r.fail("the name of an attribute is missing"), false;
  const bool tests = given.plain.size() > skip;
  const std::string_view name = tests ? text_argument(r, given.plain[skip]).view() : std::string_view();
  const arguments rest = tests ? arguments_behind(given, skip) : arguments();
  for (value item; !r.failed() && next_of_source(r, from, item);) {
    const value looked_at = Attribute ? path_of(r, item, &given.plain[0]) : item;
    if ((tests ? call_test(r, name, looked_at, rest) : is_true(looked_at)) != Wanted) continue;
    out = std::move(item);
    return true;
  }
  return false;
}
template <bool Wanted, bool Attribute>
value select_filter(run& r, const value& v, const arguments& given) {
  return r.iterator({next_selected<Wanted, Attribute>, v, given});
}

inline value sort_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "sort", given, {"reverse", "case_sensitive", "attribute"});
  const bool keep_case = b[1] && is_true(*b[1]);
  std::vector<keyed> all;
  if (r.failed()) return value::none();
  const bool paths = b[2] && b[2]->is_text();
  const std::vector<value> each =
      paths ? splitter(r, text_of(*b[2])->text).at(",", -1) : std::vector<value>{b[2] ? *b[2] : value::none()};
  for (const value& item : items_of(r, v)) {
    if (!r.charge()) break;
    std::vector<value> keys;  // a list even where there is one: what is equal in it has no order
    for (const value& path : each) keys.push_back(without_case(r, path_of(r, item, &path), keep_case));
    all.push_back({r.list(std::move(keys)), item});
  }
  sort_keyed(r, all, b[0] && is_true(*b[0]));
  std::vector<value> out;
  for (const keyed& k : all) out.push_back(k.item);
  return r.list(std::move(out));
}
inline value dictsort_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "dictsort", given, {"case_sensitive", "by", "reverse"});
  const std::string_view by = b[1] ? text_argument(r, *b[1]).view() : "key";
  if (!v.is(kind::dict))
    r.fail(v.is_undefined() ? undefined_reason(v) : "dictsort wants a dict, found a " + std::string(type_name(v)));
  if (by != "key" && by != "value") r.fail("a dict is sorted by key or by value");
  if (r.failed()) return value::none();
  const bool keep_case = b[0] && is_true(*b[0]);
  std::vector<keyed> all;
  for (const entry& e : dict_of(v)->entries)
    all.push_back({without_case(r, by == "key" ? e.key : e.held, keep_case), r.list({e.key, e.held}, list_form::tuple)});
  sort_keyed(r, all, b[2] && is_true(*b[2]));
  std::vector<value> out;
  for (const keyed& k : all) out.push_back(k.item);
  return r.list(std::move(out));
}
inline value groupby_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "groupby", given, {"attribute", "default", "case_sensitive"}, 1);
  const bool keep_case = b[2] && is_true(*b[2]);
  std::vector<keyed> all;
  if (r.failed()) return value::none();
  for (const value& item : items_of(r, v)) {
    if (r.failed()) break;
    all.push_back({without_case(r, path_of(r, item, b[0], b[1]), keep_case), item});
  }
  sort_keyed(r, all, false);
  std::vector<value> out;
  for (std::size_t i = 0; i < all.size() && !r.failed();) {
    std::vector<value> group;
    const std::size_t first = i;
    for (; i < all.size() && is_equal(r, all[i].key, all[first].key); ++i) group.push_back(all[i].item);
    if (i == first) ++i;  // what is not equal to itself
    out.push_back(r.list({path_of(r, all[first].item, b[0], b[1]), r.list(std::move(group))}, list_form::group));
  }
  return r.list(std::move(out));
}

inline bool next_unique(run& r, stream& from, value& out) {
  const bound b(r, "unique", from.given, {"case_sensitive", "attribute"});
  if (!from.kept.is(kind::dict)) from.kept = value::refer(kind::dict, r.memory.make<dict_node>(kind::dict));
  for (value item; !r.failed() && next_of_source(r, from, item);) {
    const value key = without_case(r, path_of(r, item, b[1]), b[0] && is_true(*b[0]));
    if (find_entry(r, *dict_of(from.kept), key) || r.failed()) continue;
    set_entry(r, *dict_of(from.kept), key, value::none());
    out = std::move(item);
    return true;
  }
  return false;
}
inline value unique_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "unique", given, {"case_sensitive", "attribute"});
  return r.failed() ? value::none() : r.iterator({next_unique, v, given});
}
inline value extreme_filter(run& r, const value& v, const arguments& given, bool most) {
  const bound b(r, most ? "max" : "min", given, {"case_sensitive", "attribute"});
  value best, best_key;
  bool any = false;
  for (const value& item : items_of(r, v)) {
    if (r.failed()) break;
    value key = without_case(r, path_of(r, item, b[1]), b[0] && is_true(*b[0]));
    const auto order = any ? compare(r, key, best_key) : std::partial_ordering::equivalent;
    if (any && !(most ? order > 0 : order < 0)) continue;
    best = item, best_key = std::move(key), any = true;
  }
  return any ? best : value::undefined(lack::said, r.text("there is no item to choose"));
}
inline value sum_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "sum", given, {"attribute", "start"});
  value total = b[1] ? *b[1] : value::integer(0);
  for (const value& item : items_of(r, v)) {
    if (r.failed()) break;
    total = binary(r, operation::add, total, path_of(r, item, b[0]));
  }
  return total;
}

/// A row is given when the first item behind it is known.
inline bool next_batch(run& r, stream& from, value& out) {
  const bound b(r, "batch", from.given, {"linecount", "fill_with"}, 1);
  const std::int64_t size = integer_argument(r, b[0], 1);
  std::vector<value> row = std::exchange(from.pending, {});
  for (value item; !r.failed() && next_of_source(r, from, item);) {
    if (static_cast<std::int64_t>(row.size()) == size) {
      from.pending = {std::move(item)};
      out = r.list(std::move(row));
      return true;
    }
    row.push_back(std::move(item));
  }
  if (row.empty()) return false;
  while (b.given(1) && static_cast<std::int64_t>(row.size()) < size && r.charge()) row.push_back(*b[1]);
  out = r.list(std::move(row));
  return true;
}
inline value batch_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "batch", given, {"linecount", "fill_with"}, 1);
  return r.failed() ? value::none() : r.iterator({next_batch, v, given});
}

/// Items of a list that is made when the first of them is asked for.
template <value (*Make)(run& r, const value& v, const arguments& given)>
bool next_of_all(run& r, stream& from, value& out) {
  if (!from.begun) from.source = Make(r, from.source, from.given);
  return !r.failed() && next_of_source(r, from, out);
}
inline value slices_of(run& r, const value& v, const arguments& given) {
  const bound b(r, "slice", given, {"slices", "fill_with"}, 1);
  const std::int64_t count = integer_argument(r, b[0], 1);
  if (!r.failed() && count < 1) r.fail("slice wants one or more slices");
  if (r.failed()) return value::none();
  const std::vector<value> items = items_of(r, v);
  const auto slices = static_cast<std::size_t>(count);
  const std::size_t each = items.size() / slices, more = items.size() % slices;
  std::vector<value> out;
  std::size_t at = 0;
  for (std::size_t i = 0; i < slices && r.charge(); ++i) {
    const std::size_t end = at + each + (i < more ? 1 : 0);
    std::vector<value> part(items.begin() + static_cast<std::ptrdiff_t>(at), items.begin() + static_cast<std::ptrdiff_t>(end));
    if (b.given(1) && i >= more) part.push_back(*b[1]);
    out.push_back(r.list(std::move(part)));
    at = end;
  }
  return r.list(std::move(out));
}
inline value slice_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "slice", given, {"slices", "fill_with"}, 1);
  return r.failed() ? value::none() : r.iterator({next_of_all<slices_of>, v, given});
}

inline value items_of_dict(run& r, const value& v, const arguments& given) {
  if (v.is_undefined()) return r.list({});
  if (!v.is(kind::dict)) return r.fail("items wants a dict, found a " + std::string(type_name(v))), value::none();
  return items_method(r, v, given);
}
inline value items_filter(run& r, const value& v, const arguments& given) {
  return r.iterator({next_of_all<items_of_dict>, v, given});
}
inline value default_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "default", given, {"default_value", "boolean"});
  if (v.is_undefined() || (b[1] && is_true(*b[1]) && !is_true(v))) return b[0] ? *b[0] : r.text(std::string());
  return v;
}
inline value attr_filter(run& r, const value& v, const arguments& given) {
  const bound b(r, "attr", given, {"name"}, 1);
  value out;
  if (v.is_undefined()) r.fail(undefined_reason(v));
  if (!r.failed() && b[0]->is_text() && python_attribute(r, v, *b[0], out)) return out;
  return r.failed() ? value::none() : value::undefined(lack::attribute, as_text(r, *b[0]), v.type());
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
