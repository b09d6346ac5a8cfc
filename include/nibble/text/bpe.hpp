/// byte_level_bpe: text to tokens by a list of merges, as GPT-2, Llama 3, Qwen and SmolLM do it; gemma4_bpe: as Gemma 4 does.
#pragma once

#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/piece_index.hpp"
#include "nibble/text/pre_tokenizer.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class merger;

/// Cuts text into words by the pre-tokenizer, then merges the bytes of each word (or its characters, if that is how the
/// pre-tokenizer's models write their pieces), the earliest merge of the list first.
///
/// Any bytes can be encoded. A byte that is in no token of the vocabulary is left out, as the models' own tokenizers do.
class byte_level_bpe {
 public:
  static constexpr std::string_view name = "gpt2";
  static result<vocab_rules> rules_of(const metadata& meta, const tokenizer_options& options);
  /// @errors  missing_key, bad_value; unknown_tokenizer: a pre-tokenizer that is not known; invalid_tokenizer: a merge whose
  ///          parts or result are no tokens, or that stands there twice. All name the key, and the merge where there is one.
  static result<byte_level_bpe> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& options = {});
#if NIBBLE_EXCEPTIONS
  static byte_level_bpe load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  tokenizer_habits habits() const noexcept;
  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(merges_) + index_.memory_bytes(); }

  /// Appends the tokens of `text`.
  /// @cost  O(n log n) at worst, with n the length of the longest word; linear over words
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 protected:
  result<void> try_read_merges(const metadata& meta, const vocab& vocabulary);

  const pre_tokenizer* split_ = nullptr;

 private:
  struct pair_merge {
    token left, right, merged;
  };

  void encode_word(const vocab& vocabulary, std::string_view word, merger& room, std::vector<token>& out) const;
  void append(const vocab& vocabulary, token id, std::string_view piece, std::vector<token>& out) const;
  result<pair_merge> try_read_merge(const vocab& vocabulary, std::string_view text, std::size_t place) const;

  /// The place of a merge in the list, or -1.
  token find(token left, token right) const noexcept;
  bool is(token place, token left, token right) const noexcept;

  std::vector<pair_merge> merges_;  // by rank
  piece_index index_;
};

/// The same over characters, with one token for each byte that is in no piece; its files have no name of a pre-tokenizer.
class gemma4_bpe : public byte_level_bpe {
 public:
  static constexpr std::string_view name = "gemma4";
  static result<vocab_rules> rules_of(const metadata&, const tokenizer_options&) {
    return vocab_rules{vocab_kind::sentencepiece};
  }
  static result<gemma4_bpe> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& options = {});
#if NIBBLE_EXCEPTIONS
  static gemma4_bpe load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
