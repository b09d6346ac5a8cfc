/// sentencepiece_bpe: text to tokens by the scores of pieces, as Llama 1 and 2, Gemma and Phi 3 do it.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class merger;

/// Merges the characters of a text: of all neighbours that together are a piece, those with the highest score first. What is in
/// no piece becomes its bytes' tokens, or the unknown token where there are none.
///
/// Pieces are kept with spaces where the file has U+2581, and so is the text: both are a space.
class sentencepiece_bpe {
 public:
  static constexpr std::string_view name = "llama";
  static result<vocab_rules> rules_of(const metadata&, const tokenizer_options&) {
    return vocab_rules{vocab_kind::sentencepiece, 1, 2, true};
  }
  /// @errors  bad_value; invalid_tokenizer: neither byte tokens nor an unknown token
  static result<sentencepiece_bpe> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& = {});
#if NIBBLE_EXCEPTIONS
  static sentencepiece_bpe load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  tokenizer_habits habits() const noexcept { return {.adds_bos = true, .adds_space = add_space_prefix_}; }
  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(powers_); }

  /// Appends the tokens of `text`.
  /// @param fresh  it begins a text or stands behind a special token: a space goes in front, if the file wants it
  /// @cost         O(n log n) at worst, with n the longest stretch in which all neighbouring bytes occur in some piece
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 private:
  /// Nothing can be merged across two bytes that stand beside each other in no piece: the text is cut there, with equal
  /// results.
  std::size_t stretch_end(std::string_view text) const noexcept;

  void encode_stretch(const vocab& vocabulary, std::string_view text, merger& room, std::size_t begin,
                      std::vector<token>& out) const;

  bool add_space_prefix_ = true;
  token unknown_ = -1;
  std::bitset<65536> neighbours_;
  std::vector<std::uint64_t> powers_;  // of hash_base, up to the longest piece
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
