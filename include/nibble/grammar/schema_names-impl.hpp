/// The names of members as automatons. A part of schema.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
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
    auto list = add_texts(names, text_tags::places, most_.states, made_.texts);
    if (!list) return std::move(list).failure().in("properties");
    std::vector<std::uint32_t> starts = {any_text, *list};
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
  /// @param number  the object that is worked on: what a failure is about
  /// @errors  limit_exceeded; bad_value: names that have to differ, of which there are few
  result<void> add_names(std::uint32_t& number) {
    struct known_names {
      std::vector<std::uint32_t> order;
      shared_words reach;
    };
    std::map<std::uint32_t, known_names> known;  // by the first state of names
    std::size_t words = 0, work = 0;
    seen_.resize(made_.texts.size());
    for (number = 0; number < made_.shapes.objects.size(); ++number) {
      json_shapes::object& o = made_.shapes.objects[number];
      auto [found, is_new] = known.try_emplace(o.keys);
      if (is_new) found->second.order = states_of(o);
      const std::vector<std::uint32_t>& order = found->second.order;
      work += order.size() * (o.classes.size() - o.known + 1);  // fits: far below what is in memory, squared
      if (work > most_work) return error(errc::limit_exceeded, "the names of members take too many steps");
      if (is_new) {
        const std::uint32_t last = *std::max_element(order.begin(), order.end());
        words += std::size_t{last - o.first_state + 1} * o.words();  // fits: both are of what is in memory
        if (words > most_reach_words) return error(errc::limit_exceeded, "the names of members take too much memory");
        found->second.reach = std::make_shared<const std::vector<std::uint32_t>>(reach(o, order, last));
      }
      o.reach = found->second.reach;
      const auto may_become_new = [&](std::uint32_t q) {
        for (std::uint32_t c = o.known; c < o.classes.size(); ++c)
          if (!o.classes[c].empty() && reaches(o, q, c)) return true;
        return false;
      };
      o.free_names = std::all_of(order.begin(), order.end(), may_become_new);
      if (o.remembers && !(o.free_names && are_endless(o, order))) {
        return error(errc::bad_value,
                     "minProperties, or members that must be otherwise, are not supported beside names of few kinds");
      }
      o.target = static_cast<std::uint32_t>(made_.targets.size());
      made_.targets.push_back({.names = o.keys});
      if (!o.remembers) continue;
      made_.targets.back().remembered = static_cast<std::uint32_t>(made_.shapes.strings.size());
      made_.shapes.strings.push_back({.start = o.keys, .remembered = true, .names = number});
    }
    return {};
  }

 private:
  using shared_words = std::shared_ptr<const std::vector<std::uint32_t>>;
  static constexpr std::size_t most_reach_words = std::size_t{8} << 20, most_work = 50'000'000;

  static bool reaches(const json_shapes::object& o, std::uint32_t q, std::uint32_t c) {
    return ((*o.reach)[std::size_t{q - o.first_state} * o.words() + c / 32] >> c % 32 & 1) != 0;
  }

  /// The states that read the names of an object, in the order in which they are reached.
  std::vector<std::uint32_t> states_of(const json_shapes::object& o) {
    std::vector<std::uint32_t> order = {o.keys};
    seen_[o.keys] = o.keys + 1;
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (const automaton::edge& e : made_.texts[order[i]].edges) {
        if (seen_[e.to] == o.keys + 1) continue;
        seen_[e.to] = o.keys + 1;
        order.push_back(e.to);
      }
    }
    return order;
  }

  /// Whether each beginning that may become a new name of some class may become any number of them.
  bool are_endless(const json_shapes::object& o, const std::vector<std::uint32_t>& order) const {
    for (std::uint32_t c = o.known; c < o.classes.size(); ++c) {
      if (o.classes[c].empty()) continue;
      for (const std::uint32_t q : order) {
        const auto& edges = made_.texts[q].edges;
        const auto goes_on = [&](const automaton::edge& e) { return reaches(o, e.to, c); };
        if (reaches(o, q, c) && std::none_of(edges.begin(), edges.end(), goes_on)) return false;
      }
    }
    return true;
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
  std::vector<std::uint32_t> seen_;  // by state: the first one of the names that it was last found among, and 1
  std::map<std::pair<std::vector<std::string>, std::vector<std::uint32_t>>, name_automaton> names_;
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
