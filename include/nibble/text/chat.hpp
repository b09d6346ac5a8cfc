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

/// How a model wants a conversation written. Known are ChatML (<|im_start|>) and Gemma's (<start_of_turn>), in their plain
/// form: without tools, without hidden reasoning.
///
/// The template of a file is not run. It is taken for one of these forms only where it is a published one whose prompts are
/// known to be equal, up to its spelling; any other is an error, and the caller names the form.
///
/// What people wrote stays text: only the template's own marks become control tokens, whatever names stand in a message.
/// @example  auto chat = nibble::chat_template::from(file.meta());
///           std::vector<nibble::chat_message> talk = {{"user", "Who are you?"}};
///           std::vector<nibble::token> ids = tokenizer.encode(chat.render(talk));
class chat_template {
 public:
  enum class format { chatml, gemma };

  /// The template that the file carries as tokenizer.chat_template.
  /// @errors  missing_key, bad_value: none, or none whose prompts are known
  static result<chat_template> try_from(const metadata& meta);
  /// @errors  bad_value: none whose prompts are known
  /// @cost    O(source.size())
  static result<chat_template> try_parse(std::string_view source);
  /// ChatML, with a system message for conversations that begin without one, if not empty.
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

  format form() const noexcept { return form_; }
  /// Bytes that it has allocated.
  std::size_t memory_bytes() const noexcept { return detail::heap_bytes(system_); }
  /// The system message of conversations that bring none.
  const std::string& system() const& noexcept { return system_; }
  std::string system() const&& { return system_; }

 private:
  chat_template(format form, std::string system) : form_(form), system_(std::move(system)) {}
  result<std::vector<prompt_part>> try_render_chatml(std::span<const chat_message> messages, bool reply) const;
  result<std::vector<prompt_part>> try_render_gemma(std::span<const chat_message> messages, bool reply) const;

  format form_;
  std::string system_;
  bool bos_ = false;          // the template writes the token that begins a text
  bool takes_system_ = true;  // else a system message is an error
  bool usual_roles_ = false;  // system, user and assistant only
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
