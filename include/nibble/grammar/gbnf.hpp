/// GBNF: the grammars of llama.cpp, read into patterns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/grammar/limits.hpp"
#include "nibble/grammar/pattern.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// Rules by their numbers; the first is `root`.
struct rule_set {
  struct rule {
    std::string name;
    patterns::id body;
  };
  patterns all;
  std::vector<rule> rules;
};

/// Reads a grammar. Any rule may call any other and itself, on the left too.
/// @param words  the vocabulary of its tokens, or null: then it must not have any
/// @errors  malformed, with line and column: what is no GBNF, a rule that is not defined or defined twice, no root;
///          limit_exceeded
/// @source  llama.cpp, grammars/README.md
result<rule_set> read_gbnf(std::string_view text, const tokenizer* words, const grammar_limits& most);

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
