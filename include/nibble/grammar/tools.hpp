/// tool_grammar: a reply that may call tools: each call is written as the model's format says, with arguments that fit.
#pragma once

#include <string>
#include <string_view>

#include "nibble/error.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/limits.hpp"
#include "nibble/text/answer/format.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Which replies there may be.
struct tool_rules {
  tool_choice choice = tool_choice::automatic;
  std::string only = {};             ///< the one tool that may be called; empty: any
  bool parallel = true;              ///< several calls in a row
  std::string_view prompt_end = {};  ///< what the prompt ended with, which may have begun the reasoning or a call already
};

/// The grammar of a reply: reasoning and text are free; where a call begins, it is one of a tool that there is, in the format
/// of the model, with arguments that its schema allows, and behind the last call the reply ends. Marks that are control tokens
/// of the vocabulary are those tokens. JSON has one space at most between its parts.
///
/// An object of arguments has no members that its schema does not name, unless it says so itself. Formats that write each
/// argument on its own, and notations that are no JSON (Python's, Gemma's), have the members that a schema names, in its order,
/// and no others; what such a notation cannot keep of a schema is refused. Where a format writes text without quotes, the text
/// may not have the mark that ends it.
/// @param tools   as OpenAI's interface describes them: see chat_options::tools
/// @errors  invalid_argument: no tools, or not the one that is asked for, or a format without calls while one is required;
///          bad_value: what is no tool, or a schema that is not supported; limit_exceeded. The sentence names the tool
/// @example  auto form = session.model().chat_form()->answers();
///           auto calls = nibble::tool_grammar(tools, form, session.tokenizer(), {.choice = nibble::tool_choice::required});
///           session.generate(prompt, {.sampler = nibble::grammar_constraint(calls, trie) | nibble::temperature{0.7f}});
result<grammar> try_tool_grammar(const json& tools, const answer_syntax& form, const tokenizer& words,
                                 const tool_rules& rules = {}, const grammar_limits& most = {});
#if NIBBLE_EXCEPTIONS
inline grammar tool_grammar(const json& tools, const answer_syntax& form, const tokenizer& words, const tool_rules& rules = {},
                            const grammar_limits& most = {}) {
  return try_tool_grammar(tools, form, words, rules, most).value();
}
#endif

}  // namespace NIBBLE_ABI
}  // namespace nibble
