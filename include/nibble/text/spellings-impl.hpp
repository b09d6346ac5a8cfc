/// The definitions behind spellings.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "nibble/text/spellings.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

std::vector<std::vector<token>> tokens_with(const tokenizer& tokenizer, std::string_view text) {
  std::vector<std::vector<token>> found;
  if (text.empty()) return found;
  std::vector<std::vector<token>> rests;  // at k: the tokens of the text behind its first k + 1 bytes
  for (std::size_t k = 1; k < text.size(); ++k)
    rests.push_back(tokenizer.encode(text.substr(k), {.bos = false, .eos = false, .continues = true}));
  for (std::size_t i = 0; i < tokenizer.size(); ++i) {
    const auto id = token(i);
    const std::string_view piece = tokenizer.piece(id);
    if (piece.find(text) != std::string_view::npos) {
      found.push_back({id});
      continue;
    }
    for (std::size_t k = 1; k <= std::min(piece.size(), text.size() - 1); ++k) {
      if (piece.substr(piece.size() - k) != text.substr(0, k)) continue;
      std::vector<token>& sequence = found.emplace_back(1, id);
      sequence.insert(sequence.end(), rests[k - 1].begin(), rests[k - 1].end());
    }
  }
  return found;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
