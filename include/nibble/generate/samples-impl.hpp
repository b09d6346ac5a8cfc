/// The definitions behind samples.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <utility>

#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/lockstep.hpp"
#include "nibble/generate/samples.hpp"
#include "nibble/model/batch_evaluator.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<std::vector<sample>> try_samples(const any_model& model, std::span<const token> prompt, std::size_t count,
                                        const generate_options& options, const session_options& room) {
  const session_options o = detail::room_of_batch(room);
  NIBBLE_TRY(detail::check_generates(model, o));
  NIBBLE_TRY(detail::check_tokens(prompt, model.vocabulary()));
  if (prompt.empty()) return error(errc::invalid_argument, "samples: expected a prompt, found no token");
  auto evaluator = batch_evaluator::try_create(model, count, o);
  if (!evaluator) return std::move(evaluator).failure();
  std::vector<sample> out(count);
  const detail::reply_callback add = [&](std::size_t i, const token_event& event) {
    out[i].text += event.text;
    if (event.id == no_token) return true;
    out[i].tokens.push_back(event.id);
    out[i].logprob += double(event.logprob);
    return true;
  };
  detail::lockstep replies(model.tokenizer(), *std::move(evaluator), add);
  generate_options own = options;
  own.logprobs = true;
  replies.begin_alike(prompt, count, std::move(own));
  while (replies.step(options.cancel)) continue;
  for (std::size_t i = 0; i < count; ++i) out[i].reason = replies.reason(i);
  std::stable_sort(out.begin(), out.end(),
                   [](const sample& a, const sample& b) { return a.mean_logprob() > b.mean_logprob(); });
  return out;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
