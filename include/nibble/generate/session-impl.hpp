/// The definitions behind session.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/generate/session_state.hpp"
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
  feed_outcome feed(std::span<const token> tokens, std::stop_token cancel) override {
    return evaluator_.feed(tokens, std::move(cancel));
  }
  std::span<float> logits() noexcept override { return evaluator_.logits(); }
  void mark() noexcept override { evaluator_.mark(); }
  bool has_mark() const noexcept override { return evaluator_.has_mark(); }
  std::size_t resumable(std::size_t position) noexcept override { return evaluator_.resumable(position); }
  void truncate(std::size_t position) noexcept override { evaluator_.truncate(position); }

 private:
  evaluator evaluator_;
};

std::size_t sampling_bytes(std::size_t vocabulary, std::size_t context) noexcept {
  const std::size_t objects = sum_of_sizes(sizeof(session_state), sizeof(model_evaluation));
  const std::size_t tokens = product_of_sizes(context, sizeof(token));
  return sum_of_sizes(objects, sum_of_sizes(tokens, sampling_scratch::planned_bytes(vocabulary)));
}
}  // namespace detail

result<session> session::try_create(const any_model& model, const session_options& asked) {
  const session_options options = detail::with_places_to_return(model.context(), asked, true);
  NIBBLE_TRY(detail::check_generates(model, options));
  auto made = evaluator::try_create(model, options);
  if (!made) return std::move(made).failure();
  NIBBLE_TRY(detail::check_cap("model and session", model.plan(options).total(), model.memory_cap()));
  auto evaluation = std::make_unique<detail::model_evaluation>(*std::move(made));
  return session(std::make_unique<detail::session_state>(model, std::move(evaluation)));
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
std::size_t session::context() const NIBBLE_NOEXCEPT { return state().transcript.context(); }
const nibble::tokenizer& session::tokenizer() const& NIBBLE_NOEXCEPT { return state().transcript.tokenizer(); }
const generation_stats& session::stats() const& NIBBLE_NOEXCEPT { return state().stats; }
const any_model& session::model() const& NIBBLE_NOEXCEPT { return state().model; }

generation session::generate(std::string_view prompt, generate_options options) & {
  return generation(state(), {{}, std::string(prompt)}, std::move(options));
}

result<generation> session::try_generate(std::span<const token> prompt, generate_options options) & {
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (static_cast<std::size_t>(prompt[i]) < tokenizer().size()) continue;  // a negative one is huge
    return error(errc::invalid_argument, "token " + std::to_string(i) + " of the prompt: expected 0 to " +
                                             std::to_string(tokenizer().size() - 1) + ", found " + std::to_string(prompt[i]));
  }
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
  return generation(state(), {tokenizer().encode(*parts, {.eos = false}), {}, 0}, std::move(options));
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
