/// pre_tokenizer: how a byte-level BPE tokenizer cuts text into words before it merges inside of each. To add one: a function
/// and a row in pre_tokenizer-impl.hpp.
///
/// The published rules are regular expressions. Here each is a scanner that says where the word ends that begins at a place: no
/// look-behind, no backtracking, and never more than a constant number of passes over a word.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One pre-tokenizer, by the name that `tokenizer.ggml.pre` has for it.
struct pre_tokenizer {
  std::string_view name;
  /// The end of the word that begins at `at`. Bytes that are no UTF-8 count as characters of no class.
  /// @errors  none (noexcept); precondition: at < text.size()
  std::size_t (*word_end)(std::string_view text, std::size_t at) noexcept;
  bool whole_words;  ///< a word that is a token is taken as it is, whatever its merges would give
  bool composes;     ///< text is brought to Normalization Form C first
  bool adds_bos;     ///< what holds where the file has no add_bos_token
};

/// Every pre-tokenizer this library knows.
extern const std::span<const pre_tokenizer> pre_tokenizers;

/// The pre-tokenizer of that name, or null: another one in its place would give wrong tokens without a word.
const pre_tokenizer* find_pre_tokenizer(std::string_view name) noexcept;

}  // namespace NIBBLE_ABI
}  // namespace nibble
