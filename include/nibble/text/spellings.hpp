/// tokens_with: the sequences of tokens in which a text may stand, whatever is written around it.
#pragma once

#include <string_view>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Each token that holds the text, alone; and each that ends with a beginning of it, before the tokens of the rest. The names
/// of control tokens count as their text. An empty text stands in none.
/// @cost    O(bytes of the vocabulary), and of the text for each token that ends with a beginning of it
/// @example nibble::dry{.breakers = nibble::sequence_breakers(nibble::tokens_with(model.tokenizer(), "\n"))}
std::vector<std::vector<token>> tokens_with(const tokenizer& tokenizer, std::string_view text);

}  // namespace NIBBLE_ABI
}  // namespace nibble
