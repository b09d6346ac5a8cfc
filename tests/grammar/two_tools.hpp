/// What tests of replies that call tools share: two tools, and a small vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nibble/gguf/metadata.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble_test {

/// Letters, and the control tokens that are named; the last one of these ends replies.
inline nibble::tokenizer letters_and(const std::vector<std::string>& controls) {
  std::vector<std::string> tokens;
  for (char c = '!'; c <= '~'; ++c) tokens.push_back({c});
  tokens.push_back("\u0120"), tokens.push_back("\u010A");  // a space and a line's end
  std::vector<std::int32_t> types(tokens.size(), 1);
  for (const std::string& c : controls) tokens.push_back(c), types.push_back(3);
  nibble::metadata meta;
  meta.set("tokenizer.ggml.model", nibble::value(std::string("gpt2")));
  meta.set("tokenizer.ggml.pre", nibble::value(std::string("gpt-2")));
  meta.set("tokenizer.ggml.tokens", nibble::value(tokens));
  meta.set("tokenizer.ggml.token_type", nibble::value(types));
  meta.set("tokenizer.ggml.merges", nibble::value(std::vector<std::string>{}));
  meta.set("tokenizer.ggml.eos_token_id", nibble::value(static_cast<std::uint32_t>(tokens.size() - 1)));
  return nibble::tokenizer::load(meta);
}

/// Texts, a number with bounds, a choice; an array of numbers, a truth value.
inline const nibble::json two_tools = nibble::json::parse(R"([
  {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {
     "where": {"type": "string"}, "far": {"type": "integer", "minimum": 1, "maximum": 9}, "how": {"enum": ["well", "badly"], "type": "string"}},
     "required": ["where"]}}},
  {"type": "function", "function": {"name": "add_up", "parameters": {"type": "object", "properties": {
     "numbers": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 3}, "round": {"type": "boolean"}},
     "required": ["numbers", "round"]}}}])");

}  // namespace nibble_test
