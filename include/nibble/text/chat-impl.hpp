/// The definitions behind chat.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "nibble/text/chat.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The system message that a ChatML template writes when there is none: the text of a quoted
/// '<|im_start|>system\n...<|im_end|>'.
inline std::string default_system(std::string_view source) {
  constexpr std::string_view open = "<|im_start|>system", close = "<|im_end|>";
  for (std::size_t at = source.find(open); at != source.npos; at = source.find(open, at + 1)) {
    std::string_view text = source.substr(at + open.size());
    if (text.starts_with("\\n"))
      text.remove_prefix(2);
    else if (text.starts_with('\n'))
      text.remove_prefix(1);
    else
      continue;
    const std::size_t end = text.find(close);
    if (end == text.npos || text.substr(0, end).find_first_of("'\"{}") != text.npos) continue;
    std::string out;
    for (std::string_view rest = text.substr(0, end); !rest.empty(); rest.remove_prefix(1)) {
      const bool newline = rest.starts_with("\\n");
      out += newline ? '\n' : rest.front();
      if (newline) rest.remove_prefix(1);
    }
    return out;
  }
  return {};
}

inline std::string_view without_margins(std::string_view text) noexcept {
  constexpr std::string_view space = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(space);
  return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(space) + 1 - first);
}

inline error message_error(std::size_t i, const std::string& what) {
  return error(errc::invalid_argument, "message " + std::to_string(i) + ": " + what);
}

}  // namespace detail

chat_template::chat_template(format form, std::string system, bool takes_system)
    : form_(form), system_(std::move(system)), takes_system_(takes_system) {}

chat_template chat_template::chatml(std::string system) { return chat_template(format::chatml, std::move(system), true); }
chat_template chat_template::gemma() { return chat_template(format::gemma, {}, true); }

result<chat_template> chat_template::try_from(const metadata& meta) {
  constexpr std::string_view key = "tokenizer.chat_template";
  const auto source = meta.try_get<std::string_view>(key);
  if (!source) return source.failure();
  auto parsed = try_parse(*source);
  if (!parsed) return std::move(parsed).failure().in("key " + detail::quoted(key));
  return parsed;
}

result<chat_template> chat_template::try_parse(std::string_view source) {
  const auto has = [&](std::string_view mark) { return source.find(mark) != source.npos; };
  if (has("<|im_start|>") && has("<|im_end|>")) return chatml(detail::default_system(source));
  if (has("<start_of_turn>") && has("<end_of_turn>"))
    return chat_template(format::gemma, {}, !has("System role not supported"));
  return error(errc::bad_value,
               "a chat template of a form that is not known; known are ChatML (<|im_start|>) and Gemma's "
               "(<start_of_turn>)");
}

result<std::vector<prompt_part>> chat_template::try_render(std::span<const chat_message> messages, bool reply) const {
  if (messages.empty()) return error(errc::invalid_argument, "a conversation needs a message");
  return form_ == format::chatml ? try_render_chatml(messages, reply) : try_render_gemma(messages, reply);
}

result<std::vector<prompt_part>> chat_template::try_render_chatml(std::span<const chat_message> messages, bool reply) const {
  std::vector<prompt_part> out;
  const auto turn = [&](std::string_view role, std::string_view content) {
    out.push_back({"<|im_start|>", true});
    out.push_back({std::string(role).append("\n").append(content), false});
    out.push_back({"<|im_end|>\n", true});
  };
  if (!system_.empty() && messages.front().role != "system") turn("system", system_);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role.empty()) return detail::message_error(i, "a role is missing");
    turn(messages[i].role, messages[i].content);
  }
  if (reply) out.push_back({"<|im_start|>assistant\n", true});
  return out;
}

result<std::vector<prompt_part>> chat_template::try_render_gemma(std::span<const chat_message> messages, bool reply) const {
  std::vector<prompt_part> out;
  std::string system;
  std::size_t turns = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto& [role, content] = messages[i];
    if (role == "system" && i == 0 && takes_system_) {  // goes before the first turn of the user
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
