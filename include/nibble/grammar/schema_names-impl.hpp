/// The names of members as automatons. A part of schema.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/error.hpp"
#include "nibble/grammar/limits.hpp"
#include "nibble/grammar/program.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Names told apart: each of a list is a class, and the others fall into one by the expressions that they fit.
struct name_automaton {
  std::uint32_t start = 0, first_state = 0;
  std::vector<std::vector<bool>> fits = {};  // of each class: the expressions
};

class name_automatons {
 public:
  name_automatons(const grammar_limits& most, grammar_program& made) : most_(most), made_(made) {}

  result<name_automaton> classes(const std::vector<std::string>& names, const std::vector<std::uint32_t>& expressions,
                                 std::uint32_t any_text) {
    const auto key = std::pair(names, expressions);
    if (const auto known = names_.find(key); known != names_.end()) return known->second;
    std::vector<std::uint32_t> starts = {any_text, list_of_names(names)};
    starts.insert(starts.end(), expressions.begin(), expressions.end());
    name_automaton out;
    out.fits.resize(names.size());
    std::map<std::vector<bool>, std::uint32_t> others;
    const auto tag_of = [&](std::span<const std::uint32_t> tags) {
      std::vector<bool> fits;
      for (std::size_t e = 2; e < tags.size(); ++e) fits.push_back(tags[e] != automaton::none);
      if (tags[1] != automaton::none) {
        out.fits[tags[1]] = std::move(fits);
        return tags[1];
      }
      const auto [found, is_new] = others.try_emplace(fits, static_cast<std::uint32_t>(out.fits.size()));
      if (is_new) out.fits.push_back(std::move(fits));
      return found->second;
    };
    out.first_state = static_cast<std::uint32_t>(made_.texts.size());
    auto start = add_product(made_.texts, starts, tag_of, most_.states, made_.texts);
    if (!start) return std::move(start).failure().in("patternProperties and propertyNames");
    out.start = *start;
    return names_.emplace(key, std::move(out)).first->second;
  }

  /// What a name may still become, for each state that reads one.
  void add_names() {
    std::map<std::uint32_t, std::vector<std::uint32_t>> reach_of;  // by the first state of names
    for (json_shapes::object& o : made_.shapes.objects) {
      std::vector<std::uint32_t> all, order = {o.keys};
      std::vector<bool> seen(made_.texts.size() - o.first_state);
      seen[o.keys - o.first_state] = true;
      for (std::size_t i = 0; i < order.size(); ++i) {
        for (const automaton::edge& e : made_.texts[order[i]].edges) {
          if (seen[e.to - o.first_state]) continue;
          seen[e.to - o.first_state] = true;
          order.push_back(e.to);
        }
      }
      const std::uint32_t last = *std::max_element(order.begin(), order.end());
      auto [found, is_new] = reach_of.try_emplace(o.keys);
      if (is_new) found->second = reach(o, order, last);
      o.reach = found->second;
      o.free_names = std::all_of(order.begin(), order.end(), [&](std::uint32_t q) {
        for (std::uint32_t c = o.known; c < o.classes.size(); ++c)
          if ((o.reach[std::size_t{q - o.first_state} * o.words() + c / 32] >> c % 32 & 1) != 0 && !o.classes[c].empty())
            return true;
        return false;
      });
      o.target = static_cast<std::uint32_t>(made_.targets.size());
      made_.targets.push_back({.names = o.keys});
    }
  }

 private:
  std::uint32_t list_of_names(const std::vector<std::string>& names) {
    const std::uint32_t root = made_.texts.add({});
    for (std::uint32_t n = 0; n < names.size(); ++n) {
      std::uint32_t at = root;
      for (std::size_t i = 0; i < names[n].size();) {
        const utf8_character c = decode_utf8(names[n], i);
        i += c.size;
        std::uint32_t next = made_.texts.step(at, c.code);
        if (next == automaton::none) {
          next = made_.texts.add({});
          auto& edges = made_.texts[at].edges;
          const auto place =
              std::partition_point(edges.begin(), edges.end(), [&](const automaton::edge& e) { return e.high < c.code; });
          edges.insert(place, {c.code, c.code, next});
        }
        at = next;
      }
      made_.texts[at].tag = n;
    }
    return root;
  }

  std::vector<std::uint32_t> reach(const json_shapes::object& o, const std::vector<std::uint32_t>& order,
                                   std::uint32_t last) const {
    const std::uint32_t words = o.words();
    std::vector<std::uint32_t> out(product_of_sizes(last - o.first_state + 1, words));
    for (const std::uint32_t q : order) {
      const std::uint32_t tag = made_.texts[q].tag;
      if (tag != automaton::none) out[std::size_t{q - o.first_state} * words + tag / 32] |= 1u << tag % 32;
    }
    for (bool changed = true; changed;) {  // a name that comes later stands behind: a few rounds
      changed = false;
      for (std::size_t i = order.size(); i > 0; --i) {
        const std::size_t own = std::size_t{order[i - 1] - o.first_state} * words;
        for (const automaton::edge& e : made_.texts[order[i - 1]].edges) {
          const std::size_t other = std::size_t{e.to - o.first_state} * words;
          for (std::uint32_t w = 0; w < words; ++w) {
            changed |= (out[other + w] & ~out[own + w]) != 0;
            out[own + w] |= out[other + w];
          }
        }
      }
    }
    return out;
  }

  const grammar_limits& most_;
  grammar_program& made_;
  std::map<std::pair<std::vector<std::string>, std::vector<std::uint32_t>>, name_automaton> names_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
