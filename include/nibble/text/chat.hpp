/// chat_template: messages to the prompt that a chat model was trained on, chosen by what the file's own template looks like.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One turn of a conversation. Roles are "system", "user" and "assistant"; ChatML takes others too.
struct chat_message {
  std::string role;
  std::string content;
};

namespace detail {
enum class chat_format { chatml, gemma };

/// What is known of a template.
struct known_template {
  chat_format form = chat_format::chatml;
  bool bos = false;          ///< begins with the token that begins a text
  bool takes_system = true;  ///< else a system message is an error
  bool usual_roles = false;  ///< other roles than system, user and assistant are an error
  std::string system = {};   ///< the message of conversations that bring none
};
}  // namespace detail

/// How a model wants a conversation written. Known are ChatML (<|im_start|>) and Gemma's (<start_of_turn>), in their plain
/// form: without tools, without hidden reasoning.
///
/// The template of a file is not run. It is taken for one of these forms only where it is a published one whose prompts are
/// known to be equal, up to its spelling; any other is an error, and the caller names the form.
///
/// What people wrote stays text, whatever names stand in a message: only in what the template itself writes, its default
/// system message included, do the names of control tokens become tokens.
/// @example  auto chat = nibble::chat_template::from(file.meta());
///           std::vector<nibble::chat_message> talk = {{"user", "Who are you?"}};
///           std::vector<nibble::token> ids = tokenizer.encode(chat.render(talk));
class chat_template {
 public:
  using format = detail::chat_format;

  /// The template that the file carries as tokenizer.chat_template.
  /// @errors  missing_key, bad_value: none, or none whose prompts are known
  static result<chat_template> try_from(const metadata& meta);
  /// @errors  bad_value: none whose prompts are known
  /// @cost    O(source.size())
  static result<chat_template> try_parse(std::string_view source);
  /// ChatML, with a system message for conversations that begin without one, if not empty. It is taken for the template's own;
  /// what users wrote belongs into a message.
  static chat_template chatml(std::string system = {});
  static chat_template gemma();
#if NIBBLE_EXCEPTIONS
  static chat_template from(const metadata& meta) { return try_from(meta).value(); }
  static chat_template parse(std::string_view source) { return try_parse(source).value(); }
#endif

  /// The prompt for a conversation, for tokenizer::encode. The token that begins a text comes in front where the template or
  /// the tokenizer's file asks for it.
  /// @param reply  end with the beginning of the assistant's turn, for the model to go on
  /// @errors  invalid_argument: no messages, a role that the form has no place for
  /// @cost    O(bytes of the messages)
  result<std::vector<prompt_part>> try_render(std::span<const chat_message> messages, bool reply = true) const;
#if NIBBLE_EXCEPTIONS
  std::vector<prompt_part> render(std::span<const chat_message> messages, bool reply = true) const {
    return try_render(messages, reply).value();
  }
#endif

  format form() const noexcept { return known_.form; }
  /// Bytes that it has allocated.
  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(known_.system); }
  /// The system message of conversations that bring none.
  const std::string& system() const& noexcept { return known_.system; }
  std::string system() const&& { return known_.system; }

 private:
  explicit chat_template(detail::known_template known) : known_(std::move(known)) {}
  result<std::vector<prompt_part>> try_render_chatml(std::span<const chat_message> messages, bool reply) const;
  result<std::vector<prompt_part>> try_render_gemma(std::span<const chat_message> messages, bool reply) const;

  detail::known_template known_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
