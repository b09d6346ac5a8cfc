/// whitespace_bpe: text to tokens by a list of merges, without the whitespace, as Jina's Chinese embedding model does it.
#pragma once

#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/bpe.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// Leaves whitespace out and makes tokens of what stands between as byte_level_bpe does, in lower case if the file says so
/// (`tokenizer.ggml.normalizer.lowercase`). So decoding gives a text without its spaces.
class whitespace_bpe : public byte_level_bpe {
 public:
  static constexpr std::string_view name = "whitespace";
  /// @errors  those of byte_level_bpe; bad_value: a lowercase that is no bool
  static result<whitespace_bpe> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& options = {});
#if NIBBLE_EXCEPTIONS
  static whitespace_bpe load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  /// Appends the tokens of `text`.
  /// @cost  that of byte_level_bpe
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 private:
  bool lowercases_ = false;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
