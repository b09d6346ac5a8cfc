/// The definitions behind token_trie.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/grammar/token_trie.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

token_trie::token_trie(const nibble::tokenizer& tokenizer)
    : tokenizer_(&tokenizer), same_(tokenizer.size(), no_token), spelled_(tokenizer.size()) {
  const vocab& words = tokenizer.vocabulary();
  std::vector<token> sorted;
  for (std::size_t i = 0; i < tokenizer.size(); ++i) {
    const auto id = static_cast<token>(i);
    const token_type type = words.type(id);
    if (tokenizer.is_end(id)) {
      ends_.push_back(id);
    } else if (type != token_type::control && type != token_type::unknown && type != token_type::unused &&
               !words.piece(id).empty() && words.piece(id).size() < (std::numeric_limits<std::uint16_t>::max)()) {
      sorted.push_back(id);
      spelled_[i] = true;
    }
  }
  std::sort(sorted.begin(), sorted.end(), [&](token a, token b) {
    const std::string_view x = words.piece(a), y = words.piece(b);
    return x != y ? x < y : a > b;
  });
  std::vector<std::uint32_t> open;  // the nodes on the way to the last token
  std::string_view last;
  for (const token id : sorted) {
    const std::string_view text = words.piece(id);
    std::size_t shared = 0;
    while (shared < last.size() && shared < text.size() && last[shared] == text[shared]) ++shared;
    for (; open.size() > shared; open.pop_back()) nodes_[open.back()].behind = static_cast<std::uint32_t>(nodes_.size());
    for (std::size_t at = shared; at < text.size(); ++at) {
      open.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({0, no_token, static_cast<std::uint16_t>(at + 1), static_cast<unsigned char>(text[at])});
    }
    node& end = nodes_[open.back()];
    same_[static_cast<std::size_t>(id)] = end.first;
    end.first = id;
    depth_ = (std::max)(depth_, text.size());
    last = text;
  }
  for (const std::uint32_t n : open) nodes_[n].behind = static_cast<std::uint32_t>(nodes_.size());
}

std::string_view token_trie::text(token id) const noexcept {
  const auto i = static_cast<std::size_t>(id);
  return i < spelled_.size() && spelled_[i] ? tokenizer_->vocabulary().piece(id) : std::string_view();
}

std::size_t token_trie::memory_bytes() const noexcept {
  return sum_of_sizes(product_of_sizes(nodes_.capacity(), sizeof(node)),
                      product_of_sizes(sum_of_sizes(same_.capacity(), ends_.capacity()), sizeof(token)));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
