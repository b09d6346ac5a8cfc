/// tokenizer: text to the tokens of one model and back, as the model's file describes it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/tokenizer_options.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
class word_encoder;
}

/// What becomes of names of control tokens, and of the ends of a text.
struct encode_options {
  bool special = false;          ///< the names of control tokens in the text are those tokens, not text
  std::optional<bool> bos = {};  ///< put the token in front that begins a text; else as the file says
  std::optional<bool> eos = {};  ///< put the token behind that ends a text; else as the file says
  bool continues = false;        ///< other text came before: no space is put in front, whatever the file says
};

/// A part of a prompt: what a program wrote, in which the names of control tokens count, or what somebody else did.
struct prompt_part {
  std::string text;
  bool special = false;
  bool begins = false;  ///< the token that begins a text comes in front of the prompt, even if the file adds none; once
};

/// The tokenizer of one model. Immutable after loading: any number of threads may use it. One that was moved from can only be
/// assigned to or destroyed: precondition of all its functions.
///
/// @example  auto tokenizer = nibble::tokenizer::load("model.gguf");   // weights are not looked at, and need not be there
///           std::vector<nibble::token> ids = tokenizer.encode("Hello world");
///           std::string text = tokenizer.decode(ids);   // "Hello world"
class tokenizer {
 public:
  /// Nothing of it points into the file afterwards.
  /// @errors  missing_key, bad_value, limit_exceeded, unknown_tokenizer, invalid_tokenizer; the sentence names the key
  /// @cost    O(bytes of all pieces)
  static result<tokenizer> try_load(const metadata& meta, const tokenizer_options& options = {});
  /// That of a GGUF file, which may be a whole model or a vocabulary alone.
  /// @errors  those of gguf_file::open, too; the sentence begins with the file
  static result<tokenizer> try_load(const std::filesystem::path& path, const tokenizer_options& options = {});
#if NIBBLE_EXCEPTIONS
  static tokenizer load(const metadata& meta, const tokenizer_options& options = {}) { return try_load(meta, options).value(); }
  static tokenizer load(const std::filesystem::path& path, const tokenizer_options& options = {}) {
    return try_load(path, options).value();
  }
#endif

  /// The tokens of a text, which may be any bytes. User-defined tokens are recognized always, control tokens only when asked.
  /// What stands between them is brought to Normalization Form C where the model's own tokenizer does so (Qwen's).
  /// @errors  none: a token that the file does not have is not put in front or behind
  /// @cost    O(n log n) at worst, linear over the words of ordinary text
  std::vector<token> encode(std::string_view text, encode_options options = {}) const;
  /// Appends them to `out`.
  void encode(std::string_view text, std::vector<token>& out, encode_options options = {}) const;
  /// The tokens of parts joined to one text, each with its own `special`; options.special has no meaning here.
  std::vector<token> encode(std::span<const prompt_part> parts, encode_options options = {}) const;

  /// The text of tokens, as raw bytes; control and unknown tokens are left out. If the file puts a space in front of every
  /// text, that space is left out too. Ids that are no token, such as no_token, add nothing: this holds for all below.
  /// @errors  none; precondition: ids of the vocabulary or no_token. Any other is a mistake that NIBBLE_CHECKED reports
  std::string decode(std::span<const token> tokens) const;
  /// Appends what a token adds to generated text: nothing for control and unknown tokens.
  void append_piece(token id, std::string& out) const {
    if (is_text(id)) out += piece(id);
  }
  /// The bytes of a token, which may be a part of a character; the name of a control token.
  std::string_view piece(token id) const& NIBBLE_NOEXCEPT { return vocab_.piece(id); }
  std::string_view piece(token id) const&& = delete;

  std::size_t size() const noexcept { return vocab_.size(); }
  /// The tokens that begin and end a text, if there are such.
  std::optional<token> bos() const noexcept { return vocab_.special().bos; }
  std::optional<token> eos() const noexcept { return vocab_.special().eos; }
  /// The token that ends a turn of a chat.
  std::optional<token> eot() const noexcept { return vocab_.special().eot; }
  bool adds_bos() const noexcept { return adds_bos_; }
  bool adds_eos() const noexcept { return adds_eos_; }
  /// Whether the token that ends a text stands twice between two that are read together, as XLM-RoBERTa has it.
  bool separates_twice() const noexcept { return separates_twice_; }

  /// Generation ends here: eos, eot, and the control tokens that published models end a turn or a text with.
  bool is_end(token id) const noexcept;
  /// No text: begins, ends and structures it.
  bool is_control(token id) const NIBBLE_NOEXCEPT { return vocab_.type(id) == token_type::control; }
  /// The control or user-defined token of this name.
  std::optional<token> find_special(std::string_view name) const noexcept;
  /// Bytes that it has allocated; copies share some of them.
  std::size_t memory_bytes() const noexcept;
  const vocab& vocabulary() const& noexcept { return vocab_; }
  const vocab& vocabulary() const&& = delete;

 private:
  class run;

  tokenizer(vocab vocabulary, std::shared_ptr<const detail::word_encoder> encoder, std::size_t encoder_bytes) noexcept;
  bool is_text(token id) const NIBBLE_NOEXCEPT { return !is_control(id) && vocab_.type(id) != token_type::unknown; }

  vocab vocab_;
  std::shared_ptr<const detail::word_encoder> encoder_;
  std::size_t encoder_bytes_ = 0;  // of the object itself
  bool adds_bos_ = false;
  bool adds_eos_ = false;
  bool adds_space_ = false;
  bool separates_twice_ = false;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
