/// unigram: text to the tokens that together have the highest score, as T5 and XLM-RoBERTa do it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/charsmap.hpp"
#include "nibble/text/piece_trie.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class merger;

/// Normalizes a text, and of all ways to cut it into pieces takes the one whose scores add up to most. Characters of no piece
/// are unknown, and several of them that follow each other are one unknown token.
///
/// Pieces are kept with spaces where the file has U+2581, and so is the text: both are a space.
/// @source  Kudo 2018, "Subword Regularization"
class unigram {
 public:
  static constexpr std::size_t longest_word = std::size_t{4} << 20;
  static constexpr std::string_view name = "t5";
  static result<vocab_rules> rules_of(const metadata&, const tokenizer_options&) {
    return vocab_rules{vocab_kind::unigram, -1, 1, true};
  }
  /// Pieces longer than piece_trie::longest are not looked for, so that a vocabulary cannot make each character of a text cost
  /// what its longest piece has; those of published ones have 64 bytes at most.
  ///
  /// Reads add_space_prefix, remove_extra_whitespaces (both true where the file is silent) and precompiled_charsmap.
  /// @errors  bad_value; invalid_tokenizer: no unknown token, no scores, a map of characters that contradicts itself
  static result<unigram> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& = {});
#if NIBBLE_EXCEPTIONS
  static unigram load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  tokenizer_habits habits() const noexcept {
    return {.adds_eos = true, .adds_space = add_space_prefix_, .separates_twice = true};
  }
  std::size_t memory_bytes() const noexcept { return map_.memory_bytes() + pieces_.memory_bytes(); }

  /// Appends the tokens of `text`, which may be any bytes: what is no UTF-8 is U+FFFD.
  /// @param fresh  it begins a text or stands behind a special token: a space goes in front, if the file wants it
  /// @cost          O(n * the longest piece), and 16 bytes of memory for each of the longest word; one of more than
  ///                longest_word is cut
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 private:
  class lattice;
  result<void> try_load_map(const metadata& meta);
  std::string normalize(std::string_view text, bool prefix) const;

  charsmap map_;
  piece_trie pieces_;
  bool words_ = true;  // no piece has a space behind its first byte
  bool add_space_prefix_ = true, removes_spaces_ = true;
  token unknown_ = -1;
  double unknown_score_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
