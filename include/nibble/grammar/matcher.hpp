/// grammar_matcher: the tokens of a vocabulary that may come next in a text that a grammar describes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/parser.hpp"
#include "nibble/grammar/token_trie.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// A set of tokens: a bit for each of a vocabulary, lowest first.
using token_mask = std::span<const std::uint64_t>;
/// Whether a token is in a set.
/// @errors  none; precondition: the mask has a bit for the token
inline bool is_allowed(token_mask mask, token id) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(id >= 0 && static_cast<std::size_t>(id) / 64 < mask.size());
  return (mask[static_cast<std::size_t>(id) / 64] >> (static_cast<std::size_t>(id) % 64) & 1) != 0;
}

/// A grammar_parser in tokens.
/// @example  nibble::grammar_matcher matcher(grammar, trie);
///           if (nibble::is_allowed(matcher.allowed(), id)) matcher.accept(id);
/// @cost     a mask: nothing for places that were seen before, else a walk of the tokens that may follow
class grammar_matcher {
 public:
  /// @errors  none beside bad_alloc; precondition: trie is not null
  grammar_matcher(const grammar& g, std::shared_ptr<const token_trie> trie);

  /// The tokens that may come next; where the text may end, those that end a reply too. Valid until the next call of it, of
  /// accept() or reset().
  token_mask allowed();
  /// Takes a token of allowed(); false for any other, which changes nothing. A token that ends the reply ends the text.
  bool accept(token id);
  /// Takes text that stands in front of the first token.
  bool accept_text(std::string_view bytes);
  /// The only token that may come next, or no_token where several may or none.
  token forced();

  /// See grammar_parser.
  bool forced_text(std::string& out) { return parser_.forced_text(out); }

  bool may_end() const noexcept { return parser_.may_end(); }
  /// Nothing may follow.
  bool is_over() const noexcept { return ended_ || parser_.is_over(); }
  void reset();
  const token_trie& trie() const noexcept { return *trie_; }
  std::size_t memory_bytes() const noexcept;
  /// Masks are forgotten where they take more.
  static constexpr std::size_t mask_bound = 32u << 20;

 private:
  /// What of a state's mask does not depend on what the state is within.
  struct base {
    std::size_t first_word = 0;               // of a dense set
    std::size_t first_token = 0, tokens = 0;  // of a sparse one
    std::size_t first_end = 0, ends = 0;
    bool dense = false, counted = false;
    std::uint32_t everywhere = detail::grammar_states::no_value;  // what each character ends with
  };
  /// Where what the state is within would have to go on.
  struct base_end {
    std::uint32_t node;        // of the trie
    std::uint32_t value;       // that was read
    std::uint32_t characters;  // of a string, where they have been counted
  };
  struct kept_mask {
    std::vector<detail::grammar_place> places;
    bool may_end = false;
    std::vector<std::uint64_t> words;
  };
  void make_mask(std::vector<std::uint64_t>& words);
  base& base_of(std::uint32_t state);
  void count_characters(base& b);
  void add_base(std::uint32_t state, std::uint32_t within, std::vector<std::uint64_t>& words);
  bool goes_on_behind(std::uint32_t within, std::uint32_t value);
  void find_all_ends(base& b, std::uint32_t state);
  void add_behind(std::vector<std::uint64_t>& words);
  void sort_pending();
  bool leads_on(unsigned char byte);
  void find_base(base& b, std::uint32_t passed);
  bool find_text_base(std::uint32_t state, base& b);
  std::uint32_t alike(std::uint32_t state);
  bool find_base_like(std::uint32_t like, std::uint32_t state, base& b);
  void walk_anew(std::size_t first, std::size_t depth, const base& b);
  void make_dense(base& b);
  void leave_up_to(std::uint32_t characters);
  std::string_view beginning(std::size_t node) const;
  std::uint32_t value_behind(std::uint32_t state, std::size_t node);
  template <class OnToken, class OnEnd>
  void walk(std::size_t first, std::size_t behind, std::size_t depth, std::uint32_t passed, OnToken on_token, OnEnd on_end);
  void forget_masks();

  struct pending {
    std::uint32_t node, value, within;
  };

  std::shared_ptr<const token_trie> trie_;
  grammar_parser parser_;
  bool ended_ = false;
  std::vector<std::uint32_t> base_numbers_;  // by state
  std::vector<base> bases_;
  std::vector<std::uint64_t> dense_;
  std::vector<token> sparse_;
  std::vector<base_end> base_ends_;
  std::vector<std::uint64_t> collected_;
  std::vector<std::uint32_t> others_;  // nodes
  std::vector<pending> pending_, merged_;
  std::array<std::int8_t, 256> leads_{};  // where levels_[0] goes on: 1, 0, or -1 for not known yet
  std::vector<std::vector<detail::grammar_place>> levels_;
  std::vector<detail::grammar_stacks::mark> marks_;
  std::vector<detail::grammar_place> one_;  // of levels with one place
  std::vector<char> is_one_;
  std::vector<kept_mask> kept_;
  std::size_t next_kept_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
