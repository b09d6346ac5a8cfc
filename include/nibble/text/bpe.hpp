/// byte_level_bpe: text to tokens by a list of merges, as GPT-2, Llama 3, Qwen and SmolLM do it.
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

/// Cuts text into words by the file's pre-tokenizer, then merges the bytes of each word, the earliest merge of the list first.
///
/// Any bytes can be encoded. A byte that is in no token of the vocabulary is left out, as the models' own tokenizers do.
class byte_level_bpe {
 public:
  /// @errors  missing_key, bad_value; unknown_tokenizer: a tokenizer.ggml.pre that is not known; invalid_tokenizer: a merge
  ///          whose parts or result are no tokens, or that stands there twice. All name the key, and the merge where there is
  ///          one.
  static result<byte_level_bpe> try_load(const metadata& meta, const vocab& vocabulary);
#if NIBBLE_EXCEPTIONS
  static byte_level_bpe load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  bool adds_bos() const noexcept { return split_->adds_bos; }
  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(merges_) + index_.memory_bytes(); }

  /// Appends the tokens of `text`.
  /// @cost  O(n log n) at worst, with n the length of the longest word; linear over words
  void encode(const vocab& vocabulary, std::string_view text, merger& room, std::vector<token>& out) const;

 private:
  struct pair_merge {
    token left, right, merged;
  };

  void encode_word(const vocab& vocabulary, std::string_view word, merger& room, std::vector<token>& out) const;

  /// The place of a merge in the list, or -1.
  token find(token left, token right) const noexcept;
  bool is(token place, token left, token right) const noexcept;

  const pre_tokenizer* split_ = nullptr;
  std::vector<pair_merge> merges_;  // by rank
  piece_index index_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
