/// The definitions behind speculator.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <chrono>

#include "nibble/generate/speculator.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

feed_outcome speculator::step(transcript& said, std::size_t most, const stop_token& cancel) {
  using clock = std::chrono::steady_clock;
  if (said.is_processed()) {
    ++counts_.accepted;
    return said.process(cancel);
  }
  learn(said.tokens());
  const std::size_t pending = said.pending();
  const std::size_t count = guess(said, std::min(most, said.most_guesses()));
  std::array<token, most_guesses> ids;
  for (std::size_t i = 0; i < count; ++i) ids[i] = guesses_[i].id;
  const auto began = clock::now();
  feed_outcome how = said.process(cancel, std::span(ids).first(count));
  checked_ = how == feed_outcome::done ? said.ahead() : 0;
  if (how == feed_outcome::memory_full && count > 0) how = said.process(cancel);  // there may be memory for less
  if (how != feed_outcome::done) return how;
  pace_.stepped(pending + checked_, clock::now() - began);
  ++counts_.steps, counts_.guessed += checked_;
  return how;
}

/// What has become of the guesses before.
void speculator::learn(std::span<const token> said) noexcept {
  if (counted_ == 0 || said.size() <= counted_) return;
  const std::span<const token> came = said.subspan(counted_);
  pace_.brought(came.size());
  for (std::size_t i = 0; i < std::min(known_, came.size()); ++i) {
    const bool hit = guesses_[i].id == came[i];
    pace_.came_true(guesses_[i], hit, i < checked_);
    if (!hit) break;
  }
}

/// Makes guesses, and returns how many of them to check.
std::size_t speculator::guess(const transcript& said, std::size_t most) {
  using clock = std::chrono::steady_clock;
  const std::size_t pending = said.pending();
  counted_ = said.size(), known_ = checked_ = 0;
  const std::size_t wanted = always_ || guesser_->is_free() ? most : pace_.plan(most, pending);
  if (wanted == 0) return 0;
  const auto began = clock::now();
  known_ = guesser_->guess(said.tokens(), said.hidden(), std::span(guesses_).first(wanted));
  pace_.made(known_, clock::now() - began);
  return always_ ? known_ : pace_.worth(std::span(guesses_).first(known_), pending);
}

result<std::unique_ptr<speculator>> speculator::try_fork() const {
  auto who = guesser_->try_fork();
  if (!who) return std::move(who).failure();
  auto made = std::make_unique<speculator>(*std::move(who), always_);
  made->pace_ = pace_;
  return made;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
