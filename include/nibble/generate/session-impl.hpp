/// The definitions of session.hpp.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "nibble/generate/session.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline generation session_base::generate(std::string_view prompt, generate_options options) {
  const bool fresh = position() == 0;
  const encode_options how{options.parse_special, fresh ? std::nullopt : std::optional(false), false, !fresh};
  return generation(*state_, {tokenizer().encode(prompt, how)}, std::move(options));
}

inline result<generation> session_base::try_generate(std::span<const token> prompt, generate_options options) {
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (static_cast<std::size_t>(prompt[i]) < tokenizer().size()) continue;  // a negative one is huge
    return error(errc::invalid_argument, "token " + std::to_string(i) + " of the prompt: expected 0 to " +
                                             std::to_string(tokenizer().size() - 1) + ", found " + std::to_string(prompt[i]));
  }
  return generation(*state_, {{prompt.begin(), prompt.end()}}, std::move(options));
}

inline result<generation> session_base::try_chat(std::span<const chat_message> messages, generate_options options) {
  const std::string& source = evaluated().chat_template();
  if (source.empty()) return error(errc::missing_key, "tokenizer.chat_template: the model's file has none");
  const auto form = chat_template::try_parse(source);
  if (!form) return form.failure();
  return try_chat(messages, *form, std::move(options));
}

inline result<generation> session_base::try_chat(std::span<const chat_message> messages, const chat_template& form,
                                                 generate_options options) {
  const auto parts = form.try_render(messages);
  if (!parts) return parts.failure();
  return generation(*state_, {tokenizer().encode(*parts, {.eos = false}), true}, std::move(options));
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
