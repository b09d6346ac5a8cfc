/// tokenizer: text to the tokens of one model and back, as the model's file describes it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/bpe.hpp"
#include "nibble/text/spm.hpp"
#include "nibble/text/vocab.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

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
};

/// The tokenizer of one model. Immutable after loading: any number of threads may use it.
///
/// @example  auto file = nibble::gguf_file::open("model.gguf");
///           auto tokenizer = nibble::tokenizer::load(file.meta());
///           std::vector<nibble::token> ids = tokenizer.encode("Hello world");
///           std::string text = tokenizer.decode(ids);   // "Hello world"
class tokenizer {
 public:
  /// Nothing of it points into the file afterwards.
  /// @errors  missing_key, bad_value, limit_exceeded, unknown_tokenizer, invalid_tokenizer; the sentence names the key
  /// @cost    O(bytes of all pieces)
  static result<tokenizer> try_load(const metadata& meta, const limits& most = {});
#if NIBBLE_EXCEPTIONS
  static tokenizer load(const metadata& meta, const limits& most = {}) { return try_load(meta, most).value(); }
#endif

  /// The tokens of a text, which may be any bytes. User-defined tokens are recognised always, control tokens only when asked.
  /// @errors  none: a token that the file does not have is not put in front or behind
  /// @cost    O(n log n) at worst, linear over the words of ordinary text
  std::vector<token> encode(std::string_view text, encode_options options = {}) const {
    std::vector<token> out;
    encode(text, out, options);
    return out;
  }
  /// Appends them to `out`.
  void encode(std::string_view text, std::vector<token>& out, encode_options options = {}) const;
  /// The tokens of parts joined to one text, each with its own `special`; options.special has no meaning here.
  std::vector<token> encode(std::span<const prompt_part> parts, encode_options options = {}) const;

  /// The text of tokens, as raw bytes; control and unknown tokens are left out. If the file puts a space in front of every
  /// text, that space is left out too.
  /// @errors  precondition of this and all below that take a token: it is in [0, size())
  std::string decode(std::span<const token> tokens) const;
  /// Appends what a token adds to generated text: nothing for control and unknown tokens.
  void append_piece(token id, std::string& out) const {
    if (is_text(id)) out += piece(id);
  }
  /// The bytes of a token, which may be a part of a character; the name of a control token.
  std::string_view piece(token id) const noexcept { return words_.piece(id); }

  std::size_t size() const noexcept { return words_.size(); }
  std::optional<token> bos() const noexcept { return words_.special().bos; }
  std::optional<token> eos() const noexcept { return words_.special().eos; }
  /// The token that ends a turn of a chat.
  std::optional<token> eot() const noexcept { return words_.special().eot; }
  bool adds_bos() const noexcept { return adds_bos_; }
  bool adds_eos() const noexcept { return adds_eos_; }

  /// Generation ends here: eos, eot, and the control tokens that published models end a turn or a text with.
  bool is_end(token id) const noexcept { return std::binary_search(words_.ends().begin(), words_.ends().end(), id); }
  /// No text: begins, ends and structures it.
  bool is_control(token id) const noexcept { return words_.type(id) == token_type::control; }
  /// The control or user-defined token of this name.
  std::optional<token> find_special(std::string_view name) const noexcept {
    const auto found = words_.controls().find(name);
    return found ? found : words_.user_defined().find(name);
  }
  const vocab& vocabulary() const noexcept { return words_; }

 private:
  using encoder = std::variant<sentencepiece_bpe, byte_level_bpe>;
  class run;

  tokenizer(vocab words, encoder how) : words_(std::move(words)), how_(std::move(how)) {}
  static result<encoder> try_load_encoder(const metadata& meta, const vocab& words);
  bool is_text(token id) const noexcept { return !is_control(id) && words_.type(id) != token_type::unknown; }
  bool adds_space() const noexcept {
    const auto* spm = std::get_if<sentencepiece_bpe>(&how_);
    return spm && spm->add_space_prefix();
  }

  vocab words_;
  encoder how_;
  bool adds_bos_ = false;
  bool adds_eos_ = false;
};

inline result<tokenizer::encoder> tokenizer::try_load_encoder(const metadata& meta, const vocab& words) {
  if (words.kind() == vocab_kind::byte_level) {
    auto bpe = byte_level_bpe::try_load(meta, words);
    if (!bpe) return std::move(bpe).failure();
    return encoder(*std::move(bpe));
  }
  auto spm = sentencepiece_bpe::try_load(meta, words);
  if (!spm) return std::move(spm).failure();
  return encoder(*std::move(spm));
}

inline result<tokenizer> tokenizer::try_load(const metadata& meta, const limits& most) {
  auto words = vocab::try_load(meta, most);
  if (!words) return std::move(words).failure();
  auto how = try_load_encoder(meta, *words);
  if (!how) return std::move(how).failure();
  const auto* bpe = std::get_if<byte_level_bpe>(&*how);
  const auto bos = meta.try_get<bool>("tokenizer.ggml.add_bos_token", bpe ? bpe->adds_bos() : true);
  if (!bos) return bos.failure();
  const auto eos = meta.try_get<bool>("tokenizer.ggml.add_eos_token", false);
  if (!eos) return eos.failure();
  tokenizer out(*std::move(words), *std::move(how));
  out.adds_bos_ = *bos;
  out.adds_eos_ = *eos;
  const auto lacks = [](std::string_view key, std::string_view name) {
    return detail::tokenizer_error(errc::invalid_tokenizer, key, "true, but there is no tokenizer.ggml." + std::string(name));
  };
  if (*bos && !out.bos()) return lacks("add_bos_token", "bos_token_id");
  if (*eos && !out.eos()) return lacks("add_eos_token", "eos_token_id");
  return out;
}

/// One call of encode: the text goes in piece by piece, is joined up to the next control token, and then encoded.
class tokenizer::run {
 public:
  run(const tokenizer& self, std::vector<token>& out, bool fresh) : self_(self), out_(out), fresh_(fresh) {}

  void add(std::string_view text, bool special) {
    std::size_t at = 0;
    if (special)
      for (auto found = self_.words_.controls().next(text, 0); found; found = self_.words_.controls().next(text, at)) {
        joined_ += text.substr(at, found->begin - at);
        finish();
        push(found->id);
        at = found->begin + found->size;
      }
    joined_ += text.substr(at);
  }

  /// Encodes what waits.
  void finish() {
    const std::string_view text = joined_;
    std::size_t at = 0;
    const auto& literal = self_.words_.user_defined();
    for (auto found = literal.next(text, 0); found; found = literal.next(text, at)) {
      encode(text.substr(at, found->begin - at));
      push(found->id);
      at = found->begin + found->size;
    }
    encode(text.substr(at));
    joined_.clear();
  }

 private:
  void push(token id) {
    out_.push_back(id);
    fresh_ = true;
  }
  void encode(std::string_view text) {
    if (text.empty()) return;
    if (const auto* spm = std::get_if<sentencepiece_bpe>(&self_.how_))
      spm->encode(self_.words_, text, fresh_ && spm->add_space_prefix(), room_, out_);
    else if (const auto* bpe = std::get_if<byte_level_bpe>(&self_.how_))
      bpe->encode(self_.words_, text, room_, out_);
    fresh_ = false;
  }

  const tokenizer& self_;
  std::vector<token>& out_;
  merger room_;
  std::string joined_;
  bool fresh_;  // at the beginning, or behind a special token: where a space prefix belongs
};

inline void tokenizer::encode(std::string_view text, std::vector<token>& out, encode_options options) const {
  if (options.bos.value_or(adds_bos_) && bos()) out.push_back(*bos());
  run pass(*this, out, !options.continues);
  pass.add(text, options.special);
  pass.finish();
  if (options.eos.value_or(adds_eos_) && eos()) out.push_back(*eos());
}

inline std::vector<token> tokenizer::encode(std::span<const prompt_part> parts, encode_options options) const {
  std::vector<token> out;
  if (options.bos.value_or(adds_bos_) && bos()) out.push_back(*bos());
  run pass(*this, out, !options.continues);
  for (const auto& part : parts) pass.add(part.text, part.special);
  pass.finish();
  if (options.eos.value_or(adds_eos_) && eos()) out.push_back(*eos());
  return out;
}

inline std::string tokenizer::decode(std::span<const token> tokens) const {
  std::string out;
  for (const token id : tokens) append_piece(id, out);
  if (adds_space() && out.starts_with(' ')) out.erase(0, 1);
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
