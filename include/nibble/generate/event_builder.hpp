/// event_builder: logits in, events out: chooses tokens, and makes of them the text that a reader sees.
///
/// It knows no model, no cache and no session: a lone session, a scheduler of many and speculation all drive it.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/core/rng.hpp"
#include "nibble/core/token.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/generate/stop_strings.hpp"
#include "nibble/sample/candidates.hpp"
#include "nibble/text/utf8.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class tokenizer;

/// The memory that choosing a token takes. Builders that choose one after the other share one.
struct sampling_scratch {
  sampling_scratch() noexcept = default;
  /// Takes the memory for a vocabulary at once. Without it, the first choice does.
  explicit sampling_scratch(std::size_t vocabulary) : choices(vocabulary) { logits.reserve(vocabulary); }
  /// Bytes that it takes then.
  static constexpr std::size_t planned_bytes(std::size_t vocabulary) noexcept {
    return product_of_sizes(vocabulary, sizeof(candidate) + sizeof(float));
  }

  candidates choices;
  std::vector<float> logits;  // a copy for the sampler to change, where log-probabilities are asked for
};

/// A token that was chosen, but not yet accepted.
struct token_choice {
  token id = no_token;
  float logprob = std::numeric_limits<float>::quiet_NaN();
  no_choice why_none = no_choice::none;              ///< where there is no token: what the sampler says
  bool not_a_number = false;                         ///< there was nothing to choose from: no logit above -infinity
  std::span<const token_logprob> alternatives = {};  ///< see token_event: valid until the next choice
};

/// Makes the events of one reply. Owned by one thread at a time; any number of builders share a tokenizer, which must outlive
/// them.
///
/// A token is first chosen, which draws random numbers and has no other effect, and then accepted, which makes its event and
/// counts it. A token that someone else chose is accepted in the same way.
///
/// Text is given out when it is certain: the bytes of an unfinished character wait, and so does what may be the beginning of a
/// stop string. At the end, what still waits comes with the last token, or else in an event of no_token. A token that ends the
/// text has no event, nor has a stop token; one that is both counts as the stop token.
///
/// A token of which the logit is NaN is never chosen where another can be. Where none is above -infinity, all NaN among them,
/// no token is chosen and the reply ends: finish::not_a_number; where a sampler names a token that the vocabulary lacks, with
/// finish::no_candidate. Of logits that are +infinity, each is as likely as the others.
/// @errors   none but what a sampler of the user's throws: then nothing was chosen, and the next call may try again
/// @cost     O(vocabulary) a choice; no allocation after the first event
/// @example  nibble::event_builder builder(model.tokenizer(), {.max_tokens = 100, .stop = {"\n"}});
///           while (auto event = builder.next(evaluator.logits(), tokens, scratch)) {
///             show(event->text);
///             if (builder.reason() != nibble::finish::none) break;
///             tokens.push_back(event->id);
///             if (evaluator.feed({&event->id, 1}) != nibble::feed_outcome::done) break;
///           }
class event_builder {
 public:
  /// Of the options, `cancel` and `parse_special` are left to the caller.
  explicit event_builder(const nibble::tokenizer& tokenizer, generate_options options = {});
  explicit event_builder(const nibble::tokenizer&&, generate_options = {}) = delete;  // it must outlive the builder

  /// Chooses a token from the logits that follow `so_far`. Makes no event: call accept() with it, or drop it.
  ///
  /// Those of tokens that the vocabulary suppresses become -infinity, and the sampler may change the others.
  /// @shape  logits (vocabulary)
  /// @errors what the sampler throws; precondition: the shape
  token_choice choose(std::span<float> logits, std::span<const token> so_far, sampling_scratch& scratch);

  /// The token that choose() would choose from any logits, where the sampler knows it; empty where it does not. Draws the same
  /// random numbers, so that a reply has the same tokens with it and without.
  std::optional<token_choice> foresee(std::span<const token> so_far);

  /// The event of the next token of the reply. Look at reason() then: this may have been the last one.
  ///
  /// Empty if the token ends the reply (so does no_token) and no text waits, or if the reply has ended before.
  /// @errors  precondition: id is in the vocabulary, or no_token
  std::optional<token_event> accept(const token_choice& choice);

  /// Chooses a token and accepts it.
  std::optional<token_event> next(std::span<float> logits, std::span<const token> so_far, sampling_scratch& scratch) {
    return accept(choose(logits, so_far, scratch));
  }

  /// Ends the reply. The event has the text that still waits; empty if there is none, or if the reply has ended before.
  std::optional<token_event> end(finish reason);

  /// How the reply ended; finish::none as long as it has not.
  finish reason() const noexcept { return reason_; }
  /// Tokens that have an event.
  std::size_t accepted() const noexcept { return accepted_; }
  /// Tokens that may still come, by max_tokens. With none left, the next token ends the reply and has no event.
  std::size_t remaining() const noexcept { return options_.max_tokens - accepted_; }
  const generate_options& options() const& noexcept { return options_; }
  const generate_options& options() const&& = delete;

 private:
  bool reports() const noexcept { return options_.logprobs || options_.alternatives > 0; }
  void find_alternatives(std::span<const float> logits);
  void add_text(token id);
  void add_waiting_text();

  const nibble::tokenizer* tokenizer_;
  generate_options options_;
  rng random_;
  utf8_stream characters_;
  stop_filter stop_filter_;
  std::string bytes_, whole_;                // of one token: its bytes, and the characters that are whole with them
  std::string text_;                         // of the event
  std::vector<candidate> best_;              // of the last choice, while they are found
  std::vector<token_logprob> alternatives_;  // of the last choice
  std::size_t accepted_ = 0;
  finish reason_ = finish::none;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
