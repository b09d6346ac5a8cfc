/// Definitions of model/batch_evaluator.hpp, compiled once: see nibble/compile.hpp.
#pragma once

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/step_runner-impl.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<batch_evaluator> batch_evaluator::try_create(const any_model& model, std::size_t sequences,
                                                    const session_options& options) {
  if (options.output == step_output::draft) {
    return error(errc::invalid_argument,
                 "session_options::output: a batch is given no hidden states, which drafts are made of");
  }
  auto runner = step_runner::try_create(model, options, sequences);
  if (!runner) return std::move(runner).failure();
  return batch_evaluator(*std::move(runner));
}

feed_outcome batch_evaluator::feed(std::size_t sequence, std::span<const token> tokens, stop_token cancel) {
  NIBBLE_ASSERT(sequence < sequences());
  NIBBLE_ASSERT(detail::are_tokens(tokens, runner_.model().vocabulary()));
  if (!runner_.fits(sequence, tokens.size())) return feed_outcome::context_full;
  for (std::size_t i = 0; i < tokens.size();) {
    const std::size_t count = std::min(runner_.tokens_of_step(sequence), tokens.size() - i);
    const auto last = static_cast<std::uint32_t>(count - 1);
    runner_.room().runs[0] = {0, count, 0, sequence};
    const bool ends = i + count == tokens.size();
    const auto how = run(tokens.subspan(i, count), 1, {&last, ends ? std::size_t{1} : 0}, cancel);
    if (how != feed_outcome::done) return how;
    i += count;
  }
  return feed_outcome::done;
}

feed_outcome batch_evaluator::step(std::span<const entry> entries, stop_token cancel) {
  NIBBLE_ASSERT(sequences() > 0 && entries.size() <= sequences());
  auto& [runs, ids, wanted] = runner_.room();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    runs[i] = {i, 1, 0, entries[i].sequence};
    ids[i] = entries[i].id;
    wanted[i] = static_cast<std::uint32_t>(i);
  }
  const std::size_t count = entries.size();
  return run(std::span(ids).first(count), count, std::span(wanted).first(count), cancel);
}

feed_outcome batch_evaluator::step(std::span<const chunk> chunks, stop_token cancel) {
  NIBBLE_ASSERT(sequences() > 0 && chunks.size() <= sequences());
  auto& [runs, ids, wanted] = runner_.room();
  std::size_t count = 0, rows = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const chunk& c = chunks[i];
    NIBBLE_ASSERT(!c.tokens.empty() && c.tokens.size() <= tokens_of_step(c.sequence));
    NIBBLE_ASSERT(c.tokens.size() <= step_tokens() - count);
    runs[i] = {count, c.tokens.size(), 0, c.sequence};
    std::copy(c.tokens.begin(), c.tokens.end(), ids.begin() + std::ptrdiff_t(count));
    count += c.tokens.size();
    if (c.wanted) wanted[rows++] = static_cast<std::uint32_t>(count - 1);
  }
  return run(std::span(ids).first(count), chunks.size(), std::span(wanted).first(rows), cancel);
}

feed_outcome batch_evaluator::run(std::span<const token> ids, std::size_t runs, std::span<const std::uint32_t> wanted,
                                  const stop_token& cancel) {
  const auto [how, rows] = runner_.run(ids, std::span(runner_.room().runs).first(runs), wanted, cancel);
  if (how == feed_outcome::done) rows_ = rows;
  return how;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
