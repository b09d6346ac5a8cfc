/// automaton: deterministic automatons over code points, with calls of other rules.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/grammar/char_set.hpp"
#include "nibble/grammar/pattern.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// States of any number of automatons, side by side. From a state one code point leads to one other; a text may end where there
/// is a tag. A call goes on in its state behind any text of its rule.
class automaton {
 public:
  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();

  struct edge {
    char32_t low, high;
    std::uint32_t to;
  };
  struct call {
    std::uint32_t rule, to;
  };
  struct state {
    std::vector<edge> edges = {};  // ascending, none overlaps another
    std::vector<call> calls = {};
    std::uint32_t tag = none;
    std::uint32_t lost = none;  // where bytes lead to that are no characters; else nothing reads them
  };

  std::uint32_t add(state s) {
    states_.push_back(std::move(s));
    return static_cast<std::uint32_t>(states_.size() - 1);
  }
  const state& operator[](std::uint32_t s) const noexcept { return states_[s]; }
  state& operator[](std::uint32_t s) noexcept { return states_[s]; }
  std::size_t size() const noexcept { return states_.size(); }
  /// Forgets all states but the first.
  void keep(std::size_t count) { states_.resize((std::min)(count, states_.size())); }
  std::uint64_t work = 0;  ///< steps of all that was added, which its makers bound

  /// Where the code point leads to, or none.
  std::uint32_t step(std::uint32_t s, char32_t code) const noexcept {
    const edge* e = edge_from(s, code);
    return e && e->low <= code ? e->to : none;
  }
  /// The first edge that ends at the code point or behind it, or null.
  const edge* edge_from(std::uint32_t s, char32_t code) const noexcept {
    const std::vector<edge>& edges = states_[s].edges;
    const auto found = std::partition_point(edges.begin(), edges.end(), [&](const edge& e) { return e.high < code; });
    return found == edges.end() ? nullptr : &*found;
  }

 private:
  std::vector<state> states_;
};

enum class text_tags : std::uint8_t { alike, places };

/// Adds the automaton of some texts, in UTF-8. The tag of each is 0, or its place in the list.
/// @returns  its first state
/// @errors   limit_exceeded: more than `most_states` in `out`
/// @cost     O(n log n) comparisons of texts, and their characters
result<std::uint32_t> add_texts(std::span<const std::string> texts, text_tags tags, std::uint32_t most_states, automaton& out);

/// Adds the automaton of a pattern.
/// @returns  its first state
/// @errors   limit_exceeded: more than `most_states` in `out`
/// @param in_place  by rule: the pattern that is read where the rule is called, without a call, or none; must not lead back to
/// it
/// @cost     O(states * characters that they tell apart); a pattern can ask for exponentially many states
/// @source   Thompson 1968; Rabin and Scott 1959, the subset construction
result<std::uint32_t> add_automaton(const patterns& all, patterns::id root, std::uint32_t most_states, automaton& out,
                                    std::span<const patterns::id> in_place = {});

/// Adds the automaton that runs several at once. `tag_of` gives the tag of a state from the tags of those that it stands for;
/// one that has ended early has none.
/// @returns  its first state
/// @errors   limit_exceeded
result<std::uint32_t> add_product(const automaton& in, std::span<const std::uint32_t> starts,
                                  const std::function<std::uint32_t(std::span<const std::uint32_t>)>& tag_of,
                                  std::uint32_t most_states, automaton& out);

/// Takes away edges and calls behind which no text can end. `starts` are the first states of the rules that calls name; `first`
/// is the first state that is looked at.
/// @cost  O(edges)
void remove_dead_ends(automaton& a, std::span<const std::uint32_t> starts, std::uint32_t first, std::vector<bool>& alive);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
