/// token_trie: the tokens that spell text, by their bytes: what masks are made from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The tokens of a vocabulary that add text to a reply, as a tree of their bytes, and those that end it. Immutable; made once
/// for a tokenizer and shared by all constraints on it, which must not outlive the tokenizer.
///
/// Control, unknown and unused tokens, and those without text, are in no mask.
/// @cost     O(bytes of all pieces * log(vocabulary)) to make; 12 bytes a node, about two nodes a token
/// @example  auto trie = std::make_shared<const nibble::token_trie>(model.tokenizer());
class token_trie {
 public:
  /// One byte behind that of its parent. Nodes stand in the order of a walk: a node's first child is the next one.
  struct node {
    std::uint32_t behind;  ///< the first node that does not stand below this one
    token first;           ///< the token that ends here, or no_token
    std::uint16_t depth;   ///< bytes up to here
    unsigned char byte;
  };

  /// Of all tokens that are text. The tokenizer is not needed afterwards.
  explicit token_trie(const nibble::tokenizer& tokenizer);
  explicit token_trie(const nibble::tokenizer&&) = delete;  // it must outlive this

  /// All but the root, which has no byte.
  std::span<const node> nodes() const noexcept { return nodes_; }
  /// Another token that is spelled as this one, or no_token.
  token same_as(token id) const noexcept { return same_[static_cast<std::size_t>(id)]; }
  /// The tokens at which a reply ends.
  std::span<const token> ends() const noexcept { return ends_; }
  /// Bytes of the longest token.
  std::size_t depth() const noexcept { return depth_; }
  const nibble::tokenizer& tokenizer() const noexcept { return *tokenizer_; }
  /// Tokens of the vocabulary.
  std::size_t size() const noexcept { return same_.size(); }
  /// The text of a token that is in the tree, else nothing.
  std::string_view text(token id) const noexcept;
  std::size_t memory_bytes() const noexcept;

 private:
  const nibble::tokenizer* tokenizer_;
  std::vector<node> nodes_;
  std::vector<token> same_, ends_;
  std::vector<bool> spelled_;
  std::size_t depth_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
