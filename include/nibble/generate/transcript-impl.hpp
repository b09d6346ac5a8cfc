/// The definitions behind transcript.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <utility>

#include "nibble/generate/transcript.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

std::size_t transcript::shared_with(std::span<const token> other, std::size_t place) const noexcept {
  const auto held = tokens().subspan(place);
  const auto differ = std::mismatch(held.begin(), held.end(), other.begin(), other.end());
  return static_cast<std::size_t>(differ.first - held.begin());
}

void transcript::truncate(std::size_t size) noexcept {
  if (size >= tokens_.size()) return;
  tokens_.resize(size);
  if (position() > size) rewind(size);
}

result<transcript> transcript::try_fork() const {
  auto evaluator = evaluator_->try_fork();
  if (!evaluator) return std::move(evaluator).failure();
  transcript made(*std::move(evaluator));
  made.append(tokens_);
  made.has_logits_ = has_logits_;
  return made;
}

result<void> transcript::try_load(std::span<const token> tokens, std::size_t position, std::span<const std::byte> state,
                                  std::span<const float> logits) {
  NIBBLE_ASSERT(tokens.size() <= context() && position <= tokens.size());
  NIBBLE_TRY(evaluator_->try_load(position, state, logits));
  tokens_.assign(tokens.begin(), tokens.end());
  has_logits_ = !logits.empty();
  return {};
}

feed_outcome transcript::process(const stop_token& cancel) {
  NIBBLE_ASSERT(size() > 0);
  if (cancel.stop_requested()) return feed_outcome::cancelled;
  if (position() == size()) {
    if (has_logits_) return feed_outcome::done;
    rewind(size() - 1);  // the last token again, for its logits
  }
  has_logits_ = false;
  struct count {  // of whole steps, where one throws too
    ~count() { said.processed_ += said.position() - before; }
    transcript& said;
    const std::size_t before;
  };
  if (position() == 0) evaluator_->recall(tokens().first(size() - 1));
  const count steps{*this, position()};
  feed_outcome outcome = feed_outcome::done;
  while (outcome == feed_outcome::done && position() < size()) {
    const std::span<const token> rest = tokens().subspan(position());
    outcome = evaluator_->feed(rest.first(std::min(rest.size(), evaluator_->tokens_to_remember())), cancel);
    if (outcome == feed_outcome::done) evaluator_->remember(tokens().first(position()));
  }
  has_logits_ = outcome == feed_outcome::done;
  return outcome;
}

/// Makes the evaluator go on from `position`, or from the last one before it that it can go on from.
void transcript::rewind(std::size_t position) noexcept {
  has_logits_ = false;
  evaluator_->truncate(evaluator_->resumable(position));
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
