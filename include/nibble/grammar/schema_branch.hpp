/// schema_branch: one alternative of what a JSON Schema allows, with nothing left to choose but in its parts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nibble/grammar/number_texts.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A schema that a value must be valid against, or must not: twice its number, and one more if not.
using schema_literal = std::uint32_t;
inline constexpr schema_literal anything = 0xFFFFFFFE, nothing = 0xFFFFFFFF;
constexpr schema_literal opposite(schema_literal x) noexcept { return x ^ 1; }

/// Texts by an automaton, or those that are not its: twice the number of its first state, and one more if not.
using text_literal = std::uint32_t;

struct schema_branch {
  static constexpr std::uint32_t unlimited = (std::numeric_limits<std::uint32_t>::max)();
  enum type : std::uint8_t { null = 1, no = 2, yes = 4, number = 8, string = 16, array = 32, object = 64, all = 127 };

  /// The values of members: those that are named, those whose names fit, and of those that neither does, the others.
  struct members {
    std::map<std::string, schema_literal> named = {};
    std::vector<std::pair<text_literal, schema_literal>> fitting = {};
    schema_literal others = anything;
    friend bool operator==(const members&, const members&) = default;
  };
  /// The values of items: of the first places, and of those behind them.
  struct items {
    std::vector<schema_literal> first = {};
    schema_literal rest = anything;
    friend bool operator==(const items&, const items&) = default;
  };
  struct contained {
    schema_literal what;
    std::uint32_t from = 0;  // place
    std::uint32_t least = 1, most = unlimited;
    friend bool operator==(const contained&, const contained&) = default;
  };

  std::uint8_t types = all;
  std::vector<number_demand> numbers = {};
  std::vector<text_literal> texts = {};
  std::uint32_t least_characters = 0, most_characters = unlimited;
  std::vector<items> places = {};
  std::vector<contained> contains = {};
  std::uint32_t least_items = 0, most_items = unlimited;
  bool unique = false;
  std::vector<members> groups = {};
  std::vector<members> some = {};  // each: at least one member has what it says; the others of a group then have `nothing`
  std::vector<std::string> required = {};  // sorted
  std::uint32_t least_members = 0, most_members = unlimited;

  // What the keywords so far have looked at, for the keywords unevaluated...
  members seen_members = {.named = {}, .fitting = {}, .others = nothing};  // with `anything` where they have
  std::uint32_t seen_items = 0;                                            // the first so many
  std::vector<schema_literal> seen_containing = {};                        // and those that are valid against one of these

  /// For what is not valid, and for values that are listed: neither counts as having looked.
  void have_seen_nothing() {
    seen_members = {.named = {}, .fitting = {}, .others = nothing};
    seen_items = 0;
    seen_containing.clear();
  }
};

/// What meets of branches cost: their parts are copied, and each required name is looked up in each group, and lists are
/// compared.
struct branch_size {
  std::uint64_t parts = 1, required = 0, lists = 0;

  std::uint64_t of_meet(const branch_size& other) const noexcept {
    return parts + other.parts + (required + other.required) * (lists + other.lists) + lists * other.lists;
  }
};
inline branch_size size_of(const schema_branch& b) noexcept {
  const auto in_groups = [](const std::vector<schema_branch::members>& groups) {
    std::uint64_t n = groups.size();
    for (const schema_branch::members& g : groups) n += g.named.size() + g.fitting.size();
    return n;
  };
  branch_size out;
  out.parts += b.numbers.size() + b.texts.size() + b.contains.size() + b.required.size() + in_groups(b.groups) +
               in_groups(b.some) + b.seen_members.named.size() + b.seen_members.fitting.size() + b.seen_containing.size();
  for (const number_demand& d : b.numbers) out.parts += d.values.size();
  for (const schema_branch::items& p : b.places) out.parts += 1 + p.first.size();
  out.required = b.required.size();
  out.lists = b.numbers.size() + b.texts.size() + b.places.size() + b.contains.size() + b.groups.size() + b.some.size();
  return out;
}

inline void sort_names(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}
/// Names that both have, or one of them. Both are sorted.
inline void add_names(std::vector<std::string>& to, const std::vector<std::string>& from) {
  if (from.empty()) return;
  std::vector<std::string> both;
  std::set_union(to.begin(), to.end(), from.begin(), from.end(), std::back_inserter(both));
  to = std::move(both);
}

/// Whether a required member has no value that all groups allow, at first sight.
inline bool lacks_member(const schema_branch& b) {
  return std::any_of(b.required.begin(), b.required.end(), [&](const std::string& name) {
    std::vector<schema_literal> values;
    for (const schema_branch::members& g : b.groups) {
      const auto found = g.named.find(name);
      const schema_literal value = found != g.named.end() ? found->second : g.fitting.empty() ? g.others : anything;
      if (value == nothing) return true;
      if (value != anything) values.push_back(value);
    }
    std::sort(values.begin(), values.end());
    const auto is_denied = [&](schema_literal v) { return std::binary_search(values.begin(), values.end(), opposite(v)); };
    return std::any_of(values.begin(), values.end(), is_denied);
  });
}

/// Values that both allow. @returns false where there is none at first sight
inline bool narrow(schema_branch& a, const schema_branch& b) {
  const auto add = [](auto& to, const auto& from) {
    const std::size_t own = to.size();
    for (const auto& x : from)
      if (std::find(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(own), x) ==
          to.begin() + static_cast<std::ptrdiff_t>(own))
        to.push_back(x);
  };
  a.types &= b.types;
  add(a.numbers, b.numbers), add(a.texts, b.texts), add(a.places, b.places), add(a.contains, b.contains);
  add(a.groups, b.groups), add(a.some, b.some), add_names(a.required, b.required);
  a.least_characters = (std::max)(a.least_characters, b.least_characters);
  a.most_characters = (std::min)(a.most_characters, b.most_characters);
  a.least_items = (std::max)(a.least_items, b.least_items);
  a.most_items = (std::min)(a.most_items, b.most_items);
  a.least_members = (std::max)(a.least_members, b.least_members);
  a.most_members = (std::min)(a.most_members, b.most_members);
  a.unique |= b.unique;
  a.seen_members.named.insert(b.seen_members.named.begin(), b.seen_members.named.end());
  add(a.seen_members.fitting, b.seen_members.fitting);
  if (b.seen_members.others == anything) a.seen_members.others = anything;
  a.seen_items = (std::max)(a.seen_items, b.seen_items);
  add(a.seen_containing, b.seen_containing);
  const auto drop = [&a](bool never, std::uint8_t type) {
    if (never) a.types &= static_cast<std::uint8_t>(~type);
  };
  drop(a.least_characters > a.most_characters, schema_branch::string);
  drop(a.least_items > a.most_items, schema_branch::array);
  drop(a.least_members > a.most_members || a.required.size() > a.most_members, schema_branch::object);
  if ((a.types & schema_branch::object) != 0) drop(lacks_member(a), schema_branch::object);
  return a.types != 0;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
