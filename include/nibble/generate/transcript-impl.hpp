/// The definitions behind transcript.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <utility>

#include "nibble/generate/in_sight.hpp"
#include "nibble/generate/transcript.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

std::size_t transcript::shared_with(std::span<const token> other, std::size_t place) const noexcept {
  auto held = tokens().subspan(place);
  // behind a gap the same tokens are not the same text
  if (forgotten_ > 0)
    held = held.first(std::min(held.size(), evaluator_->sliding().kept - std::min(place, evaluator_->sliding().kept)));
  const auto differ = std::mismatch(held.begin(), held.end(), other.begin(), other.end());
  return static_cast<std::size_t>(differ.first - held.begin());
}

void transcript::append(token id) NIBBLE_NOEXCEPT {
  NIBBLE_ASSERT(room() > 0);
  if (ahead() > 0 && tokens_[size_] == id) {
    has_logits_ = true, ++row_;
  } else {
    settle();
    tokens_.push_back(id);
  }
  ++size_;
}

void transcript::truncate(std::size_t size) noexcept {
  if (size >= size_) return;
  tokens_.resize(size);
  size_ = size, hidden_behind_ = largest_size;
  if (position() > size) rewind(size);
}

result<transcript> transcript::try_fork() const {
  NIBBLE_ASSERT(ahead() == 0);
  auto evaluator = evaluator_->try_fork();
  if (!evaluator) return std::move(evaluator).failure();
  transcript made(*std::move(evaluator));
  made.tokens_.assign(tokens_.begin(), tokens_.end());
  made.size_ = size_;
  made.forgotten_ = forgotten_;
  made.has_logits_ = has_logits_;
  return made;
}

result<void> transcript::try_load(std::span<const token> tokens, std::size_t position, std::size_t forgotten,
                                  std::span<const std::byte> state, std::span<const float> logits) {
  NIBBLE_ASSERT(tokens.size() <= most() && forgotten <= position && position - forgotten <= tokens.size());
  NIBBLE_TRY(evaluator_->try_load(position, state, logits));
  tokens_.assign(tokens.begin(), tokens.end());
  size_ = tokens_.size(), row_ = 0, hidden_behind_ = largest_size;
  forgotten_ = forgotten;
  has_logits_ = !logits.empty();
  return {};
}

feed_outcome transcript::process(const stop_token& cancel, std::span<const token> guesses) {
  NIBBLE_ASSERT(size() > 0 && guesses.size() <= most_guesses());
  if (cancel.stop_requested()) return feed_outcome::cancelled;
  if (is_processed()) return feed_outcome::done;
  if (position() >= size()) rewind(size() - 1);  // the last token again, for its logits
  has_logits_ = false, row_ = 0, hidden_behind_ = largest_size;
  struct count {  // of whole steps, where one throws too
    ~count() {
      said.processed_ += std::min(said.evaluator_->position(), said.forgotten_ + said.size()) - before;
      said.forget();
    }
    transcript& said;
    const std::size_t before;
  };
  if (position() == 0) evaluator_->recall(tokens().first(size() - 1));
  const count steps{*this, evaluator_->position()};
  guesses = guesses.first(std::min(guesses.size(), most_guesses()));  // there may be more to process than was known
  tokens_.resize(size_);
  tokens_.insert(tokens_.end(), guesses.begin(), guesses.end());
  feed_outcome outcome = feed_outcome::done;
  while (outcome == feed_outcome::done && position() < tokens_.size()) {
    const std::span<const token> rest = std::span<const token>(tokens_).subspan(position());
    const bool guessed = !guesses.empty();  // in one step, of which nothing is remembered that may not come true
    const std::size_t next = guessed ? rest.size() : std::min(rest.size(), evaluator_->tokens_to_remember());
    outcome = evaluator_->feed(rest.first(next), guesses.size(), cancel);
    if (outcome == feed_outcome::done && !guessed && !slides()) evaluator_->remember(tokens().first(position()));
  }
  if (outcome != feed_outcome::done) return outcome;
  has_logits_ = true, hidden_behind_ = size_;
  return outcome;
}

/// Takes out the tokens that the last processed one has forgotten.
void transcript::forget() {
  const std::size_t before = forgotten_;
  forgotten_ = take_out_forgotten(tokens_, forgotten_, evaluator_->sliding(), evaluator_->position());
  size_ -= forgotten_ - before, taken_out_ += forgotten_ - before;
}

/// Makes the evaluator go on from a place among the tokens, or from the last one before it that it can go on from. Where that
/// has been taken out, what is kept is followed by what is left, from now on.
void transcript::rewind(std::size_t place) noexcept {
  has_logits_ = false;
  const std::size_t kept = evaluator_->sliding().kept;
  std::size_t to = evaluator_->resumable(place > kept ? place + forgotten_ : place);
  if (forgotten_ > 0 && (place <= kept || to < kept + forgotten_)) {
    to = evaluator_->resumable(std::min(to, std::min(place, kept)));
    forgotten_ = 0;
  }
  evaluator_->truncate(to);
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
