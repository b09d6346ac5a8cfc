/// token_trie: the tokens that spell text, by their bytes: what masks are made from.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The tokens of a vocabulary that add text to a reply, as a tree of their bytes, and those that end it. Immutable; made once
/// for a tokenizer and shared by all constraints on it, which must not outlive the tokenizer.
///
/// A control token is in masks only where a grammar names it, or leaves the model free; unknown and unused tokens, and those
/// without text, only in the latter.
/// @cost     O(bytes of all pieces * log(vocabulary)) to make; 16 bytes a node, about two nodes a token, and 28 a token
/// @example  auto trie = std::make_shared<const nibble::token_trie>(model.tokenizer());
class token_trie {
 public:
  /// One byte behind that of its parent. Nodes stand in the order of a walk: a node's first child is the next one.
  struct node {
    std::uint32_t behind;  ///< the first node that does not stand below this one
    token first;           ///< the token that ends here, or no_token
    std::uint16_t depth;   ///< bytes up to here
    unsigned char byte;
    bool shared = false;  ///< other tokens are spelled as `first`, too
  };

  /// Of all tokens that are text. The tokenizer is not needed afterwards.
  explicit token_trie(const nibble::tokenizer& tokenizer);
  explicit token_trie(const nibble::tokenizer&&) = delete;  // it must outlive this
  token_trie(const token_trie&) = delete;
  token_trie& operator=(const token_trie&) = delete;

  /// All but the root, which has no byte.
  std::span<const node> nodes() const noexcept { return nodes_; }
  /// Calls f with each token that ends at a node.
  template <class F>
  void each_token(const node& n, F f) const {
    for (token id = n.first; id != no_token; id = n.shared ? same_[static_cast<std::size_t>(id)] : no_token) f(id);
  }
  /// The tokens at which a reply ends.
  std::span<const token> ends() const noexcept { return ends_; }
  /// Bytes of the longest token.
  std::size_t depth() const noexcept { return depth_; }
  const nibble::tokenizer& tokenizer() const noexcept { return *tokenizer_; }
  /// Tokens of the vocabulary.
  std::size_t size() const noexcept { return same_.size(); }
  /// How a token is spelled in the tree: its text, what stands for a control token, or a byte FF, which no text has, for one
  /// without any. Nothing for one that ends a reply, or is none of the vocabulary.
  std::string_view text(token id) const noexcept;
  std::size_t memory_bytes() const noexcept;

  // What no grammar changes, so that masks of states that read nearly any text need not walk all tokens:

  /// The tokens that are characters from their beginning on, and may end within one.
  std::span<const std::uint64_t> texts() const noexcept { return texts_; }
  /// The tokens of the tree: all but those that end a reply.
  std::span<const std::uint64_t> all() const noexcept { return all_; }
  /// The nodes by a byte of ASCII, or one that begins a control token's code, in front of which whole characters stand.
  /// Ascending.
  std::span<const std::uint32_t> nodes_of(unsigned char byte) const noexcept {
    const std::size_t i = byte < 0x80 ? byte : byte >= 0xF5 && byte <= 0xF7 ? 0x80u + (byte - 0xF5u) : node_bytes;
    if (i == node_bytes) return {};
    return std::span<const std::uint32_t>(nodes_of_).subspan(first_of_[i], first_of_[i + 1] - first_of_[i]);
  }
  /// The nodes by any of these bytes in front of which other bytes stand than whole characters. Ascending.
  std::span<const std::uint32_t> broken_nodes() const noexcept { return broken_nodes_; }
  /// Lengths that have a set of their own.
  static constexpr std::size_t lengths = 32;
  /// The tokens that are up to so many characters in a string of JSON, escapes read. For n < lengths.
  std::span<const std::uint64_t> up_to(std::size_t n) const noexcept {
    return std::span<const std::uint64_t>(up_to_).subspan(n * texts_.size(), texts_.size());
  }
  /// A token that is longer than most.
  struct long_token {
    token id;
    std::uint32_t characters;
  };
  /// Those that are longer.
  std::span<const long_token> longer() const noexcept { return longer_; }

 private:
  static constexpr std::size_t node_bytes = 0x83;
  void find_nodes();
  void find_lengths();

  const nibble::tokenizer* tokenizer_;
  std::vector<node> nodes_;
  std::vector<token> same_, ends_;         // same_: another token of the same spelling, or no_token; by token
  std::vector<std::string_view> spelled_;  // by token
  std::string codes_;                      // of control tokens
  std::size_t depth_ = 0;
  std::vector<std::uint64_t> texts_, all_, up_to_;
  std::vector<std::uint32_t> nodes_of_, broken_nodes_;
  std::array<std::uint32_t, node_bytes + 1> first_of_{};
  std::vector<long_token> longer_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
