/// The definitions behind generation.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "nibble/generate/generation.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/generate/session_state.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

generation::generation(detail::session_state& session, detail::prompt prompt, generate_options options,
                       std::shared_ptr<const chat_parser> parser)
    : session_(&session),
      prompt_(std::move(prompt)),
      events_(session.transcript.tokenizer(), std::move(options)),
      parser_(std::move(parser)) {}

generation::iterator generation::begin() & {
  if (session_ && number_ == 0) {
    place_prompt();
    number_ = ++session_->generations;
  }
  if (!event_ && reason() == finish::none) advance();
  return iterator(*this);
}

/// Finds where the prompt begins, and the tokens of its text. Behind nothing, or a special token, a text begins; elsewhere its
/// first word is encoded as one in the middle of a text.
void generation::place_prompt() {
  const detail::transcript& said = session_->transcript;
  if (!prompt_->place) prompt_->place = said.size();
  if (!prompt_->text) return;
  const bool empty = said.size() == 0;
  const token_type last = empty ? token_type::control : said.tokenizer().vocabulary().type(said.tokens().back());
  const bool begins = last == token_type::control || last == token_type::user_defined;
  const encode_options how{events_.options().parse_special, empty ? std::nullopt : std::optional(false), false, !begins};
  prompt_->tokens = said.tokenizer().encode(*prompt_->text, how);
  prompt_->text.reset();
}

/// The next event, or the end.
/// @cost  one forward pass; no allocation after the first
void generation::advance() {
  if (!session_) return;
  const bool first = stats_.generated_tokens == 0;
  const auto began = std::chrono::steady_clock::now();
  event_ = reason() == finish::none ? make_event() : std::nullopt;
  (first ? stats_.prompt_time : stats_.generation_time) += std::chrono::steady_clock::now() - began;
  if (session_->generations == number_) session_->stats = stats_;
}

std::optional<token_event> generation::make_event() {
  if (session_->generations != number_) return events_.end(finish::cancelled);
  const bool first = stats_.generated_tokens == 0;
  detail::transcript& said = session_->transcript;
  std::optional<token_choice> known;  // without a step of the model: the next one that is made reads it too
  if (!prompt_ && said.room() > 0 && !events_.options().cancel.stop_requested()) known = events_.foresee(said.tokens());
  if (!known) {
    if (const finish early = prompt_ ? prefill() : decode(); early != finish::none) return events_.end(early);
  }
  const token_choice choice = known ? *known : events_.choose(said.take_logits(), said.tokens(), session_->scratch);
  if (!first) ++stats_.generation_steps;
  const auto event = events_.accept(choice);
  if (events_.accepted() > stats_.generated_tokens) said.append(choice.id);
  stats_.generated_tokens = events_.accepted();
  return event;
}

/// Appends the prompt to the transcript and processes it; all but what an attempt before did that threw.
/// @returns  finish::none if a token can be chosen then
finish generation::prefill() {
  detail::transcript& said = session_->transcript;
  said.settle();
  if (session_->guesses) session_->guesses->begin_reply();
  const generate_options& options = events_.options();
  const std::span<const token> prompt = prompt_->tokens;
  const std::size_t shared = said.shared_with(prompt, *prompt_->place), kept = *prompt_->place + shared;
  const auto added = prompt.subspan(shared);
  const finish early = detail::end_before_prompt(said.tokenizer(), said.most(), kept, added.size(), options.max_tokens);
  if (early != finish::context_full) said.truncate(kept);
  if (early != finish::none) return early;
  said.append(added);
  if (said.size() == 0) said.append(*detail::beginning_of_text(said.tokenizer()));
  struct undo {  // nothing, if all is processed
    ~undo() {
      const std::size_t gone = said.taken_out() - taken_out;  // which were processed, and in front
      said.drop_unprocessed(kept - std::min(kept, gone));
      stats.prompt_tokens += said.processed() - before;
      if (gone == 0) return;
      const std::size_t done = std::min(prompt.tokens.size(), shared + said.size() + gone - kept);
      prompt.tokens.erase(prompt.tokens.begin(),
                          prompt.tokens.begin() + std::ptrdiff_t(done));  // another attempt goes on there
      prompt.place = said.size();
    }
    detail::transcript& said;
    generation_stats& stats;
    detail::prompt& prompt;
    const std::size_t kept, shared, before, taken_out;
  };
  const feed_outcome outcome = [&] {
    const undo rest{said, stats_, *prompt_, kept, shared, said.processed(), said.taken_out()};
    return said.process(options.cancel);
  }();
  if (outcome != feed_outcome::done) return detail::finish_of(outcome);
  if (said.size() > kept || !said.has_mark()) said.mark();
  prompt_.reset();
  return detail::end_behind_prompt(said.room(), options.max_tokens);
}

/// Processes the token of the last event, with guesses of the next ones where the session makes some.
/// @returns  finish::none if the next one can be chosen then
finish generation::decode() {
  detail::transcript& said = session_->transcript;
  const generate_options& options = events_.options();
  detail::speculator* const guesses = session_->guesses.get();
  if (said.room() == 0) return finish::context_full;
  if (!guesses || !options.speculate) return detail::finish_of(said.process(options.cancel));
  const auto before = guesses->counted();
  const std::size_t useful = std::max<std::size_t>(events_.remaining(), 1) - 1;  // the last token is not processed
  const finish how = detail::finish_of(guesses->step(said, useful, options.cancel));
  const auto& now = guesses->counted();
  stats_.speculation_steps += now.steps - before.steps;
  stats_.guessed_tokens += now.guessed - before.guessed;
  stats_.accepted_guesses += now.accepted - before.accepted;
  return how;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
