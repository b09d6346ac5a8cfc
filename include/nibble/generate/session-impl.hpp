/// The definitions behind session.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "nibble/generate/session.hpp"
#include "nibble/generate/session_state.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

inline session_base::session_base(std::unique_ptr<evaluation> e) : state_(std::make_unique<session_state>(std::move(e))) {}
inline session_base::session_base(session_base&&) noexcept = default;
inline session_base& session_base::operator=(session_base&&) noexcept = default;
inline session_base::~session_base() = default;

inline void session_base::truncate(std::size_t position) noexcept { state_->transcript.truncate(position); }
inline std::span<const token> session_base::tokens() const noexcept { return state_->transcript.tokens(); }
inline std::size_t session_base::context() const noexcept { return state_->transcript.context(); }
inline const nibble::tokenizer& session_base::tokenizer() const noexcept { return state_->transcript.tokenizer(); }
inline const generation_stats& session_base::stats() const noexcept { return state_->stats; }
inline const evaluation& session_base::evaluated() const noexcept { return state_->transcript.evaluator(); }

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
