/// hybrid_dna: text to tokens by a list of merges, and sequences of DNA by six bases a token, as Carbon does it.
#pragma once

#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/bpe.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What stands between <dna> and </dna>, or the end of the text, is cut into six bases a token, in capitals; too few at the end
/// are filled up with A, and six that are no token are <oov>. All other text is byte_level_bpe's. So decoding of DNA gives
/// capitals, and what was filled up.
///
/// Files write a token of bases with U+E000 behind it, which tells CCCCCC of DNA from that of words, and is no part of its
/// text.
class hybrid_dna : public byte_level_bpe {
 public:
  static constexpr std::string_view name = "hybriddna";
  static constexpr std::size_t bases = 6;

  static result<vocab_rules> rules_of(const metadata& meta, const tokenizer_options& options);
  /// @errors  those of byte_level_bpe; invalid_tokenizer: six bases that are a token twice. Without <dna>, </dna> and <oov> all
  ///          text is words.
  static result<hybrid_dna> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& options = {});
#if NIBBLE_EXCEPTIONS
  static hybrid_dna load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  std::size_t memory_bytes() const noexcept { return byte_level_bpe::memory_bytes() + sequences_.memory_bytes(); }

  /// Appends the tokens of `text`.
  /// @cost  that of byte_level_bpe
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 private:
  result<void> try_read_sequences(const vocab& vocabulary);
  void encode_dna(const vocab& vocabulary, std::string_view sequence, std::vector<token>& out) const;

  piece_index sequences_;  // of six bases
  token begin_ = no_token, end_ = no_token, unknown_ = no_token;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
