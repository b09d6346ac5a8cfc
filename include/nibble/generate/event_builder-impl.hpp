/// The definitions behind event_builder.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <utility>

#include "nibble/generate/event_builder.hpp"
#include "nibble/sample/find_best.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

event_builder::event_builder(const nibble::tokenizer& tokenizer, generate_options options)
    : tokenizer_(&tokenizer),
      options_(std::move(options)),
      random_(options_.seed),
      stop_filter_(options_.show_special ? stop_filter(options_.stop)
                                         : stop_filter(options_.stop, tokenizer.vocabulary().controls())) {
  std::sort(options_.stop_tokens.begin(), options_.stop_tokens.end());
  const std::size_t piece = tokenizer.vocabulary().longest_token();
  std::size_t stop = 0;
  for (const std::string& s : options_.stop) stop = std::max(stop, s.size());  // the longest
  const std::size_t open = 4;                                                  // bytes of an unfinished character
  best_.reserve(std::min(options_.alternatives, tokenizer.size()));
  alternatives_.reserve(best_.capacity());
  bytes_.reserve(piece);
  whole_.reserve(3 * (piece + open));  // fits: of texts in memory; a byte that is no UTF-8 becomes the three of U+FFFD
  stop_filter_.reserve(whole_.capacity());
  text_.reserve(whole_.capacity() + 3 * open + stop);  // fits: the same
}

token_choice event_builder::choose(std::span<float> logits, std::span<const token> so_far, sampling_scratch& scratch) {
  NIBBLE_ASSERT(logits.size() == tokenizer_->size());
  constexpr float nothing = -std::numeric_limits<float>::infinity();
  for (const token id : tokenizer_->vocabulary().suppressed()) logits[static_cast<std::size_t>(id)] = nothing;
  if (std::none_of(logits.begin(), logits.end(), [](float x) { return x > nothing; })) return {.not_a_number = true};
  std::span<float> changed = logits;
  if (options_.alternatives > 0) find_alternatives(logits);
  if (reports()) {
    scratch.logits.assign(logits.begin(), logits.end());
    changed = scratch.logits;
  }
  scratch.choices.assign(changed);
  sample_context context{so_far, random_};
  token_choice choice{options_.sampler.choose(scratch.choices, context)};
  if (choice.id == no_token) {
    choice.why_none = context.why_none;
  } else if (!tokenizer_->vocabulary().contains(choice.id)) {
    return {.why_none = no_choice::impossible};  // what a sampler of the user's made up
  }
  if (options_.logprobs) choice.logprob = log_probability(logits, choice.id);
  choice.alternatives = alternatives_;
  return choice;
}

/// The most likely tokens.
void event_builder::find_alternatives(std::span<const float> logits) {
  detail::find_best(
      logits.size(), options_.alternatives, [&](std::size_t i) { return logits[i]; }, best_);
  alternatives_.clear();
  const float most = best_.front().logit, first = log_probability(logits, best_.front().id);
  for (const candidate& c : best_) {
    const double behind = c.logit == most ? 0 : double(c.logit) - double(most);  // two infinities, too
    alternatives_.push_back({c.id, static_cast<float>(double(first) + behind)});
  }
}

std::optional<token_choice> event_builder::foresee(std::span<const token> so_far) {
  if (reports()) return std::nullopt;
  const token known = options_.sampler.foresee(so_far);
  if (!tokenizer_->vocabulary().contains(known)) return std::nullopt;
  static_cast<void>(random_.uniform());
  return token_choice{known};
}

std::optional<token_event> event_builder::accept(const token_choice& choice) {
  NIBBLE_ASSERT(choice.id == no_token || tokenizer_->vocabulary().contains(choice.id));
  if (choice.not_a_number) return end(finish::not_a_number);
  if (choice.id == no_token) {
    return end(choice.why_none == no_choice::complete     ? finish::grammar_end
               : choice.why_none == no_choice::impossible ? finish::no_candidate
                                                          : finish::end_of_text);
  }
  if (std::binary_search(options_.stop_tokens.begin(), options_.stop_tokens.end(), choice.id)) return end(finish::stop_token);
  if (tokenizer_->is_end(choice.id)) return end(finish::end_of_text);
  if (remaining() == 0) return end(finish::max_tokens);
  if (reason_ != finish::none) return std::nullopt;
  ++accepted_;
  add_text(choice.id);
  if (stop_filter_.stopped()) {
    reason_ = finish::stop_string;
  } else if (remaining() == 0) {
    add_waiting_text();
    reason_ = finish::max_tokens;
  }
  return token_event{choice.id, text_, choice.logprob, choice.alternatives};
}

std::optional<token_event> event_builder::end(finish reason) {
  if (reason_ != finish::none) return std::nullopt;
  reason_ = reason;
  text_.clear();
  add_waiting_text();
  if (text_.empty()) return std::nullopt;
  return token_event{no_token, text_};
}

void event_builder::add_text(token id) {
  if (!options_.show_special && tokenizer_->is_control(id)) {
    text_ = stop_filter_.pass(id);
    return;
  }
  bytes_.clear();
  whole_.clear();
  if (tokenizer_->is_control(id)) {
    bytes_ = tokenizer_->piece(id);
  } else {
    tokenizer_->append_piece(id, bytes_);
  }
  characters_.feed(bytes_, whole_);
  text_ = stop_filter_.feed(whole_);
}

/// Appends what was held back; an unfinished character becomes U+FFFD.
void event_builder::add_waiting_text() {
  whole_.clear();
  characters_.finish(whole_);
  text_ += stop_filter_.feed(whole_);
  text_ += stop_filter_.flush();
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
