/// plamo_lattice: text to the tokens that together have the highest score, or bytes, as PLaMo 2 does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/piece_trie.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class merger;

/// Of all ways to cut a text into pieces takes the one whose scores, in ten-thousandths, add up to most; where several do, the
/// longest pieces first. A character that is in no better way a part of a piece becomes the tokens of its bytes.
///
/// Pieces are kept as the file has them. What is no UTF-8 is U+FFFD, and a byte order mark in front of a text is left out.
/// @source  llama.cpp, llama-vocab.cpp, and the tokenizer that PLaMo 2 is published with
class plamo_lattice {
 public:
  static constexpr std::string_view name = "plamo2";
  static result<vocab_rules> rules_of(const metadata&, const tokenizer_options&) {
    return vocab_rules{vocab_kind::plain, 1, 2, true};
  }
  /// @errors  invalid_tokenizer: no scores, a byte without a token, a piece longer than piece_trie::longest
  static result<plamo_lattice> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& = {});
#if NIBBLE_EXCEPTIONS
  static plamo_lattice load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  tokenizer_habits habits() const noexcept { return {}; }
  std::size_t memory_bytes() const noexcept { return pieces_.memory_bytes(); }

  /// Appends the tokens of `text`.
  /// @cost  O(n * the longest piece), and 16 bytes of memory for each of the text, up to a bound
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 private:
  struct place;  // the best way from there to the end
  void encode_part(const vocab& vocabulary, std::string_view part, std::vector<place>& best, std::vector<token>& out) const;

  piece_trie pieces_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
