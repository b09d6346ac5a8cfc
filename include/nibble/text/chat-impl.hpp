/// The definitions behind chat.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/text/chat.hpp"
#include "nibble/text/known_templates.hpp"
#include "nibble/text/margin.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline std::string_view without_margins(std::string_view text) noexcept {
  while (const std::size_t size = margin(text, false)) text.remove_prefix(size);
  while (const std::size_t size = margin(text, true)) text.remove_suffix(size);
  return text;
}

inline error message_error(std::size_t i, const std::string& what) {
  return error(errc::invalid_argument, "message " + std::to_string(i) + ": " + what);
}

}  // namespace detail

chat_template chat_template::chatml(std::string system) { return chat_template({.system = std::move(system)}); }
chat_template chat_template::gemma() { return chat_template({.form = format::gemma, .bos = true}); }

result<chat_template> chat_template::try_from(const metadata& meta) {
  constexpr std::string_view key = "tokenizer.chat_template";
  const auto source = meta.try_get<std::string_view>(key);
  if (!source) return source.failure();
  if (source->empty()) return error(errc::missing_key, "key " + detail::quoted(key) + " is empty");
  auto parsed = try_parse(*source);
  if (!parsed) return std::move(parsed).failure().in("key " + detail::quoted(key));
  return parsed;
}

result<chat_template> chat_template::try_parse(std::string_view source) {
  auto known = detail::find_known_template(source);
  if (!known)
    return error(errc::bad_value,
                 "a chat template that is not known, and templates are not run; give the form of the model's prompts, for "
                 "instance chat_template::chatml()");
  return chat_template(*std::move(known));
}

result<std::vector<prompt_part>> chat_template::try_render(std::span<const chat_message> messages, bool reply) const {
  if (messages.empty()) return error(errc::invalid_argument, "a conversation needs a message");
  return known_.form == format::chatml ? try_render_chatml(messages, reply) : try_render_gemma(messages, reply);
}

result<std::vector<prompt_part>> chat_template::try_render_chatml(std::span<const chat_message> messages, bool reply) const {
  std::vector<prompt_part> out;
  if (known_.bos) out.push_back({{}, true, true});
  const auto turn = [&](std::string_view role, std::string_view content, bool special) {
    out.push_back({"<|im_start|>", true});
    out.push_back({std::string(role).append("\n").append(content), special});
    out.push_back({"<|im_end|>\n", true});
  };
  if (!known_.system.empty() && messages.front().role != "system") turn("system", known_.system, true);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role.empty()) return detail::message_error(i, "a role is missing");
    if (known_.usual_roles && role != "system" && role != "user" && role != "assistant")
      return detail::message_error(i,
                                   "a role " + detail::quoted(role) + " has no place here; expected system, user or assistant");
    turn(role, messages[i].content, false);
  }
  if (reply) out.push_back({"<|im_start|>assistant\n", true});
  return out;
}

result<std::vector<prompt_part>> chat_template::try_render_gemma(std::span<const chat_message> messages, bool reply) const {
  std::vector<prompt_part> out;
  if (known_.bos) out.push_back({{}, true, true});
  std::string system;
  std::size_t turns = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    if (role == "system" && i == 0 && known_.takes_system) {  // goes before the first turn of the user
      system = content + "\n\n";
      continue;
    }
    const bool user = role == "user";
    if (!user && role != "assistant" && role != "model")
      return detail::message_error(i, "a role " + detail::quoted(role) + " has no place here; expected user or assistant");
    if (user != (turns++ % 2 == 0)) return detail::message_error(i, "user and assistant have to alternate, the user first");
    out.push_back({"<start_of_turn>", true});
    out.push_back(
        {std::string(user ? "user\n" : "model\n").append(std::exchange(system, {})).append(detail::without_margins(content)),
         false});
    out.push_back({"<end_of_turn>\n", true});
  }
  if (turns == 0) return error(errc::invalid_argument, "a conversation needs a message of the user");
  if (reply) out.push_back({"<start_of_turn>model\n", true});
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
