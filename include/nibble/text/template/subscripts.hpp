/// attribute_of, item_of: a.b and a[b], which reach values and known methods and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/config.hpp"
#include "nibble/text/template/collections.hpp"
#include "nibble/text/template/cutting.hpp"
#include "nibble/text/template/printing.hpp"
#include "nibble/text/template/run.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail::jinja {

/// The number of a method by its name, plus 1; 0 where there is none. See methods.hpp.
std::uint32_t find_method(const value& owner, std::string_view name) noexcept;
/// Names that would change a list or a dict in Python: no template may.
inline bool is_changing(const value& owner, std::string_view name) noexcept {
  constexpr std::string_view of_dicts[] = {"clear", "pop", "popitem", "setdefault", "update"};
  constexpr std::string_view of_lists[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  if (owner.is(kind::dict))
    for (const std::string_view known : of_dicts)
      if (known == name) return true;
  if (is_list(owner, list_form::list))
    for (const std::string_view known : of_lists)
      if (known == name) return true;
  return false;
}

/// What `loop` tells of where it is.
inline bool loop_fact(run& r, const value& of, std::string_view name, value& out) {
  const loop_node& loop = *loop_of(of);
  const auto number = [&](std::size_t n) { return out = value::integer(static_cast<std::int64_t>(n)), true; };
  const auto size = [&] { return length_of(r, of); };
  const std::size_t at = loop.index;
  const auto has_next = [&] { return at + 1 < loop.items.size() || r.loops->pull(*loop_of(of)); };
  if (name == "index") return number(at + 1);
  if (name == "index0") return number(at);
  if (name == "revindex") return number(size() - at);
  if (name == "revindex0") return number(size() - at - 1);
  if (name == "length") return number(size());
  if (name == "first") return out = value::boolean(at == 0), true;
  if (name == "last") return out = value::boolean(!has_next()), true;
  if (name == "depth") return out = value::integer(loop.depth + 1), true;
  if (name == "depth0") return out = value::integer(loop.depth), true;
  if (name == "previtem") {
    out = at > 0 ? loop.items[at - 1] : value::undefined(lack::said, r.text("there is no item before the first"));
    return true;
  }
  if (name == "nextitem") {
    out = has_next() ? loop.items[at + 1] : value::undefined(lack::said, r.text("there is no item behind the last"));
    return true;
  }
  return false;
}

/// What an object has besides items and methods.
inline bool fact_of(run& r, const value& of, const value& key, value& out) {
  const std::string_view name = view_of(key);
  switch (of.type()) {
    case kind::loop:
      return loop_fact(r, of, name, out);
    case kind::space:
      if (const entry* found = find_entry(r, *dict_of(of), key)) return out = found->held, true;
      return false;
    case kind::cycler:
      if (name != "current") return false;
      out = cycle_of(of)->items[cycle_of(of)->position];
      return true;
    case kind::list:
      if (list_of(of)->form != list_form::group || (name != "grouper" && name != "list")) return false;
      out = list_of(of)->items[name == "list"];
      return true;
    default:
      return false;
  }
}

/// Fails for an undefined owner: nothing is looked up in it.
inline bool can_be_asked(run& r, const value& of) {
  if (of.is_undefined()) r.fail(undefined_reason(of));
  return r.charge();
}

/// What Python's getattr gives, if anything.
inline bool python_attribute(run& r, const value& of, const value& name, value& out) {
  const std::string_view text = view_of(name);
  if (fact_of(r, of, name, out)) return true;
  if (text.starts_with("__") || is_changing(of, text)) {
    out = value::undefined(lack::unsafe, name, of.type());
    return true;
  }
  const std::uint32_t id = find_method(of, text);
  if (id == 0) return false;
  auto* made = r.memory.make<method_node>(kind::method);
  made->self = of;
  made->id = id - 1;
  out = value::refer(kind::method, made);
  return true;
}

/// The item of a dict, a list or a text, if there is one.
inline bool python_item(run& r, const value& of, const value& key, value& out) {
  if (of.is(kind::dict)) {
    if (key.is(kind::dict) || is_list(key, list_form::list)) return false;
    const entry* found = find_entry(r, *dict_of(of), key);
    if (found) out = found->held;
    return found != nullptr;
  }
  const bool list = of.is(kind::list) && is_indexed(list_of(of)->form);
  if ((!list && !of.is_text()) || !key.is_integer()) return false;
  const std::size_t size = length_of(r, of);
  std::int64_t at = key.as_integer();
  if (at < 0) at += static_cast<std::int64_t>(size);
  if (at < 0 || at >= static_cast<std::int64_t>(size)) return false;
  if (list)
    out = list_of(of)->items[static_cast<std::size_t>(at)];
  else
    out = r.text(sliced(r, text_of(of)->text, {at, 1, 1}), text_of(of)->safe);
  return true;
}

/// a.b: an attribute before an item.
/// @source  Jinja's getattr, in its sandbox for immutable values
inline value attribute_of(run& r, const value& of, const value& name) {
  value out;
  if (!can_be_asked(r, of) || python_attribute(r, of, name, out)) return out;
  if (of.is(kind::dict) && python_item(r, of, name, out)) return out;
  return value::undefined(lack::attribute, name, of.type());
}

/// a[b]: an item before an attribute.
/// @source  Jinja's getitem
inline value item_of(run& r, const value& of, const value& key) {
  value out;
  if (!can_be_asked(r, of) || python_item(r, of, key, out)) return out;
  if (key.is_text() && python_attribute(r, of, key, out)) return out;
  if (r.failed()) return out;
  return value::undefined(lack::attribute, key.is_text() ? key : as_text(r, key), of.type());
}

/// a[from:to:step], of texts and lists.
inline value slice_of(run& r, const value& of, const value* from, const value* to, const value* step) {
  if (!can_be_asked(r, of)) return value::none();
  const bool list = of.is(kind::list) && is_indexed(list_of(of)->form);
  if (!list && !of.is_text()) return r.fail("a " + std::string(type_name(of)) + " has no slices"), value::none();
  std::int64_t numbers[3];
  const std::int64_t* given[3] = {};
  const value* bounds[] = {from, to, step};
  for (int i = 0; i < 3; ++i) {
    if (!bounds[i] || bounds[i]->is(kind::none)) continue;
    if (!bounds[i]->is_integer())
      return r.fail("a slice wants integers, found a " + std::string(type_name(*bounds[i]))), value::none();
    numbers[i] = bounds[i]->as_integer();
    given[i] = &numbers[i];
  }
  const stretch s = slice_of(r, length_of(r, of), given[0], given[1], given[2]);
  if (r.failed()) return value::none();
  if (of.is_text()) return r.text(sliced(r, text_of(of)->text, s), text_of(of)->safe);
  std::vector<value> out;
  r.charge(static_cast<std::size_t>(s.count) * 16);
  for (std::int64_t i = 0, at = s.first; i < s.count; ++i, at += s.step)
    out.push_back(list_of(of)->items[static_cast<std::size_t>(at)]);
  return r.list(std::move(out), list_of(of)->form == list_form::group ? list_form::tuple : list_of(of)->form);
}

}  // namespace detail::jinja
}  // namespace NIBBLE_ABI
}  // namespace nibble
