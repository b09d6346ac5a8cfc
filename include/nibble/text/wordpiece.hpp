/// wordpiece: text to tokens by the longest pieces of each word, as BERT does it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class merger;

/// Cleans a text, cuts it into words, and each word into the longest pieces there are, from its beginning on. A word that is
/// not made of pieces is the unknown token, and so is one of more than a hundred characters.
///
/// Cleaning leaves out what no text shows; a space, a tab, the end of a line ends a word, and a mark of punctuation or an
/// ideograph of Chinese is one by itself. Models that are not told cases apart take letters in lower case and without accents.
///
/// Files have U+2581 in front of pieces that begin a word.
/// @source  Devlin et al. 2019; Schuster and Nakajima 2012
class wordpiece {
 public:
  static constexpr std::string_view name = "bert";
  static constexpr std::size_t longest_word = 100;

  static result<vocab_rules> rules_of(const metadata&, const tokenizer_options&) {  // the second key with its spelling
    return vocab_rules{vocab_kind::wordpiece, 101, 102, false, "cls_token_id", "seperator_token_id"};
  }

  /// Whether letters lose their case and their accents is what the file says in tokenizer.ggml.normalizer.lowercase and
  /// .strip_accents; where it says nothing they do, unless there are pieces with capitals.
  /// @errors  bad_value; invalid_tokenizer: no unknown token
  static result<wordpiece> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& = {});
#if NIBBLE_EXCEPTIONS
  static wordpiece load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  tokenizer_habits habits() const noexcept { return {.adds_bos = true, .adds_eos = true, .adds_space = true}; }
  std::size_t memory_bytes() const noexcept { return 0; }

  bool lowercases() const noexcept { return lowercases_; }
  bool strips_accents() const noexcept { return strips_accents_; }

  /// Appends the tokens of `text`, which may be any bytes: what is no UTF-8 is left out.
  /// @cost  O(n * the longest piece)
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 private:
  class words;

  bool lowercases_ = true, strips_accents_ = true;
  token unknown_ = -1;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
