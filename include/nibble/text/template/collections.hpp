/// Truth, equality and order of values; dicts by their keys; what can be counted, and gone through.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/config.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/template/run.hpp"
#include "nibble/text/template/text_search.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// @source  Python's bool()
inline bool is_true(const value& v) noexcept {
  switch (v.type()) {
    case kind::undefined:
    case kind::none:
      return false;
    case kind::boolean:
    case kind::integer:
      return v.as_integer() != 0;
    case kind::real:
      return v.as_real() != 0;
    case kind::text:
      return !text_of(v)->text.empty();
    case kind::list:
      return list_of(v)->form == list_form::iterator || !list_of(v)->items.empty();
    case kind::dict:
      return !dict_of(v)->entries.empty();
    default:
      return true;
  }
}

inline bool is_equal(run& r, const value& a, const value& b);

/// Whether an integer that no 64 bits hold is what a double says.
inline bool is_equal(std::string_view digits, double number) noexcept {
  if (!std::isfinite(number) || std::floor(number) != number) return false;
  char text[400];
  const auto done = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed, 0);
  return digits == std::string_view(text, static_cast<std::size_t>(done.ptr - text));
}

inline bool are_equal(run& r, const std::vector<value>& a, const std::vector<value>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!is_equal(r, a[i], b[i])) return false;
  return true;
}

/// A number that tells values apart which may be keys; the same for equal ones.
inline std::size_t hash_of(run& r, const value& v) {
  switch (v.type()) {
    case kind::boolean:
    case kind::integer:
      return std::hash<double>()(static_cast<double>(v.as_integer()));
    case kind::real:
      return std::hash<double>()(v.as_real());
    case kind::digits:
      r.charge(text_of(v)->text.size());
      return std::hash<double>()(real_of(text_of(v)->text.view()));
    case kind::text:
      r.charge(text_of(v)->text.size());
      return std::hash<std::string_view>()(text_of(v)->text.view());
    case kind::list: {
      if (list_of(v)->form != list_form::tuple) break;
      std::size_t hash = 17;
      const run::level inside(r);
      r.charge(list_of(v)->items.size() * 16);
      for (const value& item : list_of(v)->items)
        if (!r.failed()) hash = hash * 31 + hash_of(r, item);
      return hash;
    }
    case kind::dict:
      break;
    default:
      return static_cast<std::size_t>(v.type());
  }
  r.fail("a " + std::string(type_name(v)) + " cannot be a key");
  return 0;
}

/// The entry of a key, or null.
/// @cost  O(1), and O(entries) for few of them
inline entry* find_entry(run& r, dict_node& dict, const value& key) {
  if (key.is_text() && dict.slots.empty()) {
    const std::string_view name = view_of(key);
    for (entry& e : dict.entries) {
      if (!e.key.is_text() || view_of(e.key).size() != name.size()) continue;
      r.charge(name.size());
      if (view_of(e.key) == name) return &e;
    }
    return nullptr;
  }
  const std::size_t hash = hash_of(r, key);
  if (r.failed()) return nullptr;
  if (dict.slots.empty()) {
    for (entry& e : dict.entries)
      if (is_equal(r, e.key, key)) return &e;
    return nullptr;
  }
  for (std::size_t at = hash; r.charge(); ++at) {
    const std::uint32_t slot = dict.slots[at & (dict.slots.size() - 1)];
    if (slot == 0) return nullptr;
    if (is_equal(r, dict.entries[slot - 1].key, key)) return &dict.entries[slot - 1];
  }
  return nullptr;
}

inline void set_entry(run& r, dict_node& dict, const value& key, value held) {
  if (!r.charge()) return;
  if (entry* known = find_entry(r, dict, key)) {
    known->held = std::move(held);
    return;
  }
  if (r.failed()) return;
  dict.entries.push_back({key, std::move(held)});
  const std::size_t size = dict.entries.size();
  const auto place = [&](std::size_t i) {
    std::size_t at = hash_of(r, dict.entries[i].key);
    while (dict.slots[at & (dict.slots.size() - 1)] != 0) ++at;
    dict.slots[at & (dict.slots.size() - 1)] = static_cast<std::uint32_t>(i + 1);
  };
  if (size > 8 && size * 2 > dict.slots.size()) {
    std::size_t room = 32;
    while (room < product_of_sizes(size, 4)) room = product_of_sizes(room, 2);
    dict.slots.assign(room, 0);
    for (std::size_t i = 0; i < size; ++i) place(i);
  } else if (size > 8) {
    place(size - 1);
  }
  r.memory.recount(&dict);
}

inline bool are_equal(run& r, dict_node& a, dict_node& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const entry& e : a.entries) {
    const entry* other = r.charge() ? find_entry(r, b, e.key) : nullptr;
    if (!other || !is_equal(r, e.held, other->held)) return false;
  }
  return true;
}

/// @source  Python's ==
inline bool is_equal(run& r, const value& a, const value& b) {
  if (a.is_integer() && b.is_integer()) return a.as_integer() == b.as_integer();
  if (a.is_number() && b.is_number()) return a.as_real() == b.as_real();
  if (a.is(kind::digits) && b.is(kind::real)) return is_equal(text_of(a)->text.view(), b.as_real());
  if (b.is(kind::digits) && a.is(kind::real)) return is_equal(text_of(b)->text.view(), a.as_real());
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case kind::undefined:
    case kind::none:
      return true;
    case kind::function:
      return a.as_integer() == b.as_integer();
    case kind::digits:
    case kind::text: {
      const std::string_view left = text_of(a)->text.view(), right = text_of(b)->text.view();
      if (left.size() != right.size()) return false;
      r.charge(left.size());
      return left == right;
    }
    case kind::list: {
      const auto tuple = [](const value& v) {
        return list_of(v)->form == list_form::group ? list_form::tuple : list_of(v)->form;
      };
      if (a.referred() == b.referred()) return true;
      if (tuple(a) != tuple(b) || tuple(a) == list_form::iterator) return false;
      const run::level inside(r);
      return r.charge(list_of(a)->items.size() * 16) && are_equal(r, list_of(a)->items, list_of(b)->items);
    }
    case kind::dict: {
      const run::level inside(r);
      return !r.failed() && (a.referred() == b.referred() || are_equal(r, *dict_of(a), *dict_of(b)));
    }
    default:
      return a.referred() == b.referred();
  }
}

/// How two values stand to each other; unordered for numbers that are none, and after a failure.
/// @source  Python's <; texts by code points, which UTF-8 keeps
inline std::partial_ordering compare(run& r, const value& a, const value& b) {
  if (!r.charge()) return std::partial_ordering::unordered;
  if (a.is_integer() && b.is_integer()) return a.as_integer() <=> b.as_integer();
  if (a.is_number() && b.is_number()) return a.as_real() <=> b.as_real();
  if (a.is_text() && b.is_text()) {
    r.charge((std::min)(view_of(a).size(), view_of(b).size()));
    const int order = view_of(a).compare(view_of(b));
    return order < 0   ? std::partial_ordering::less
           : order > 0 ? std::partial_ordering::greater
                       : std::partial_ordering::equivalent;
  }
  if (a.is(kind::list) && type_name(a) == type_name(b) && list_of(a)->form != list_form::iterator) {
    const run::level inside(r);
    const auto &left = list_of(a)->items, &right = list_of(b)->items;
    r.charge((std::min)(left.size(), right.size()) * 16);
    for (std::size_t i = 0; i < left.size() && i < right.size() && !r.failed(); ++i)
      if (!is_equal(r, left[i], right[i])) return compare(r, left[i], right[i]);
    return left.size() <=> right.size();
  }
  for (const value* v : {&a, &b})
    if (v->is_undefined()) r.fail(undefined_reason(*v));
  r.fail("a " + std::string(type_name(a)) + " and a " + std::string(type_name(b)) + " have no order");
  return std::partial_ordering::unordered;
}

/// Characters of a text.
inline std::size_t character_count(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

/// @source  Python's len()
inline std::size_t length_of(run& r, const value& v) {
  switch (v.type()) {
    case kind::undefined:
      return 0;
    case kind::text:
      r.charge(view_of(v).size() * 4);
      return character_count(view_of(v));
    case kind::dict:
      return dict_of(v)->entries.size();
    case kind::loop:
      while (r.loops->pull(*loop_of(v))) continue;
      return loop_of(v)->items.size();
    case kind::list:
      if (list_of(v)->form != list_form::iterator) return list_of(v)->items.size();
      break;
    default:
      break;
  }
  r.fail("a " + std::string(type_name(v)) + " has no length");
  return 0;
}

inline bool is_iterable(const value& v) noexcept {
  return v.is_undefined() || v.is_text() || v.is(kind::list) || v.is(kind::dict) || v.is(kind::loop);
}

/// The characters of a text, each a text.
inline std::vector<value> characters_of(run& r, const traced_text& text) {
  std::vector<value> out;
  for (std::size_t at = 0; at < text.size() && !r.failed();) {
    const std::size_t size = decode_utf8(text.view(), at).size;
    out.push_back(r.text(text.cut(at, at + size)));
    at += size;
  }
  return out;
}

/// The next item of an iterator; false if there is none, or after a failure.
inline bool next_item(run& r, const value& iterator, value& out) {
  const run::level inside(r);
  stream& rest = *list_of(iterator)->rest;
  return r.charge() && rest.next(r, rest, out) && !r.failed();
}

/// What a loop over a value gives: items, keys or characters. An iterator is empty afterwards.
inline std::vector<value> items_of(run& r, const value& v) {
  std::vector<value> out;
  switch (v.type()) {
    case kind::undefined:
      return out;
    case kind::text:
      return characters_of(r, text_of(v)->text);
    case kind::dict:
      r.charge(dict_of(v)->entries.size() * 16);
      for (const entry& e : dict_of(v)->entries) out.push_back(e.key);
      return out;
    case kind::list: {
      const list_node& list = *list_of(v);
      r.charge(list.items.size() * 16);
      if (list.form != list_form::iterator) return list.items;
      for (value item; next_item(r, v, item);) {
        out.push_back(std::move(item));
        if (!r.may_take(out.capacity() * sizeof(value))) break;
      }
      return out;
    }
    default:
      r.fail("a " + std::string(type_name(v)) + " cannot be gone through");
      return out;
  }
}

/// The next item of a stream's source, which may be an iterator.
inline bool next_of_source(run& r, stream& from, value& out) {
  if (!std::exchange(from.begun, true) && !from.source.is(kind::list)) from.source = r.list(items_of(r, from.source));
  if (r.failed()) return false;
  if (is_list(from.source, list_form::iterator)) return next_item(r, from.source, out);
  const std::vector<value>& items = list_of(from.source)->items;
  if (from.at == items.size() || !r.charge()) return false;
  out = items[from.at++];
  return true;
}

/// @source  Python's `in`, which takes what it has looked at out of an iterator
inline bool contains(run& r, const value& whole, const value& part) {
  switch (whole.type()) {
    case kind::undefined:
      return false;
    case kind::text:
      if (!part.is_text()) {
        if (part.is_undefined()) r.fail(undefined_reason(part));
        r.fail("only a text can be in a text, found a " + std::string(type_name(part)));
        return false;
      }
      r.charge(search_work(view_of(whole), view_of(part)));
      return text_search(view_of(part)).find(view_of(whole)) != text_search::none;
    case kind::dict:
      return find_entry(r, *dict_of(whole), part) != nullptr;
    case kind::list:
      if (is_list(whole, list_form::iterator)) {
        for (value item; next_item(r, whole, item);)
          if (is_equal(r, item, part)) return !r.failed();
        return false;
      }
      for (const value& item : list_of(whole)->items)
        if (!r.charge() || is_equal(r, item, part)) return !r.failed();
      return false;
    default:
      r.fail("a " + std::string(type_name(whole)) + " contains nothing");
      return false;
  }
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
