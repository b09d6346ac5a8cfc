/// The definitions behind session.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/aligned.hpp"
#include "nibble/core/checked.hpp"
#include "nibble/file/output_file.hpp"
#include "nibble/file/readable_file.hpp"
#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/saved_session-impl.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/generate/session_state.hpp"
#include "nibble/grammar/constraint.hpp"
#include "nibble/grammar/tools.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/model/scratch_plan.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

namespace detail {
/// An evaluator, as a transcript knows it.
class model_evaluation final : public evaluation {
 public:
  explicit model_evaluation(evaluator e) : evaluator_(std::move(e)) {}

  const nibble::tokenizer& tokenizer() const noexcept override { return evaluator_.model().tokenizer(); }
  std::size_t context() const noexcept override { return evaluator_.context(); }
  std::size_t position() const noexcept override { return evaluator_.position(); }
  feed_outcome feed(std::span<const token> tokens, std::size_t ahead, stop_token cancel) override {
    if (ahead == 0) return evaluator_.feed(tokens, std::move(cancel));
    std::array<std::uint32_t, most_guesses + 1> wanted;
    for (std::size_t i = 0; i <= ahead; ++i) wanted[i] = static_cast<std::uint32_t>(tokens.size() - 1 - ahead + i);
    return evaluator_.feed_some(
        tokens, std::span(wanted).first(ahead + 1), [](std::size_t, std::span<float>) {}, std::move(cancel));
  }
  std::span<float> logits(std::size_t i) noexcept override { return evaluator_.output(i); }
  activations hidden() const noexcept override { return evaluator_.hidden(); }
  std::size_t most_ahead(std::size_t pending) const noexcept override {
    const session_options& o = evaluator_.options();
    return pending < o.prefill_chunk ? std::min(o.output_rows - 1, o.prefill_chunk - pending) : 0;
  }
  void mark() noexcept override { evaluator_.mark(); }
  bool has_mark() const noexcept override { return evaluator_.has_mark(); }
  std::size_t resumable(std::size_t position) noexcept override { return evaluator_.resumable(position); }
  void truncate(std::size_t position) noexcept override { evaluator_.truncate(position); }
  void recall(std::span<const token> tokens) noexcept override { evaluator_.recall(tokens); }
  void remember(std::span<const token> tokens) noexcept override {
    if (evaluator_.position() % page_positions == 0) evaluator_.remember(tokens);
  }
  std::size_t tokens_to_remember() const noexcept override {
    if (!*evaluator_.options().prefix_cache) return largest_size;
    return page_positions - evaluator_.position() % page_positions;  // states are kept where a step ends with a page
  }
  result<std::unique_ptr<evaluation>> try_fork() const override {
    auto made = evaluator_.try_fork();
    if (!made) return std::move(made).failure();
    return std::unique_ptr<evaluation>(std::make_unique<model_evaluation>(*std::move(made)));
  }
  std::uint64_t fingerprint() const noexcept override { return evaluator_.fingerprint(); }
  sliding_context sliding() const noexcept override { return evaluator_.sliding(); }
  heavy_hitters hitters() const noexcept override { return evaluator_.hitters(); }
  stored_types kv() const noexcept override {
    const session_options& o = evaluator_.options();
    return {*o.keys, *o.values, std::uint32_t{*o.rotated_keys} | std::uint32_t{*o.rotated_values} << 1};
  }
  std::size_t saved_bytes(std::size_t position) const noexcept override { return evaluator_.saved_bytes(position); }
  void save(std::span<std::byte> out) const override { evaluator_.save(out); }
  result<void> try_save(byte_sink& out) const override { return evaluator_.try_save(out); }
  result<void> try_load(std::size_t position, std::span<const std::byte> state, std::span<const float> logits) override {
    return evaluator_.try_load(position, state, logits);
  }

 private:
  evaluator evaluator_;
};

/// Whether a reply is held to the format of calls: it has to be, or there are tools, and a format that is known.
inline bool constrains(const chat_options& prompt, const answer_syntax& form) {
  if (prompt.tool_choice == tool_choice::required) return true;
  const bool some = !prompt.tools.is(json_kind::null) && !(prompt.tools.is(json_kind::array) && prompt.tools.items().empty());
  return prompt.tool_choice != tool_choice::unconstrained && form.calls && some;
}

std::size_t sampling_bytes(std::size_t vocabulary, std::size_t context) noexcept {
  const std::size_t objects = sum_of_sizes(sizeof(session_state), sizeof(model_evaluation));
  const std::size_t tokens = product_of_sizes(context, sizeof(token));
  return sum_of_sizes(objects, sum_of_sizes(tokens, sampling_scratch::planned_bytes(vocabulary)));
}

std::size_t guessing_bytes(const any_model& model, const session_options& o) {
  if (!o.speculation) return 0;
  const std::size_t own = product_of_sizes(1 + forks_of(o, 1), sizeof(speculator));
  return sum_of_sizes(own, o.speculation->planned_bytes(model, o));
}
}  // namespace detail

result<session> session::try_create(const any_model& model, const session_options& asked) {
  const session_options options = detail::with_places_to_return(model.context(), asked, true);
  if (asked.prefix_cache.value_or(false) && asked.when_full.slides)
    return error(errc::invalid_argument, "session_options::prefix_cache: expected none where the context slides");
  NIBBLE_TRY(detail::check_generates(model, options));
  auto made = evaluator::try_create(model, options);
  if (!made) return std::move(made).failure();
  NIBBLE_TRY(detail::check_cap("model and session", model.plan(options).total(), model.memory_cap()));
  std::unique_ptr<detail::speculator> guesses;
  if (options.speculation) {
    auto who = options.speculation->try_make(model, made->options());
    if (!who) return std::move(who).failure().in("session_options::speculation");
    guesses = std::make_unique<detail::speculator>(*std::move(who), options.speculation->always());
  }
  auto evaluation = std::make_unique<detail::model_evaluation>(*std::move(made));
  return session(std::make_unique<detail::session_state>(model, detail::transcript(std::move(evaluation)), std::move(guesses)));
}

result<session> session::try_fork() const {
  state().transcript.settle();
  auto said = state().transcript.try_fork();
  if (!said) return std::move(said).failure();
  std::unique_ptr<detail::speculator> guesses;
  if (state().guesses) {
    auto who = state().guesses->try_fork();
    if (!who) return std::move(who).failure();
    guesses = *std::move(who);
  }
  auto made = std::make_unique<detail::session_state>(model(), *std::move(said), std::move(guesses));
  made->known_trie = state().known_trie;
  return session(std::move(made));
}

std::vector<std::byte> session::save() const {
  state().transcript.settle();
  return detail::save(state().transcript);
}

result<void> session::try_save(const std::filesystem::path& path) const {
  auto file = output_file::try_create(path);
  if (!file) return std::move(file).failure();
  state().transcript.settle();
  NIBBLE_TRY(detail::try_save(state().transcript, *file));
  return file->try_commit();
}

result<void> session::try_load(std::span<const std::byte> bytes) {
  NIBBLE_TRY(detail::try_load(state().transcript, bytes));
  ++state().generations;  // one that is being read is over
  return {};
}

result<void> session::try_load(const std::filesystem::path& path) {
  auto file = readable_file::try_open(path);
  if (!file) return std::move(file).failure();  // names the path
  const auto read = [&]() -> result<void> {
    detail::saved_header header;
    if (file->size() < sizeof(header)) return try_load(std::span<const std::byte>());
    NIBBLE_TRY(file->try_read(0, std::as_writable_bytes(std::span(&header, 1))));
    NIBBLE_TRY(detail::check(state().transcript, header, file->size()));  // before memory is taken for it
    auto memory = aligned_buffer::try_allocate(as_size(file->size()));
    if (!memory) return std::move(memory).failure();
    const std::span bytes(memory->data(), memory->size());
    NIBBLE_TRY(file->try_read(0, bytes));
    return try_load(bytes);
  };
  auto done = read();
  if (!done) return std::move(done).failure().in(detail::path_text(path));
  return {};
}

session::session(std::unique_ptr<detail::session_state> state) noexcept : state_(std::move(state)) {}
session::session(session&&) noexcept = default;
session& session::operator=(session&&) noexcept = default;
session::~session() = default;

void session::truncate(std::size_t position) NIBBLE_NOEXCEPT {
  if (position < tokens().size()) ++state().generations;  // one that is being read is over
  state().transcript.truncate(position);
}
std::span<const token> session::tokens() const& NIBBLE_NOEXCEPT { return state().transcript.tokens(); }
std::size_t session::forgotten() const NIBBLE_NOEXCEPT { return state().transcript.forgotten(); }
std::size_t session::context() const NIBBLE_NOEXCEPT { return state().transcript.context(); }
const nibble::tokenizer& session::tokenizer() const& NIBBLE_NOEXCEPT { return state().transcript.tokenizer(); }
const generation_stats& session::stats() const& NIBBLE_NOEXCEPT { return state().stats; }
const any_model& session::model() const& NIBBLE_NOEXCEPT { return state().model; }

generation session::generate(std::string_view prompt, generate_options options) & {
  return generation(state(), {{}, std::string(prompt)}, std::move(options));
}

result<generation> session::try_generate(std::span<const token> prompt, generate_options options) & {
  NIBBLE_TRY(detail::check_tokens(prompt, tokenizer().size()));
  return generation(state(), {{prompt.begin(), prompt.end()}}, std::move(options));
}

result<generation> session::try_chat(std::span<const chat_message> messages, generate_options options) & {
  return try_chat(messages, chat_options{}, std::move(options));
}
result<generation> session::try_chat(std::span<const chat_message> messages, const chat_options& prompt,
                                     generate_options options) & {
  const auto& form = model().chat_form();
  if (!form) return form.failure();
  return try_chat(messages, *form, prompt, std::move(options));
}
result<generation> session::try_chat(std::span<const chat_message> messages, const chat_template& form,
                                     generate_options options) & {
  return try_chat(messages, form, chat_options{}, std::move(options));
}
result<generation> session::try_chat(std::span<const chat_message> messages, const chat_template& form,
                                     const chat_options& prompt, generate_options options) & {
  const auto parts = form.try_render(messages, prompt);
  if (!parts) return parts.failure();
  const std::string_view end = prompt_end(*parts);
  if (detail::constrains(prompt, form.answers())) {
    auto reply = try_tool_grammar(prompt.tools, form.answers(), tokenizer(),
                                  {prompt.tool_choice, prompt.only_tool, prompt.parallel_calls, end});
    if (!reply) return std::move(reply).failure();
    options.sampler = grammar_constraint(*std::move(reply), state().trie(), {.canonical = true}) | std::move(options.sampler);
  }
  auto parser = std::make_shared<const chat_parser>(form.answers(), end, prompt.tools);
  return generation(state(), {tokenizer().encode(*parts, {.eos = false}), {}, 0}, std::move(options), std::move(parser));
}

result<generation> session::try_infill(std::string_view prefix, std::string_view suffix, const infill_options& gap,
                                       generate_options options) & {
  auto prompt = try_infill_prompt(tokenizer(), prefix, suffix, gap);
  if (!prompt) return std::move(prompt).failure();
  return generation(state(), {*std::move(prompt), {}, 0}, std::move(options));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
