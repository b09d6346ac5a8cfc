/// Definitions of model/evaluator.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <utility>

#include "nibble/model/evaluator.hpp"
#include "nibble/model/step_runner-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<evaluator> evaluator::try_create(const any_model& model, const session_options& options) {
  auto runner = step_runner::try_create(model, options, 1);
  if (!runner) return std::move(runner).failure();
  return evaluator(*std::move(runner));
}

result<evaluator> evaluator::try_fork() const {
  auto runner = runner_.try_fork();
  if (!runner) return std::move(runner).failure();
  evaluator made(*std::move(runner));
  made.keep(last_row_);
  return made;
}

result<void> evaluator::try_load(std::size_t position, std::span<const std::byte> state, std::span<const float> logits) {
  NIBBLE_TRY(runner_.try_load(0, position, state));
  keep(logits);
  return {};
}

/// Takes over the output of another's last token.
void evaluator::keep(std::span<const float> row) NIBBLE_NOEXCEPT {
  rows_ = runner_.keep(row);
  last_row_ = {rows_.data, row.size()};
}

feed_outcome evaluator::feed(std::span<const token> tokens, stop_token cancel) {
  NIBBLE_ASSERT(!drafts() && detail::are_tokens(tokens, model().vocabulary()));
  if (!fits(tokens.size())) return feed_outcome::context_full;
  for (std::size_t i = 0; i < tokens.size();) {
    const std::size_t count = std::min(runner_.tokens_of_step(0), tokens.size() - i);
    const auto last = static_cast<std::uint32_t>(count - 1);
    const auto how = step(tokens.subspan(i, count), {&last, i + count == tokens.size() ? std::size_t{1} : 0}, cancel);
    if (how != feed_outcome::done) return how;
    i += count;
  }
  return feed_outcome::done;
}

feed_outcome evaluator::draft(std::span<const token> tokens, std::span<const float> hidden, stop_token cancel) {
  NIBBLE_ASSERT(drafts() && detail::are_tokens(tokens, model().vocabulary()));
  NIBBLE_ASSERT(!tokens.empty() && tokens.size() <= runner_.options().prefill_chunk);
  NIBBLE_ASSERT(hidden.size() == tokens.size() * model().width());
  const auto last = static_cast<std::uint32_t>(tokens.size() - 1);
  return step(tokens, {&last, 1}, cancel, {const_cast<float*>(hidden.data()), tokens.size(), model().width()});  // only read
}

feed_outcome evaluator::step(std::span<const token> tokens, std::span<const std::uint32_t> wanted, const stop_token& cancel,
                             activations hidden) {
  token_run run{0, tokens.size(), 0, 0};
  const auto [how, rows] = runner_.run(tokens, {&run, 1}, wanted, cancel, hidden);
  if (how != feed_outcome::done) return how;
  rows_ = rows;
  if (rows.tokens > 0) last_row_ = row(rows.tokens - 1);
  return how;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
