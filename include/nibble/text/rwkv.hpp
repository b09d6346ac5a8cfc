/// rwkv_trie: text to tokens by the longest piece at each place, as RWKV World does it.
#pragma once

#include <string_view>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/piece_trie.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class merger;

/// Takes the longest piece that the rest of the text begins with, again and again. A byte that no piece begins with is the
/// unknown token, or left out where there is none.
///
/// Pieces are any bytes, written in the file with \n, \t, \r and \x41.
class rwkv_trie {
 public:
  static constexpr std::string_view name = "rwkv";
  static result<vocab_rules> rules_of(const metadata&, const tokenizer_options&) { return vocab_rules{vocab_kind::escaped}; }
  /// @errors  invalid_tokenizer: a piece longer than piece_trie::longest
  static result<rwkv_trie> try_load(const metadata& meta, const vocab& vocabulary, const tokenizer_options& options = {});
#if NIBBLE_EXCEPTIONS
  static rwkv_trie load(const metadata& meta, const vocab& vocabulary) { return try_load(meta, vocabulary).value(); }
#endif

  tokenizer_habits habits() const noexcept { return {}; }
  std::size_t memory_bytes() const noexcept { return pieces_.memory_bytes(); }

  /// Appends the tokens of `text`.
  /// @cost  O(n * longest piece)
  void encode(const vocab& vocabulary, std::string_view text, bool fresh, merger& room, std::vector<token>& out) const;

 private:
  piece_trie pieces_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
