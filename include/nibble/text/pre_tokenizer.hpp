/// pre_tokenizer: how a byte-pair tokenizer cuts text into words before it merges inside of each. To add one: a row in
/// pre_tokenizer-impl.hpp.
///
/// The published rules are regular expressions, applied one after another, each to the parts that the one before left. Here
/// each is a scanner that says where the part ends that begins at a place: no look-behind, no backtracking, and never more than
/// a constant number of passes over a text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nibble/config.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One expression: the end of the part of `text` that begins at `at`, where a part ended before, or at 0. Bytes that are no
/// UTF-8 count as characters of no class.
/// @errors  none (noexcept); precondition: at < text.size()
using split_stage = std::size_t (*)(std::string_view text, std::size_t at) noexcept;

/// What else a pre-tokenizer says of its models' tokenizers.
enum class pre_tokenizer_flags : std::uint8_t {
  none = 0,
  whole_words = 1,       ///< a word that is a token is taken as it is, whatever its merges would give
  composes = 2,          ///< text is brought to Normalization Form C first
  adds_bos = 4,          ///< what holds where the file has no add_bos_token
  characters = 8,        ///< pieces are written as they are, instead of with a printable character for each byte
  whole_lines = 16,      ///< line feeds that are a token together are taken as they are
  always_adds_bos = 32,  ///< whatever the file says
  spaced = 64,           ///< pieces have U+2581 for a space
};
constexpr pre_tokenizer_flags operator|(pre_tokenizer_flags a, pre_tokenizer_flags b) noexcept {
  return static_cast<pre_tokenizer_flags>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

/// One pre-tokenizer, by the name that `tokenizer.ggml.pre` has for it.
struct pre_tokenizer {
  static constexpr std::size_t most_stages = 6;

  std::string_view name;
  std::array<split_stage, most_stages> stages;  ///< null: no more
  pre_tokenizer_flags flags = pre_tokenizer_flags::none;

  constexpr bool has(pre_tokenizer_flags flag) const noexcept {
    return (static_cast<unsigned>(flags) & static_cast<unsigned>(flag)) != 0;
  }
};

/// Every pre-tokenizer this library knows.
extern const std::span<const pre_tokenizer> pre_tokenizers;

/// The pre-tokenizer of that name, or null: another one in its place would give wrong tokens without a word.
const pre_tokenizer* find_pre_tokenizer(std::string_view name) noexcept;

/// The words of a text, one after another: together they are the text.
class word_cursor {
 public:
  word_cursor(const pre_tokenizer& split, std::string_view text) noexcept : stages_(split.stages), text_(text) {
    ends_[0] = text.size();
  }

  /// The next word; empty behind the last one.
  std::string_view next() noexcept {
    if (at_ == text_.size()) return {};
    while (ends_[level_] == at_) --level_;
    for (; level_ < stages_.size() && stages_[level_]; ++level_) {
      const std::string_view part = text_.substr(begins_[level_], ends_[level_] - begins_[level_]);
      begins_[level_ + 1] = at_;
      ends_[level_ + 1] = begins_[level_] + stages_[level_](part, at_ - begins_[level_]);
    }
    const std::string_view word = text_.substr(at_, ends_[level_] - at_);
    at_ = ends_[level_];
    return word;
  }

 private:
  std::array<split_stage, pre_tokenizer::most_stages> stages_;
  std::string_view text_;
  std::size_t at_ = 0, level_ = 0;
  std::array<std::size_t, pre_tokenizer::most_stages + 1> begins_{}, ends_{};  // of what each stage cuts, and the last word
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
