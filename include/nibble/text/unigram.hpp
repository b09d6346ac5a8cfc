/// unigram: text to the tokens that together have the highest score, as T5 and XLM-RoBERTa do it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/charsmap.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Normalizes a text, and of all ways to cut it into pieces takes the one whose scores add up to most. Characters of no piece
/// are unknown, and several of them that follow each other are one unknown token.
///
/// Pieces are kept with spaces where the file has U+2581, and so is the text: both are a space.
/// @source  Kudo 2018, "Subword Regularization"
class unigram {
 public:
  /// Longer pieces are not looked for, so that a vocabulary cannot make each character of a text cost what its longest has.
  /// Those of published ones have 64 bytes at most.
  static constexpr std::size_t longest_piece = 256;

  /// Reads add_space_prefix, remove_extra_whitespaces (both true where the file is silent) and precompiled_charsmap.
  /// @errors  bad_value; invalid_tokenizer: no unknown token, no scores, a map of characters that contradicts itself
  static result<unigram> try_load(const metadata& meta, const vocab& vocabulary);
#if NIBBLE_EXCEPTIONS
  static unigram load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  bool add_space_prefix() const noexcept { return add_space_prefix_; }
  std::size_t memory_bytes() const noexcept { return map_.memory_bytes(); }

  /// Appends the tokens of `text`, which may be any bytes: what is no UTF-8 is U+FFFD.
  /// @param prefix  put a space in front, if there is any text
  /// @cost          O(n * the longest piece), of which 256 bytes count at most
  void encode(const vocab& vocabulary, std::string_view text, bool prefix, std::vector<token>& out) const;

 private:
  std::string normalize(std::string_view text, bool prefix) const;

  charsmap map_;
  bool add_space_prefix_ = true, removes_spaces_ = true;
  token unknown_ = -1;
  double unknown_score_ = 0;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
