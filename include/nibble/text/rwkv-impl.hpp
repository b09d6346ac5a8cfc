/// The definitions behind rwkv.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/text/piece_trie-impl.hpp"
#include "nibble/text/rwkv.hpp"
#include "nibble/text/vocab-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

void rwkv_trie::encode(const vocab& vocabulary, std::string_view text, bool /*fresh*/, merger& /*room*/,
                       std::vector<token>& out) const {
  while (!text.empty()) {
    std::size_t longest = 0;
    token best = -1;
    pieces_.each_prefix(text, [&](std::size_t size, token id) {
      longest = size;
      best = id;
      return true;
    });
    if (best < 0 && vocabulary.special().unknown) best = *vocabulary.special().unknown;
    if (best >= 0) out.push_back(best);
    text.remove_prefix((std::max<std::size_t>)(longest, 1));
  }
}

result<rwkv_trie> rwkv_trie::try_load(const metadata&, const vocab& vocabulary, const tokenizer_options&) {
  std::vector<piece_trie::entry> pieces;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<token>(i);
    const std::string_view piece = vocabulary.piece(id);
    if (vocabulary.find(piece) != id) continue;
    if (piece.size() > piece_trie::longest) return detail::piece_too_long(id, piece);
    pieces.push_back({std::string(piece), id});
  }
  rwkv_trie out;
  out.pieces_.build(std::move(pieces));
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
