/// transcript: the tokens that were said, and how many of them the evaluator has processed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/generate/evaluation.hpp"
#include "nibble/generate/guesser.hpp"
#include "nibble/kv/pool.hpp"
#include "nibble/model/speculation.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// The evaluator has always processed a beginning of tokens(). process() feeds it the rest, so tokens may be appended and taken
/// away at any time.
///
/// Guesses may be processed with them. The evaluator is ahead of tokens() then, and has logits behind each guess: appending the
/// token that was guessed makes these the logits behind the last token; any other cuts the evaluator back.
///
/// Where the evaluator cannot be cut back to a position, because a window has moved on or no copy of a recurrent state stands
/// there, it is cut back further, and process() feeds again what was lost.
///
/// Where the context slides, tokens that the last processed one has forgotten are taken out of tokens(): behind the first
/// ones, that are kept, its places are then those of the evaluator less forgotten().
class transcript {
 public:
  explicit transcript(std::unique_ptr<evaluation> e) : evaluator_(std::move(e)) { tokens_.reserve(context() + slides()); }

  std::span<const token> tokens() const noexcept { return std::span(tokens_).first(size_); }
  std::size_t size() const noexcept { return size_; }
  std::size_t context() const noexcept { return evaluator_->context(); }
  /// The most tokens that there may be.
  std::size_t most() const noexcept { return slides() ? kv_room::longest_sliding : context(); }
  /// Tokens that may still be appended.
  std::size_t room() const noexcept { return most() - forgotten_ - size(); }
  bool slides() const noexcept { return evaluator_->sliding().slides(); }
  /// Tokens that the evaluator has processed and that are not in tokens() any more.
  std::size_t forgotten() const noexcept { return forgotten_; }
  /// How many tokens have ever been taken out.
  std::size_t taken_out() const noexcept { return taken_out_; }
  const nibble::tokenizer& tokenizer() const noexcept { return evaluator_->tokenizer(); }
  const evaluation& evaluator() const noexcept { return *evaluator_; }
  /// How many tokens from `place` on are those that `other` begins with.
  std::size_t shared_with(std::span<const token> other, std::size_t place) const noexcept;

  /// @errors  none; precondition: tokens.size() <= room(), all in [0, vocabulary)
  void append(std::span<const token> tokens) NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(tokens.size() <= room());
    if (tokens.empty()) return;
    settle();
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    size_ = tokens_.size();
  }
  void append(token id) NIBBLE_NOEXCEPT;
  /// Cuts back to the first `size` tokens.
  void truncate(std::size_t size) noexcept;
  /// Cuts off the tokens that are not processed, but keeps the first `least`.
  void drop_unprocessed(std::size_t least) noexcept { truncate(least > position() ? least : position()); }

  /// The same tokens, with an evaluator that goes on from the same place.
  /// @errors  as evaluator::try_fork; precondition: no guesses are ahead
  result<transcript> try_fork() const;

  /// The logits that follow the last token, or nothing where they are not there.
  std::span<const float> logits() const noexcept { return is_processed() ? evaluator_->logits(row_) : std::span<float>(); }
  /// Becomes one that has processed `position` tokens, of which these are not forgotten, and some more. @param state  as
  /// evaluation::save wrote it
  /// @errors  out_of_memory: nothing has changed; precondition: no more tokens than most(), and see evaluation::try_load
  result<void> try_load(std::span<const token> tokens, std::size_t position, std::size_t forgotten,
                        std::span<const std::byte> state, std::span<const float> logits);

  /// Processes what is not processed yet; then logits can be taken.
  /// @param   guesses  of what comes behind, processed in the same step as far as there is room in it
  /// @errors  what the evaluator throws; precondition: size() > 0, no more guesses than most_guesses(), all in [0, vocabulary)
  feed_outcome process(const stop_token& cancel, std::span<const token> guesses = {});
  /// Whether process() has nothing to do: logits are there.
  bool is_processed() const noexcept { return has_logits_ && position() >= size(); }
  /// Tokens that process() would feed, guesses apart.
  std::size_t pending() const noexcept { return position() < size() ? size() - position() : 1; }
  std::size_t most_guesses() const noexcept {
    return std::min({room(), evaluator_->most_ahead(pending()), nibble::most_guesses});
  }
  /// Guesses that are processed, and that nobody has appended yet.
  std::size_t ahead() const noexcept { return position() > size() ? position() - size() : 0; }
  /// Forgets guesses.
  void settle() noexcept {
    tokens_.resize(size_);
    if (ahead() > 0) rewind(size());
  }
  /// The hidden states that the last step has left, and behind how many tokens the first of them stands. Those of guesses are
  /// among them, whether they came true or not.
  hidden_states hidden() const noexcept { return {evaluator_->hidden(), hidden_behind_}; }
  /// Tells that what follows may be cut off again: the end of a prompt, to which there may be another reply.
  /// @errors  none; precondition: all tokens are processed
  void mark() NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(position() == size());
    evaluator_->mark();
  }
  bool has_mark() const noexcept { return evaluator_->has_mark(); }
  /// Tokens that process() has processed in all its calls.
  std::size_t processed() const noexcept { return processed_; }
  /// The logits that follow the last token. They may be changed, so the next process() makes them anew.
  /// @errors  none; precondition: process() has just returned feed_outcome::done
  std::span<float> take_logits() NIBBLE_NOEXCEPT {
    NIBBLE_ASSERT(has_logits_);
    has_logits_ = false;
    return evaluator_->logits(row_);
  }

 private:
  /// How many of the tokens are processed.
  std::size_t position() const noexcept { return evaluator_->position() - forgotten_; }
  void forget();
  void rewind(std::size_t position) noexcept;

  std::unique_ptr<evaluation> evaluator_;
  std::vector<token> tokens_;  // and behind those, guesses of the last step
  std::size_t size_ = 0;
  std::size_t row_ = 0;                       // of its logits, those after the last token: as many guesses came true
  std::size_t hidden_behind_ = largest_size;  // of the last step; or there are none
  std::size_t processed_ = 0, forgotten_ = 0, taken_out_ = 0;
  bool has_logits_ = false;  // the evaluator's logits are those after the last token, unchanged
};

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
