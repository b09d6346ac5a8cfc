/// grammar_stacks: all ways in which a text may be read at once, as stacks that share what they have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "nibble/grammar/states.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Where one way of reading stands: a state, and the call that it is within.
struct grammar_place {
  std::uint32_t state;
  std::uint32_t within;
  friend bool operator==(const grammar_place&, const grammar_place&) = default;
};

/// Calls that are open, as a graph: a rule that is called at one byte by several callers is read once, and has an edge to each
/// of them. So a rule may call itself on its left, and a text that can be read in many ways costs no more than its callers.
///
/// @cost    a byte: O(places + edges), both bounded by limits below; usual grammars have one to ten
/// @source  Tomita 1986, graph-structured stacks; Scott and Johnstone 2010, GLL parsing
class grammar_stacks {
 public:
  static constexpr std::size_t most_places = 16'000;
  static constexpr std::size_t most_edges = 40'000;       // that one byte adds
  static constexpr std::uint32_t whole = 0, unknown = 1;  ///< the call of the whole text, and one of which nothing is known

  struct mark {
    std::size_t nodes, edges;
  };

  explicit grammar_stacks(grammar_states& states);

  /// The places at the beginning of a text, appended.
  void begin(std::vector<grammar_place>& out);
  /// Takes a byte: the places behind those in `from`, appended to `out`.
  /// @returns  false where nothing reads the byte, or where there are too many ways to read it
  bool step(std::span<const grammar_place> from, unsigned char byte, std::vector<grammar_place>& out);
  /// The places where the call of `within` has ended with a value, appended.
  void end(std::uint32_t within, std::uint32_t value, std::vector<grammar_place>& out);
  /// Starts a list of places to which several end() add.
  void begin_list(const std::vector<grammar_place>& out);

  /// Of the last begin(), step() or list: the whole text may end here.
  bool may_end() const noexcept { return may_end_; }
  /// Of the same: what ended a call of which nothing is known.
  std::span<const std::uint32_t> ended_outside() const noexcept { return outside_; }
  /// There were more ways than the limits: the text is taken for one that cannot be read.
  bool overflowed() const noexcept { return overflowed_; }

  mark now() const noexcept { return {nodes_.size(), edges_.size()}; }
  /// Forgets the calls since then.
  void release(mark m) {
    nodes_.resize(m.nodes);
    edges_.resize(m.edges);
  }
  /// Gives calls that are alike the same number, as far as `places` need them, and forgets the others since `m`.
  void settle(std::vector<grammar_place>& places, mark m);
  std::size_t memory_bytes() const noexcept;
  /// Calls and edges that are kept.
  std::size_t size() const noexcept { return nodes_.size() + edges_.size(); }
  /// Forgets all that these places do not need. Calls get new numbers, states too.
  void compact(std::vector<grammar_place>& places);

 private:
  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();
  static constexpr std::size_t slot_count = std::size_t{1} << 15;  // more than twice most_places
  struct node {
    std::uint32_t target;
    std::uint32_t first_edge;
  };
  struct edge {
    std::uint32_t behind;  // the state
    std::uint32_t within;
    std::uint32_t next;
  };
  struct finished {
    std::uint32_t node, value;
  };

  void start_list(std::size_t begin);
  void add(std::uint32_t state, std::uint32_t within, std::vector<grammar_place>& out);
  void close(std::vector<grammar_place>& out);
  void open_call(grammar_states::call c, std::uint32_t within, std::vector<grammar_place>& out);
  void finish(std::uint32_t within, std::uint32_t value, std::vector<grammar_place>& out);
  void add_edge(std::uint32_t call, std::uint32_t behind, std::uint32_t within, std::vector<grammar_place>& out);
  bool is_in_list(const grammar_place& p, const std::vector<grammar_place>& out);
  void gather(const std::vector<grammar_place>& places, mark m);

  grammar_states& states_;
  std::vector<node> nodes_;
  std::vector<edge> edges_;
  std::vector<std::uint32_t> latest_;  // call of each target
  std::vector<finished> finished_;     // calls of this byte that have ended within it
  std::vector<std::uint32_t> outside_;
  std::vector<std::uint64_t> slots_;  // of places in a long list
  std::vector<std::uint32_t> stamps_;
  std::uint32_t stamp_ = 0;
  std::size_t list_begin_ = 0, list_done_ = 0, first_node_ = 0, first_edge_ = 0;
  bool may_end_ = false, overflowed_ = false;
  std::vector<std::uint32_t> renamed_, order_;
  std::vector<node> kept_nodes_;
  std::vector<edge> kept_edges_;
  std::vector<std::uint32_t> alike_;  // nodes by hash of their edges
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
