/// The definitions behind grammar.hpp, but for schemas. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/grammar/gbnf.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/program.hpp"
#include "nibble/grammar/regex.hpp"
#include "nibble/grammar/short_rules.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A program of rules, the first of which is its root; `behind` makes targets that the rules call behind them.
inline result<grammar> grammar_of(rule_set set, const grammar_limits& most, grammar_program made = {}) {
  const std::size_t others = made.targets.size();
  std::vector<std::uint32_t> starts;
  for (const grammar_target& t : made.targets) starts.push_back(t.start);
  const auto first = static_cast<std::uint32_t>(made.texts.size());
  const auto in_place = others == 0 ? short_rules(set) : std::vector<patterns::id>();  // else rules have other numbers
  int too_large = 0;
  for (const rule_set::rule& r : set.rules) {
    const std::size_t before = made.texts.size();
    result<std::uint32_t> start = too_many_states(0);
    if (too_large < 8) start = add_automaton(set.all, r.body, (std::min)(most.states, 8'000u), made.texts, in_place);
    if (!start) {  // with calls it may take fewer
      ++too_large;
      made.texts.keep(before);
      start = add_automaton(set.all, r.body, most.states, made.texts);
    }
    if (!start) return std::move(start).failure().in("rule \"" + r.name + "\"");
    made.targets.push_back({.start = *start});
  }
  if (others == 0) {  // else calls name what is alive, and rules are sequences of those
    for (const grammar_target& t : made.targets) starts.push_back(t.start);
    std::vector<bool> alive;
    remove_dead_ends(made.texts, starts, first, alive);
    if (!alive[made.targets.front().start - first]) return error(errc::malformed, "no text is what the rule \"root\" says");
  }
  made.root = static_cast<std::uint32_t>(others);
  return grammar_parts::made_of(std::move(made));
}

/// Appends a program to another. @returns the number of its root there
inline std::uint32_t append_program(grammar_program& to, const grammar_program& from) {
  const auto states = static_cast<std::uint32_t>(to.texts.size()), targets = static_cast<std::uint32_t>(to.targets.size());
  const auto strings = static_cast<std::uint32_t>(to.shapes.strings.size());
  const auto arrays = static_cast<std::uint32_t>(to.shapes.arrays.size());
  const auto objects = static_cast<std::uint32_t>(to.shapes.objects.size());
  const auto moved = [](std::uint32_t x, std::uint32_t by) { return x == automaton::none ? x : x + by; };
  const auto move_choices = [&](std::vector<json_shapes::choice>& choices) {
    for (json_shapes::choice& c : choices) c.target += targets;
  };
  for (std::uint32_t s = 0; s < from.texts.size(); ++s) {
    automaton::state copy = from.texts[s];
    copy.lost = moved(copy.lost, states);
    for (automaton::edge& e : copy.edges) e.to += states;
    for (automaton::call& c : copy.calls) c.to += states, c.rule += targets;
    to.texts.add(std::move(copy));
  }
  to.shapes.spaces = (std::min)(to.shapes.spaces, from.shapes.spaces);
  if (from.shapes.any_text != automaton::none) to.shapes.any_text = from.shapes.any_text + states;
  for (json_shapes::string s : from.shapes.strings) {
    s.start += states, s.names = moved(s.names, objects);
    to.shapes.strings.push_back(s);
  }
  for (json_shapes::array a : from.shapes.arrays) {
    for (auto& choices : a.first) move_choices(choices);
    move_choices(a.rest);
    to.shapes.arrays.push_back(std::move(a));
  }
  for (json_shapes::object o : from.shapes.objects) {
    o.keys += states, o.first_state += states, o.target += targets;
    for (auto& choices : o.classes) move_choices(choices);
    to.shapes.objects.push_back(std::move(o));
  }
  for (grammar_target t : from.targets) {
    t.start = moved(t.start, states), t.names = moved(t.names, states), t.remembered = moved(t.remembered, strings);
    for (std::uint32_t& x : t.texts) x += states;
    for (std::uint32_t& x : t.strings) x += strings;
    for (std::uint32_t& x : t.arrays) x += arrays;
    for (std::uint32_t& x : t.objects) x += objects;
    to.targets.push_back(std::move(t));
  }
  return targets + from.root;
}

/// The programs of parts, and a rule that calls them.
template <class Body>
result<grammar> combined(std::span<const grammar> parts, const grammar_limits& most, Body body) {
  grammar_program made;
  rule_set set;
  std::vector<patterns::id> calls;
  for (const grammar& part : parts) calls.push_back(set.all.call(append_program(made, *grammar_parts::program_of(part))));
  set.rules.push_back({"root", body(set.all, std::move(calls))});
  return grammar_of(std::move(set), most, std::move(made));
}

}  // namespace detail

namespace detail {
inline result<grammar> grammar_of_rules(std::string_view text, const tokenizer* words, const grammar_limits& most) {
  auto rules = read_gbnf(text, words, most);
  if (!rules) return std::move(rules).failure().in("grammar");
  auto made = grammar_of(*std::move(rules), most);
  return made ? std::move(made) : std::move(made).failure().in("grammar");
}
}  // namespace detail

result<grammar> grammar::try_from_gbnf(std::string_view text, const grammar_limits& most) {
  return detail::grammar_of_rules(text, nullptr, most);
}
result<grammar> grammar::try_from_gbnf(std::string_view text, const tokenizer& words, const grammar_limits& most) {
  return detail::grammar_of_rules(text, &words, most);
}

result<grammar> grammar::try_from_regex(std::string_view expression, const grammar_limits& most) {
  detail::grammar_program made;
  auto start = detail::add_regex(expression, detail::regex_extent::whole, most, made.texts);
  if (!start) return std::move(start).failure().in("expression");
  if (*start == detail::automaton::none) return error(errc::malformed, "expression: no text matches it");
  made.targets.push_back({.start = *start});
  return detail::grammar_parts::made_of(std::move(made));
}

result<grammar> grammar::try_from_choices(std::span<const std::string> choices, const grammar_limits& most) {
  if (choices.empty()) return error(errc::invalid_argument, "choices: there is none");
  detail::rule_set set;
  std::vector<detail::patterns::id> parts;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const auto where = [&] { return "choice " + std::to_string(i); };
    if (choices[i].empty()) return error(errc::invalid_argument, where() + ": it is empty");
    if (!is_utf8(choices[i])) return error(errc::invalid_argument, where() + ": it is no UTF-8");
    if (choices[i].size() > most.states || set.all.size() > most.states)
      return detail::too_many_states(most.states).in("choices");
    parts.push_back(set.all.literal(choices[i]));
  }
  set.rules.push_back({"root", set.all.choice(std::move(parts))});
  auto made = detail::grammar_of(std::move(set), most);
  return made ? std::move(made) : std::move(made).failure().in("choices");
}

result<grammar> grammar::try_sequence(std::span<const grammar> parts, const grammar_limits& most) {
  return detail::combined(parts, most, [](detail::patterns& all, auto calls) { return all.sequence(std::move(calls)); });
}

result<grammar> grammar::try_any_of(std::span<const grammar> parts, const grammar_limits& most) {
  if (parts.empty()) return error(errc::invalid_argument, "any of no grammars");
  return detail::combined(parts, most, [](detail::patterns& all, auto calls) { return all.choice(std::move(calls)); });
}

result<grammar> grammar::try_repeat(const grammar& part, std::uint32_t least, std::uint32_t most_times,
                                    const grammar_limits& most) {
  const std::uint32_t largest = most_times == detail::pattern::unlimited ? least : most_times;
  if (least > most_times || largest > most.repetitions) {
    return error(errc::invalid_argument, "a repetition of at least " + std::to_string(least) + " and at most " +
                                             std::to_string(most_times) + ": expected up to " +
                                             std::to_string(most.repetitions));
  }
  return detail::combined({&part, 1}, most,
                          [&](detail::patterns& all, auto calls) { return all.repeat(calls.front(), least, most_times); });
}

grammar grammar::literal(std::string_view text) {
  detail::grammar_program made;
  std::uint32_t at = made.texts.add({.tag = 0});
  std::vector<char32_t> characters;
  for (std::size_t i = 0; i < text.size();) {
    const utf8_character c = decode_utf8(text, i);
    characters.push_back(c.code);
    i += c.size;
  }
  std::reverse(characters.begin(), characters.end());
  for (const char32_t c : characters) at = made.texts.add({.edges = {{c, c, at}}});
  made.targets.push_back({.start = at});
  return detail::grammar_parts::made_of(std::move(made));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
