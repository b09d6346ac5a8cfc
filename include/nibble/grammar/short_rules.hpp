/// short_rules: which rules of a grammar are read where they are called, as if they stood there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "nibble/grammar/automaton.hpp"
#include "nibble/grammar/gbnf.hpp"
#include "nibble/grammar/pattern.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A rule of so many parts is not short.
inline constexpr std::uint32_t long_rule = 32;

/// Parts of a pattern, those of the rules that it calls among them, or long_rule.
inline std::uint32_t parts_of(const patterns& all, patterns::id node, const std::vector<std::uint32_t>& of_rules) {
  const pattern& p = all[node];
  if (p.what == pattern::kind::call) return (std::min)(of_rules[p.rule] + 1, long_rule);
  std::uint64_t parts = p.parts.size() == 1 && p.what != pattern::kind::repeat ? 0 : 1;
  for (std::size_t i = 0; i < p.parts.size() && parts < long_rule; ++i) parts += parts_of(all, p.parts[i], of_rules);
  if (p.what == pattern::kind::repeat) parts *= p.most == pattern::unlimited ? std::uint64_t{p.least} + 1 : p.most;
  return static_cast<std::uint32_t>((std::min<std::uint64_t>)(parts, long_rule));
}

/// By rule: its pattern where it is short, calls in it read in place too, else automaton::none. A call costs time at every
/// byte; a long rule is better read by one automaton for all its callers, and one that leads back to itself cannot be read in
/// place.
/// @cost  O(nodes of all patterns)
inline std::vector<patterns::id> short_rules(const rule_set& set) {
  std::vector<std::uint32_t> parts(set.rules.size(), long_rule);
  for (std::uint32_t depth = 0; depth < long_rule; ++depth) {  // of calls in calls, each of which counts
    for (std::size_t r = 0; r < parts.size(); ++r)
      if (parts[r] == long_rule) parts[r] = parts_of(set.all, set.rules[r].body, parts);
  }
  std::vector<patterns::id> out;
  for (std::size_t r = 0; r < parts.size(); ++r) out.push_back(parts[r] < long_rule ? set.rules[r].body : automaton::none);
  return out;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
