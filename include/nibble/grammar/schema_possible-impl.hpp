/// What of a schema no value can be: a member is demanded that has none, or values are within each other without end. A part of
/// schema.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

#include "nibble/grammar/program.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Finds the targets of a program that some value is of, and takes the others out of its shapes.
class possible_values {
 public:
  explicit possible_values(grammar_program& made) : made_(made), possible_(made.targets.size()) {}

  bool contains(std::uint32_t target) const { return possible_[target]; }
  /// A target of which it is not known whether some value can be, and why.
  struct doubt {
    std::uint32_t target;
    std::string_view what;
  };
  std::optional<doubt> remove_others() {
    find();
    const auto drop = [&](choices& c) { std::erase_if(c, [&](const json_shapes::choice& x) { return !possible_[x.target]; }); };
    unsure_ = {};  // asked again, now that all is known
    std::optional<doubt> first;
    for (std::uint32_t n = 0; n < made_.targets.size(); ++n) {
      grammar_target& t = made_.targets[n];
      std::erase_if(t.arrays, [&](std::uint32_t a) { return !can_be(made_.shapes.arrays[a]); });
      std::erase_if(t.objects, [&](std::uint32_t o) { return !can_be(made_.shapes.objects[o]); });
      if (!first && !unsure_.empty()) first = doubt{n, unsure_};
    }
    for (json_shapes::array& a : made_.shapes.arrays) {
      for (choices& c : a.first) drop(c);
      drop(a.rest);
      std::uint32_t places = 0;
      while (places < a.first.size() && !a.first[places].empty()) ++places;
      if (places < a.first.size() || a.rest.empty()) a.most = (std::min)(a.most, places);
      if (a.set && a.first.empty()) a.most = (std::min)(a.most, static_cast<std::uint32_t>(a.rest.size()));
    }
    for (json_shapes::object& o : made_.shapes.objects)
      for (choices& c : o.classes) drop(c);
    return first;
  }

 private:
  using choices = std::vector<json_shapes::choice>;

  bool is_possible(const grammar_target& t) {
    const auto array = [&](std::uint32_t a) { return can_be(made_.shapes.arrays[a]); };
    const auto object = [&](std::uint32_t o) { return can_be(made_.shapes.objects[o]); };
    return !t.texts.empty() || !t.strings.empty() || std::any_of(t.arrays.begin(), t.arrays.end(), array) ||
           std::any_of(t.objects.begin(), t.objects.end(), object);
  }
  /// The targets that have a part of each.
  std::vector<std::vector<std::uint32_t>> users() const {
    std::vector<std::vector<std::uint32_t>> out(made_.targets.size());
    for (std::uint32_t n = 0; n < made_.targets.size(); ++n) {
      const auto add = [&](const choices& c) {
        for (const json_shapes::choice& x : c)
          if (out[x.target].empty() || out[x.target].back() != n) out[x.target].push_back(n);
      };
      for (const std::uint32_t a : made_.targets[n].arrays) {
        std::for_each(made_.shapes.arrays[a].first.begin(), made_.shapes.arrays[a].first.end(), add);
        add(made_.shapes.arrays[a].rest);
      }
      for (const std::uint32_t o : made_.targets[n].objects)
        std::for_each(made_.shapes.objects[o].classes.begin(), made_.shapes.objects[o].classes.end(), add);
    }
    return out;
  }
  /// Each target is looked at once, and again when a part of it is found to be possible.
  void find() {
    const std::vector<std::vector<std::uint32_t>> used_by = users();
    std::vector<std::uint32_t> open(made_.targets.size());
    std::iota(open.begin(), open.end(), 0u);
    while (!open.empty()) {
      const std::uint32_t n = open.back();
      open.pop_back();
      if (possible_[n] || !is_possible(made_.targets[n])) continue;
      possible_[n] = true;
      for (const std::uint32_t user : used_by[n])
        if (!possible_[user]) open.push_back(user);
    }
  }

  bool can_be(const choices& c) const {
    return std::any_of(c.begin(), c.end(), [&](const json_shapes::choice& x) { return possible_[x.target]; });
  }
  bool can_meet(const choices& c, std::size_t demand) const {
    return std::any_of(c.begin(), c.end(),
                       [&](const json_shapes::choice& x) { return possible_[x.target] && (x.met >> demand & 1) != 0; });
  }
  bool can_be(const json_shapes::array& a) {
    std::size_t places = 0;
    while (places < a.first.size() && can_be(a.first[places])) ++places;
    const bool endless = places == a.first.size() && can_be(a.rest);
    const std::uint64_t most = endless ? a.most : (std::min<std::uint64_t>)(a.most, places);
    if (a.least > most) return false;
    if (a.set) {
      const auto some = [&](const json_shapes::choice& x) { return possible_[x.target]; };
      std::uint32_t values = 0;
      for (std::size_t i = 0; i < most && i < a.first.size(); ++i)
        for (const json_shapes::choice& x : a.first[i]) values |= some(x) ? x.met : 0;
      for (const json_shapes::choice& x : a.rest) values |= some(x) ? x.met : 0;
      return static_cast<std::uint32_t>(std::popcount(values)) >= a.least;
    }
    std::uint64_t demanded = 0, largest = 0;
    for (std::size_t d = 0; d < a.demands.size(); ++d) {
      std::uint64_t n = 0;
      for (std::size_t i = 0; i < a.first.size() && i < most; ++i) n += can_meet(a.first[i], d);
      if (most > a.first.size() && can_meet(a.rest, d)) n += most - a.first.size();
      if (n < a.demands[d].least) return false;
      demanded += a.demands[d].least;
      largest = (std::max<std::uint64_t>)(largest, a.demands[d].least);
    }
    return has_room(demanded, largest, most, "contains: several in as few items as maxItems allows are not supported");
  }
  /// Each demand on a value of its own; where only one value could meet several, it is not known whether one does.
  bool has_room(std::uint64_t all, std::uint64_t least, std::uint64_t most, std::string_view otherwise) {
    if (all > most && least <= most) unsure_ = otherwise;
    return all <= most;
  }
  bool can_be(const json_shapes::object& o) {
    std::uint64_t required = 0, known = 0;
    bool others = false;
    for (std::uint32_t c = 0; c < o.classes.size(); ++c) {
      const bool some = can_be(o.classes[c]);
      const bool is_required = c < o.known && (o.required[c / 32] >> c % 32 & 1) != 0;
      if (is_required && !some) return false;
      required += is_required;
      c < o.known ? known += some : others |= some;
    }
    const std::uint64_t most = others ? o.most : (std::min<std::uint64_t>)(o.most, known);
    if (required > most || o.least > most) return false;
    for (std::size_t d = 0; d < o.demands.size(); ++d) {
      const bool met = std::any_of(o.classes.begin(), o.classes.end(), [&](const choices& c) { return can_meet(c, d); });
      if (!met) return false;
    }
    if (o.demands.empty()) return true;
    return has_room(required + o.demands.size(), (std::max<std::uint64_t>)(required, 1), most,
                    "maxProperties: beside as many members that must be there, or otherwise, it is not supported");
  }

  grammar_program& made_;
  std::vector<bool> possible_;
  std::string_view unsure_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
