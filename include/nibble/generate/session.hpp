/// session: one conversation with a model: its tokens, its KV cache, and the memory to go on.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/generation.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/generate/sequence.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/options.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What generate() may call with each event: returning false ends the generation.
template <class F>
concept event_consumer = std::invocable<F&, const token_event&> &&
    (std::is_void_v<std::invoke_result_t<F&, const token_event&>> || std::predicate<F&, const token_event&>);

/// A sequence of tokens that a model continues. Each call goes on where the last one stopped: the session keeps what it was
/// given and what it answered. Owned by one thread at a time; any number of sessions share a model side by side.
///
/// All memory is taken when a session is made: the KV cache of its whole context, scratch for a step, room for sampling. The
/// model is held by value, for models are handles.
/// @example  auto model = nibble::any_model::load("model.gguf");
///           auto session = nibble::session(model);
///           for (auto& event : session.generate("The capital of France is", {.max_tokens = 64})) show(event.text);
template <class Model>
class basic_session {
 public:
  using model_type = Model;

  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<basic_session> try_create(const Model& model, const session_options& options = {}) {
    auto made = evaluator<Model>::try_create(model, options);
    if (!made) return std::move(made).failure();
    return basic_session(std::make_unique<detail::model_sequence<Model>>(*std::move(made)));
  }
#if NIBBLE_EXCEPTIONS
  explicit basic_session(const Model& model, const session_options& options = {})
      : basic_session(try_create(model, options).value()) {}
#endif

  /// Continues the session's text with `prompt`, and that with the model's own. Control tokens in it are text; the token that
  /// begins a text comes first if the session is empty and the file says so.
  ///
  /// Lazy: see generation. A prompt that does not fit changes nothing: finish::context_full. Of a cancelled prompt, the steps
  /// that are done stay. An empty prompt just goes on.
  generation generate(std::string_view prompt, generate_options options = {}) {
    const bool fresh = position() == 0;
    const encode_options how{options.parse_special, fresh ? std::nullopt : std::optional(false), false, !fresh};
    return generation(*sequence_, {tokenizer().encode(prompt, how)}, std::move(options));
  }

  /// The same with a prompt of tokens, which go in as they are.
  /// @errors  invalid_argument: a token that is not in the vocabulary
  result<generation> try_generate(std::span<const token> prompt, generate_options options = {}) {
    for (std::size_t i = 0; i < prompt.size(); ++i) {
      if (static_cast<std::size_t>(prompt[i]) < tokenizer().size()) continue;  // a negative one is huge
      return error(errc::invalid_argument, "token " + std::to_string(i) + " of the prompt: expected 0 to " +
                                               std::to_string(tokenizer().size() - 1) + ", found " + std::to_string(prompt[i]));
    }
    return generation(*sequence_, {{prompt.begin(), prompt.end()}}, std::move(options));
  }
#if NIBBLE_EXCEPTIONS
  generation generate(std::span<const token> prompt, generate_options options = {}) {
    return try_generate(prompt, std::move(options)).value();
  }
#endif

  /// Generates at once, calling on_event with each event. If it returns false: finish::cancelled.
  template <event_consumer F>
  finish generate(std::string_view prompt, generate_options options, F&& on_event) {
    generation reply = generate(prompt, std::move(options));
    for (const token_event& event : reply) {
      if constexpr (std::is_void_v<std::invoke_result_t<F&, const token_event&>>) {
        on_event(event);
      } else if (!on_event(event)) {
        return finish::cancelled;
      }
    }
    return reply.reason();
  }

  /// The reply to a conversation, written as the file's chat template wants it. The messages are the whole conversation: what
  /// they share with the tokens of the session is not processed again, the rest of those is cut off.
  /// @errors  missing_key: the file has no chat template; bad_value: none of a known form; invalid_argument: see chat_template
  result<generation> try_chat(std::span<const chat_message> messages, generate_options options = {}) {
    const std::string& source = model().chat_template();
    if (source.empty()) return error(errc::missing_key, "tokenizer.chat_template: the model's file has none");
    const auto form = chat_template::try_parse(source);
    if (!form) return form.failure();
    return try_chat(messages, *form, std::move(options));
  }
  /// The same, written as the caller wants it.
  /// @errors  invalid_argument
  result<generation> try_chat(std::span<const chat_message> messages, const chat_template& form,
                              generate_options options = {}) {
    const auto parts = form.try_render(messages);
    if (!parts) return parts.failure();
    return generation(*sequence_, {tokenizer().encode(*parts, {.eos = false}), true}, std::move(options));
  }
#if NIBBLE_EXCEPTIONS
  generation chat(std::span<const chat_message> messages, generate_options options = {}) {
    return try_chat(messages, std::move(options)).value();
  }
  generation chat(std::span<const chat_message> messages, const chat_template& form, generate_options options = {}) {
    return try_chat(messages, form, std::move(options)).value();
  }
#endif

  /// Forgets everything. What was allocated stays.
  void reset() noexcept { sequence_->truncate(0); }
  /// Cuts the session back to its first `position` tokens. Where a sliding window has forgotten what continuing there needs,
  /// the next generation processes them again.
  void truncate(std::size_t position) noexcept { sequence_->truncate(position); }

  /// Tokens in the session: prompts and answers.
  std::span<const token> tokens() const noexcept { return sequence_->tokens(); }
  std::size_t position() const noexcept { return tokens().size(); }
  /// The most tokens that it can hold.
  std::size_t context() const noexcept { return sequence_->context(); }
  const Model& model() const noexcept { return sequence_->model(); }
  const nibble::tokenizer& tokenizer() const noexcept { return sequence_->words(); }
  /// Of the latest generation.
  const generation_stats& stats() const noexcept { return sequence_->stats; }

 private:
  explicit basic_session(std::unique_ptr<detail::model_sequence<Model>> s) noexcept : sequence_(std::move(s)) {}

  std::unique_ptr<detail::model_sequence<Model>> sequence_;  // stays where it is when the session moves
};

using session = basic_session<any_model>;

}  // namespace NIBBLE_ABI
}  // namespace nibble
