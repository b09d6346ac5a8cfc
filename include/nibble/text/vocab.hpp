/// vocab: the pieces of a tokenizer, their types, scores and special ids: read from the metadata, validated, then trusted.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/infill_tokens.hpp"
#include "nibble/text/piece_index.hpp"
#include "nibble/text/special_tokens.hpp"
#include "nibble/text/tokenizer_options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// The numbers are those of `tokenizer.ggml.token_type`.
enum class token_type : std::uint8_t { undefined, normal, unknown, control, user_defined, unused, byte };

/// How pieces are written in the file: with U+2581 for a space (those of WordPiece and Unigram, too); with one printable
/// character for each byte; with \n, \t, \r, \x41 and a backslash in front of another character that is meant as it is; or
/// plainly.
enum class vocab_kind : std::uint8_t { sentencepiece, byte_level, wordpiece, unigram, escaped, plain };

/// What a tokenizer model says of its vocabulary. The ids hold where the file names none; -1: there is none then.
struct vocab_rules {
  vocab_kind kind = vocab_kind::sentencepiece;
  int bos = -1, eos = -1;
  bool scores = false;                      ///< they are read, and must be numbers
  std::string_view begins = {}, ends = {};  ///< keys with the ids of bos, where bos_token_id is missing, and of eos
  std::string_view mark = {};               ///< ends a piece that no text becomes, and is no part of what it stands for
};

/// What holds for a tokenizer whose file does not say otherwise.
struct tokenizer_habits {
  bool adds_bos = false, adds_eos = false;
  bool always_adds_bos = false;  ///< whatever the file says
  bool adds_space = false;       ///< in front of a text; decoding leaves it out again
  bool separates_twice = false;  ///< what ends a text stands twice between two that are read together
};

/// The tokens that `tokenizer.ggml.*_token_id` names; each lies within the vocabulary.
struct special_ids {
  std::optional<token> bos, eos, eot, eom, unknown, padding;
  infill_tokens infill = {};
};

/// A vocabulary. All pieces lie in one block of memory, as the text that they stand for; nothing points into the file.
class vocab {
 public:
  /// @errors  missing_key, bad_value, limit_exceeded; unknown_tokenizer: a tokenizer.ggml.model that is not known;
  ///          invalid_tokenizer: what contradicts itself. All name the key, and the token where there is one.
  /// @cost    O(bytes of all pieces)
  static result<vocab> try_load(const metadata& meta, const tokenizer_options& options = {});
#if NIBBLE_EXCEPTIONS
  static vocab load(const metadata& meta, const tokenizer_options& options = {}) { return try_load(meta, options).value(); }
#endif

  std::size_t size() const noexcept { return types_.size(); }
  vocab_kind kind() const noexcept { return kind_; }
  const special_ids& special() const noexcept { return special_; }
  const special_tokens& controls() const noexcept { return controls_; }
  const special_tokens& user_defined() const noexcept { return user_defined_; }
  /// The longest piece that find() can give, in bytes.
  std::size_t longest_piece() const noexcept { return longest_piece_; }
  /// The longest text that a token of any type stands for, in bytes.
  std::size_t longest_token() const noexcept { return longest_token_; }

  /// The bytes that a token stands for; the name of a control token.
  /// Of an id that is no token: nothing, undefined, 0.
  /// @errors  none; precondition: an id of the vocabulary or no_token. Any other is a mistake that NIBBLE_CHECKED reports, and
  ///          no token otherwise
  std::string_view piece(token id) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(may_be_asked(id));
    if (!contains(id)) return {};
    const auto i = static_cast<std::size_t>(id);
    return std::string_view(arena_).substr(begins_[i], begins_[i + 1] - begins_[i]);
  }
  token_type type(token id) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(may_be_asked(id));
    return contains(id) ? types_[static_cast<std::size_t>(id)] : token_type::undefined;
  }
  /// 0 where the file has none.
  float score(token id) const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(may_be_asked(id));
    return static_cast<std::size_t>(id) < scores_.size() ? scores_[static_cast<std::size_t>(id)] : 0.0f;  // -1 is huge
  }
  bool contains(token id) const noexcept { return id >= 0 && static_cast<std::size_t>(id) < size(); }

  /// The token that text may become by merging, or -1. Never a control, unknown, unused or byte token.
  token find(std::string_view piece_bytes) const noexcept { return find(piece_bytes, detail::hash_bytes(piece_bytes)); }
  /// The same with its detail::hash_bytes.
  token find(std::string_view piece_bytes, std::uint64_t hash) const noexcept {
    return pieces_.find(hash, [&](token id) { return piece(id) == piece_bytes; });
  }
  /// The token of one byte, or -1.
  token byte_token(char byte) const noexcept { return bytes_[static_cast<unsigned char>(byte)]; }
  /// Any text can be encoded without an unknown token: every byte is a token, or is left out where it is none.
  bool says_all() const noexcept {
    return kind_ == vocab_kind::byte_level || std::all_of(bytes_.begin(), bytes_.end(), [](token id) { return id >= 0; });
  }
  std::size_t memory_bytes() const noexcept;
  /// The tokens at which generation ends, ascending.
  const std::vector<token>& ends() const noexcept { return ends_; }
  /// White space in front of this token, or behind it, is left out of a text in which the token is found.
  bool strips_before(token id) const noexcept { return id == strips_before_ && id != no_token; }
  bool strips_behind(token id) const noexcept { return std::binary_search(strip_behind_.begin(), strip_behind_.end(), id); }
  /// The tokens that are never chosen, ascending: tokenizer.ggml.suppress_tokens.
  const std::vector<token>& suppressed() const noexcept { return suppressed_; }

 private:
  bool may_be_asked(token id) const noexcept { return id == no_token || contains(id); }
  vocab() = default;
  result<void> try_read_types(const metadata& meta, bool scored);
  result<void> try_add(const std::vector<std::string_view>& texts, std::string_view mark, const limits& most);
  result<void> try_add(std::size_t i, std::string_view text, std::string_view mark, const limits& most);
  result<void> try_index();
  result<void> try_read_special(const metadata& meta, const vocab_rules& rules);
  result<void> try_read_id(const metadata& meta, std::string_view name, int fallback, std::optional<token>& out) const;
  result<void> try_find_unknown(const metadata& meta);
  void find_infill(const metadata& meta);
  result<void> try_read_suppressed(const metadata& meta);
  void find_ends();
  void find_strips(const metadata& meta);
  bool is_mergeable(std::size_t i, bool user_defined) const noexcept;

  vocab_kind kind_ = vocab_kind::sentencepiece;
  bool typed_ = false;  // the file has types
  std::string arena_;
  std::vector<std::uint32_t> begins_;  // size() + 1 places in arena_
  std::vector<token_type> types_;
  std::vector<float> scores_;
  std::vector<bool> foreign_;  // pieces that no merging of text can give: characters outside of the file's alphabet
  piece_index pieces_;
  special_tokens controls_, user_defined_;
  std::size_t special_bytes_ = 0;  // of the names of both
  std::array<token, 256> bytes_{};
  special_ids special_;
  std::vector<token> ends_, suppressed_;
  token strips_before_ = no_token;
  std::vector<token> strip_behind_;  // ascending
  std::size_t longest_piece_ = 0, longest_token_ = 0;
};

namespace detail {
/// Appends text with every U+2581 as a space.
void append_spaced(std::string_view text, std::string& out);
}  // namespace detail

}  // namespace NIBBLE_ABI
}  // namespace nibble
