/// session: one conversation with a model: its tokens, its KV cache, and the memory to go on.
#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "nibble/error.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/generation.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/generate/stats.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"
#include "nibble/text/chat.hpp"
#include "nibble/text/infill.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What generate() may call with each event: returning false ends the generation.
template <class F>
concept event_consumer = std::invocable<F&, const token_event&> &&
    (std::is_void_v<std::invoke_result_t<F&, const token_event&>> || std::predicate<F&, const token_event&>);

namespace detail {
struct session_state;
}

/// A sequence of tokens that a model continues. Each call goes on where the last one stopped: the session keeps what it was
/// given and what it answered. Owned by one thread at a time; any number of sessions share a model side by side.
///
/// All memory is taken when a session is made, as much as any_model::plan says: the KV cache of its whole context, scratch for
/// a step, its tokens, room for sampling. The model is held by value, for models are handles. Generations and views do not
/// compile on a temporary session, which they would outlive.
/// @example  auto model = nibble::any_model::load("model.gguf");
///           auto session = nibble::session(model);
///           for (auto& event : session.generate("The capital of France is", {.max_tokens = 64})) show(event.text);
class session {
 public:
  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<session> try_create(const any_model& model, const session_options& options = {});
#if NIBBLE_EXCEPTIONS
  explicit session(const any_model& model, const session_options& options = {}) : session(try_create(model, options).value()) {}
#endif
  /// A session that was moved from can only be assigned to or destroyed: precondition of all its functions.
  session(session&&) noexcept;
  session& operator=(session&&) noexcept;
  ~session();

  /// Continues the session's text with `prompt`, and that with the model's own. Names of control tokens in the prompt are text,
  /// unless options.parse_special. If the session is empty and the file says so, the token that begins a text comes first.
  ///
  /// Lazy: nothing happens, and the session may still change, before the generation is read. A prompt that does not fit changes
  /// nothing: finish::context_full. When a prompt is cancelled, or finds no memory, the steps that are
  /// done stay. An empty prompt just goes on.
  generation generate(std::string_view prompt, generate_options options = {}) &;

  /// The same with a prompt of tokens, which go in as they are.
  /// @errors  invalid_argument: a token that is not in the vocabulary
  result<generation> try_generate(std::span<const token> prompt, generate_options options = {}) &;
#if NIBBLE_EXCEPTIONS
  generation generate(std::span<const token> prompt, generate_options options = {}) & {
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

  /// The reply to a conversation, which is written as the file's chat template says. The messages are the whole conversation:
  /// its beginning, as far as the session holds the same tokens, is not processed again; other tokens are cut off.
  /// @errors  missing_key: the file has no chat template; malformed: one that cannot be read; invalid_argument, limit_exceeded:
  ///          see chat_template
  result<generation> try_chat(std::span<const chat_message> messages, generate_options options = {}) &;
  /// The same with tools and other variables. With tools the reply is constrained, as chat_options::tool_choice says: calls
  /// that begin are right. The sampler chooses among what is left; the first such call makes a token_trie.
  /// @errors  those of tool_grammar, too
  result<generation> try_chat(std::span<const chat_message> messages, const chat_options& prompt,
                              generate_options options = {}) &;
  /// The same, written in the form that the caller gives.
  /// @errors  invalid_argument, limit_exceeded
  result<generation> try_chat(std::span<const chat_message> messages, const chat_template& form,
                              generate_options options = {}) &;
  result<generation> try_chat(std::span<const chat_message> messages, const chat_template& form, const chat_options& prompt,
                              generate_options options = {}) &;
#if NIBBLE_EXCEPTIONS
  generation chat(std::span<const chat_message> messages, generate_options options = {}) & {
    return try_chat(messages, std::move(options)).value();
  }
  generation chat(std::span<const chat_message> messages, const chat_options& prompt, generate_options options = {}) & {
    return try_chat(messages, prompt, std::move(options)).value();
  }
  generation chat(std::span<const chat_message> messages, const chat_template& form, generate_options options = {}) & {
    return try_chat(messages, form, std::move(options)).value();
  }
  generation chat(std::span<const chat_message> messages, const chat_template& form, const chat_options& prompt,
                  generate_options options = {}) & {
    return try_chat(messages, form, prompt, std::move(options)).value();
  }
#endif

  /// Another session that holds the same tokens and goes on from there, as this one does. The two share the memory of what they
  /// have in common, which nobody processes again, and may be on different threads. A generation that is being read stays with
  /// this one.
  /// @errors  out_of_memory: there are as many forks as session_options::forks
  /// @example  auto first = nibble::session(model, {.forks = 1});
  ///           first.generate(prompt, {.max_tokens = 0}).begin();  // reads the prompt
  ///           auto second = first.fork();                         // another answer to it, without reading it again
  result<session> try_fork() const;
#if NIBBLE_EXCEPTIONS
  session fork() const { return try_fork().value(); }
#endif

  /// What the session is, as bytes: its tokens, and all that the model keeps of them, so that it goes on later, or elsewhere,
  /// with the same bits. A generation is not of it.
  /// @errors  std::bad_alloc
  /// @cost    a copy of the keys and values that the session has
  std::vector<std::byte> save() const;
  /// The same into a file, which appears whole or not at all.
  /// @errors  as output_file; out_of_memory
  /// @cost    no copy: it is written page by page
  result<void> try_save(const std::filesystem::path& path) const;
  /// Becomes what a session of the same model, adapters and format of keys and values was. A generation that is being read is
  /// over. What the session can be cut back to without processing tokens again is not kept. Models are told apart by
  /// any_model::fingerprint, which looks at samples of the weights alone.
  /// @errors  malformed: other or damaged bytes; truncated, unsupported_version; invalid_argument: of another model or format,
  ///          or other adapters; limit_exceeded: more tokens than the context; out_of_memory; io. Nothing has changed then
  result<void> try_load(std::span<const std::byte> bytes);
  /// @cost    memory for the whole file until it is done
  result<void> try_load(const std::filesystem::path& path);
#if NIBBLE_EXCEPTIONS
  void save(const std::filesystem::path& path) const { try_save(path).value(); }
  void load(std::span<const std::byte> bytes) { try_load(bytes).value(); }
  void load(const std::filesystem::path& path) { try_load(path).value(); }
#endif

  /// What belongs between two texts, for models that were trained to fill gaps. The prompt is the whole text of the session, as
  /// that of a conversation is: its beginning, as far as the session holds the same tokens, is not processed again.
  /// @errors   missing_key: see try_infill_prompt
  /// @example  for (auto& event : session.infill("int twice(int x) {\n  return ", ";\n}\n")) show(event.text);
  result<generation> try_infill(std::string_view prefix, std::string_view suffix, const infill_options& gap = {},
                                generate_options options = {}) &;
#if NIBBLE_EXCEPTIONS
  generation infill(std::string_view prefix, std::string_view suffix, const infill_options& gap = {},
                    generate_options options = {}) & {
    return try_infill(prefix, suffix, gap, std::move(options)).value();
  }
#endif

  /// Forgets everything. What was allocated stays.
  void reset() NIBBLE_NOEXCEPT { truncate(0); }
  /// Cuts the session back to its first `position` tokens. If it cannot go on from there (a sliding window has moved on, or no
  /// copy of recurrent states stands there, see session_options::state_interval), the next generation processes earlier tokens
  /// again. A generation that is being read is over.
  void truncate(std::size_t position) NIBBLE_NOEXCEPT;

  /// Tokens in the session: prompts and answers. Where the context slides, those that the last of them has not forgotten, and
  /// that token, too: one more than context(), until it is processed.
  std::span<const token> tokens() const& NIBBLE_NOEXCEPT;
  std::span<const token> tokens() const&& = delete;
  std::size_t position() const NIBBLE_NOEXCEPT { return tokens().size(); }
  /// Tokens that the session has forgotten behind those that it keeps: see session_options::when_full. Of heavy hitters, those
  /// that it does not hold any more, whether some layer keeps one of them or not.
  std::size_t forgotten() const NIBBLE_NOEXCEPT;
  /// The most tokens that it can hold.
  std::size_t context() const NIBBLE_NOEXCEPT;
  const nibble::tokenizer& tokenizer() const& NIBBLE_NOEXCEPT;
  const nibble::tokenizer& tokenizer() const&& = delete;
  /// Of the latest generation.
  const generation_stats& stats() const& NIBBLE_NOEXCEPT;
  const generation_stats& stats() const&& = delete;

  /// The model that it continues texts with.
  const any_model& model() const& NIBBLE_NOEXCEPT;
  /// The model that it continues texts with.
  const any_model& model() const&& = delete;

 private:
  explicit session(std::unique_ptr<detail::session_state> state) noexcept;
  detail::session_state& state() const NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(state_);
    return *state_;
  }

  std::unique_ptr<detail::session_state> state_;  // stays where it is when the session moves
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
