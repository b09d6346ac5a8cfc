/// chat_template: messages to the prompt that a chat model was trained on, by the template of its file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/file/limits.hpp"
#include "nibble/gguf/metadata.hpp"
#include "nibble/text/answer/format.hpp"
#include "nibble/text/json.hpp"
#include "nibble/text/template/jinja_template.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// One turn of a conversation. Which roles there are says the template: "system", "user", "assistant", mostly "tool".
struct chat_message {
  std::string role;
  std::string content;
  /// An object of what else it has: tool_calls, tool_call_id, name; a content of it takes the place of the text.
  json more = {};
};

/// What a template has written at the end of a prompt: a reply goes on from there, and chat_parser and tool_rules want to know.
/// What people wrote there is left out. Valid as long as the prompt.
std::string_view prompt_end(std::span<const prompt_part> prompt) noexcept;

struct chat_answer;
/// The message of an answer, for the conversation to go on with: its text, and its calls, whose arguments are objects.
/// The reasoning is left out.
chat_message message_of(const chat_answer& answer);

/// Whether a reply calls tools.
enum class tool_choice : std::uint8_t {
  automatic,      ///< as the model likes: text, or calls that are right
  required,       ///< it calls
  none,           ///< it does not
  unconstrained,  ///< whatever the model writes
};

/// What a prompt says besides its messages, and what that means for the reply.
/// @example  const auto extra = nibble::json::parse(R"({"enable_thinking": false})");
///           session.chat(talk, {.tools = nibble::json::parse(tools), .extra = extra});
struct chat_options {
  json tools = {};                       ///< an array of tools as the template knows them, or null
  bool add_generation_prompt = true;     ///< ends with the beginning of the assistant's turn, for the model to go on
  json extra = {};                       ///< an object of further variables, or null; those above are not replaced
  std::optional<std::int64_t> now = {};  ///< see template_options
  /// With tools, a session leaves only tokens that go on as the model's format and the tools' schemas say: see tool_grammar.
  nibble::tool_choice tool_choice = nibble::tool_choice::automatic;
  std::string only_tool = {};  ///< the one that may be called; empty: any
  bool parallel_calls = true;  ///< several in a reply
};

/// How a model wants a conversation written.
///
/// What people wrote stays text, whatever names stand in a message, in a tool or in another variable: only in what the template
/// itself writes do the names of control tokens become tokens.
/// @example  auto chat = nibble::chat_template::from(file.meta(), &tokenizer);
///           std::vector<nibble::chat_message> talk = {{"user", "Who are you?"}};
///           std::vector<nibble::token> ids = tokenizer.encode(chat.render(talk));
class chat_template {
 public:
  /// The template that a file carries as tokenizer.chat_template, and the one for conversations with tools, where there is one.
  /// @param words  names the tokens that begin and end a text; without it the template knows no name of the latter
  /// @errors  missing_key, bad_value: none; malformed, limit_exceeded: see jinja_template
  static result<chat_template> try_from(const metadata& meta, const tokenizer* words = nullptr, const limits& limits = {});
  /// @errors  malformed, limit_exceeded
  /// @cost    O(source.size())
  static result<chat_template> try_parse(std::string_view source, const limits& limits = {});
  /// ChatML (<|im_start|>), for files without a template; with a system message for conversations that begin without one, if
  /// not empty. It is taken for the template's own; what users wrote belongs into a message.
  static chat_template chatml(std::string system = {});
  /// That of Gemma 1 to 3 (<start_of_turn>), for files without a template.
  static chat_template gemma();
#if NIBBLE_EXCEPTIONS
  static chat_template from(const metadata& meta, const tokenizer* words = nullptr, const limits& limits = {}) {
    return try_from(meta, words, limits).value();
  }
  static chat_template parse(std::string_view source, const limits& limits = {}) { return try_parse(source, limits).value(); }
#endif

  /// The prompt for a conversation, for tokenizer::encode. The token that begins a text comes in front where the template or
  /// the tokenizer's file asks for it, and once.
  /// @errors  invalid_argument: no messages, or the template refuses them; limit_exceeded
  /// @cost    see jinja_template
  result<std::vector<prompt_part>> try_render(std::span<const chat_message> messages, const chat_options& options = {}) const;
#if NIBBLE_EXCEPTIONS
  std::vector<prompt_part> render(std::span<const chat_message> messages, const chat_options& options = {}) const {
    return try_render(messages, options).value();
  }
#endif

  /// Whether it looks at a variable of this name, such as tools or enable_thinking.
  bool reads(std::string_view variable) const noexcept { return plain_.reads(variable) || (tools_ && tools_->reads(variable)); }
  /// How its models write reasoning and calls of tools.
  const answer_syntax& answers() const noexcept { return answers_; }
  /// Bytes that it has allocated.
  std::size_t memory_bytes() const noexcept;

 private:
  explicit chat_template(jinja_template plain);

  jinja_template plain_;
  std::optional<jinja_template> tools_;  // for conversations with tools, if they have their own
  answer_syntax answers_;
  std::vector<std::pair<std::string, std::string>> own_;  // what the template calls its tokens
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
