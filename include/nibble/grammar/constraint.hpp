/// grammar_constraint: the step of a sampler that leaves only tokens which a grammar allows.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/token_trie.hpp"
#include "nibble/sample/candidates.hpp"
#include "nibble/sample/sampler.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// When a constraint begins to hold.
struct constraint_options {
  /// The reply is free until it has this text; what comes behind it is as the grammar says. Empty: all of it is.
  std::string trigger = {};
  /// Where the grammar leaves one text only, its tokens are those that the tokenizer makes of it, and not any that spell it: so
  /// they are known, and the model reads a run of them in one step. The last one of a run is left to the model.
  bool canonical = false;
};

/// Leaves the tokens that a grammar allows. It stands in front of the steps that choose among what is left: behind them, it may
/// leave none. A step for one reply; a copy begins anew, so options that are used again start over.
///
/// Where the grammar allows nothing more, or no token goes on as it says, no candidate is left, and the context says why: the
/// reply ends with finish::grammar_end or finish::no_candidate. While a trigger is waited for, all tokens are allowed but those
/// that end it and go on wrongly.
/// @example  auto trie = std::make_shared<const nibble::token_trie>(model.tokenizer());
///           auto json = nibble::grammar::from_schema(R"({"type": "object"})");
///           session.generate("A point: ", {.sampler = nibble::grammar_constraint(json, trie) | nibble::temperature{0.8f}});
/// @cost     see grammar_matcher; no allocation once the states and masks of a grammar are found, within its bounds
class grammar_constraint {
 public:
  /// @param   trie  of the tokenizer of the model that replies
  /// @errors  none beside bad_alloc; precondition: trie is not null. Where it is, no candidate is ever left
  grammar_constraint(grammar g, std::shared_ptr<const token_trie> trie, constraint_options options = {});

  /// A copy begins anew: it shares the grammar and the trie, and has read nothing.
  grammar_constraint(const grammar_constraint& other) : grammar_constraint(other.grammar_, other.trie_, other.options_) {}
  grammar_constraint(grammar_constraint&&) noexcept;
  grammar_constraint& operator=(grammar_constraint other) noexcept;
  ~grammar_constraint();

  /// Takes the tokens that came since the last call, and leaves those that may follow.
  /// @errors  none beside bad_alloc; precondition: all candidates are there, as many as the trie has tokens, or steps in front
  /// have
  ///          taken some away. With more of them than its tokens, none is left
  void operator()(candidates& c, sample_context& context);

  /// The token that must follow those so far, the only one that the grammar allows, or no_token. It need not be chosen: so the
  /// model reads a run of such tokens in one step.
  token foresee(std::span<const token> recent);
  std::size_t memory_bytes() const noexcept;

 private:
  struct state;
  void follow(std::span<const token> recent);
  void take(token id);
  token known();
  void find_run();
  token_mask mask_of(token id);
  token_mask mask();
  token_mask free_mask();

  grammar grammar_;
  std::shared_ptr<const token_trie> trie_;
  constraint_options options_;
  std::unique_ptr<state> state_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
