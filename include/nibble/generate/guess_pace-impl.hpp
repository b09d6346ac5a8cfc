/// The definitions behind guess_pace.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>

#include "nibble/generate/guess_pace.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// What is taken for a time that was not measured: each further token costs a tenth of the first.
inline double guess_pace::usual_time(std::size_t tokens) const noexcept { return times_[1] * (0.9 + 0.1 * double(tokens)); }

/// A step of so many tokens, from those that were measured; in nanoseconds.
inline double guess_pace::step_time(std::size_t tokens) const noexcept {
  const std::size_t n = std::min(tokens, most_tokens);
  if (times_[n] > 0) return std::max(times_[n], times_[1]);
  std::size_t below = n, above = n;
  while (below > 1 && times_[below] == 0) --below;
  while (above < most_tokens && times_[above] == 0) ++above;
  const double low = std::max(times_[below], times_[1]);
  if (times_[above] == 0) return low + usual_time(n) - usual_time(below);
  const double part = double(n - below) / double(above - below);
  return low + part * (std::max(times_[above], low) - low);
}

/// That a guess comes true: counted, and before that what is usual.
inline double guess_pace::chance(std::size_t kind) const noexcept {
  constexpr double usual_tries = 4;
  const double usual = 0.25 + 0.65 * double(kind) / double(token_guess::kinds - 1);
  return (luck_[kind].hits + usual_tries * usual) / (luck_[kind].tries + usual_tries);
}

std::size_t guess_pace::worth(std::span<const token_guess> guesses, std::size_t pending) const noexcept {
  if (times_[1] == 0 || account_ <= 0) return 0;
  constexpr double least_gain = 1.02;
  double best = least_gain / step_time(pending), come = 1, all = 1;
  std::size_t count = 0;
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    all *= chance(guesses[i].sureness);
    come += all;
    const std::size_t tokens = pending + i + 1;
    // sizes far apart, so that each is measured often; the last guess is one of them
    const bool is_size = tokens <= 4 || tokens % 4 == 0 || i + 1 == guesses.size();
    if (!is_size || come / step_time(tokens) <= best) continue;
    best = come / step_time(tokens), count = i + 1;
  }
  return count;
}

std::size_t guess_pace::plan(std::size_t most, std::size_t pending) const noexcept {
  if (times_[1] == 0 || account_ <= 0) return 0;
  if (guess_time_ <= 0) most = std::min<std::size_t>(most, 2);  // what they cost is not known yet
  const double hit = (all_.hits + 4 * 0.7) / (all_.tries + 4);
  double best = 1.02 / step_time(pending), come = 1, all = 1;
  std::size_t count = 0;
  for (std::size_t n = 1; n <= most; ++n) {
    all *= hit, come += all;
    const double rate = come / (step_time(pending + n) + double(n) * std::max(guess_time_, 0.0));
    if (rate <= best) continue;
    best = rate, count = n;
  }
  return count;
}

void guess_pace::came_true(const token_guess& guess, bool hit, bool checked) noexcept {
  for (luck* l : {&luck_[guess.sureness], &all_}) {
    if (l->tries >= 48) l->hits /= 2, l->tries /= 2;  // what is long ago counts less
    l->hits += hit, l->tries += 1;
  }
  if (!checked && hit && account_ <= 0) account_ += 0.1;  // it would have gained
}

void guess_pace::made(std::size_t guesses, duration took) noexcept {
  guessing_ = double(took.count());
  if (guesses == 0) return;
  const double one = guessing_ / double(guesses);
  if (guess_time_ == 0) {
    guess_time_ = unknown;  // the first one reads what was said before, too
  } else {
    guess_time_ += guess_time_ > 0 ? 0.25 * (std::min(one, 2 * guess_time_) - guess_time_) : one - guess_time_;
  }
}

void guess_pace::stepped(std::size_t tokens, duration took) noexcept {
  plain_ = tokens == 1;
  const double now = double(took.count());
  spent_ = guessing_ + (plain_ ? 0 : now);
  guessing_ = 0;
  if (tokens > most_tokens) return;
  double& time = times_[tokens];
  // one that was held up counts less
  if (time > 0) {
    time += 0.2 * (std::min(now, 2 * time) - time);
  } else {
    time = plain_ || times_[1] == 0 ? now : std::min(now, 4 * usual_time(tokens));
  }
  if (!plain_) return;
  for (std::size_t n = 2; n <= most_tokens; ++n) {  // what is long ago counts less, too
    if (times_[n] > 0) times_[n] += 0.003 * (usual_time(n) - times_[n]);
  }
  all_.hits *= 0.997, all_.tries *= 0.997;
}

void guess_pace::brought(std::size_t tokens) noexcept {
  if (times_[1] == 0) return;
  constexpr double most = 8, allowance = 0.01;
  account_ = std::min(most, account_ - spent_ / times_[1] + (plain_ ? allowance : double(tokens)));
  plain_ = true, spent_ = 0;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
