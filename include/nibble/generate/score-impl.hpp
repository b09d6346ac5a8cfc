/// The definitions behind score.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/score.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/sample/softmax.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

double text_score::total() const noexcept {
  double sum = 0;
  for (std::size_t i = 1; i < logprobs.size(); ++i) sum += double(logprobs[i]);
  return sum;
}
double text_score::perplexity() const noexcept {
  if (logprobs.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  return std::exp(-total() / double(logprobs.size() - 1));
}

result<text_score> try_score(const any_model& model, std::span<const token> tokens, const session_options& room) {
  constexpr std::size_t rows = 32;  // of logits at once
  session_options o = room;
  o.speculation = {}, o.when_full = {};
  if (o.context == 0) o.context = std::max<std::size_t>(tokens.size(), 1);
  o.output_rows = std::max(o.output_rows, std::min(rows, tokens.size()));
  NIBBLE_TRY(detail::check_generates(model, o));
  NIBBLE_TRY(detail::check_tokens(tokens, model.vocabulary()));
  if (tokens.size() > o.context) {
    return error(errc::invalid_argument, "session_options::context: expected room for " + std::to_string(tokens.size()) +
                                             " tokens, found " + std::to_string(o.context));
  }
  auto e = evaluator::try_create(model, o);
  if (!e) return std::move(e).failure();
  text_score out{{tokens.begin(), tokens.end()}, std::vector<float>(tokens.size(), std::numeric_limits<float>::quiet_NaN())};
  if (tokens.size() < 2) return out;
  const feed_outcome how = e->feed_each(tokens.first(tokens.size() - 1), [&](std::size_t i, std::span<const float> logits) {
    out.logprobs[i + 1] = log_probability(logits, tokens[i + 1]);
  });
  if (how == feed_outcome::done) return out;
  return error(errc::out_of_memory, "session_options::kv_bytes: expected room for the keys and values of " +
                                        std::to_string(tokens.size() - 1) + " tokens, found " + std::to_string(o.kv_bytes) +
                                        " bytes");
}

result<text_score> try_score(const any_model& model, std::string_view text, const session_options& room) {
  NIBBLE_TRY(detail::check_generates(model, room));
  return try_score(model, model.tokenizer().encode(text), room);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
