/// The definitions behind generate_each.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nibble/core/checked.hpp"
#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/generate_each.hpp"
#include "nibble/generate/lockstep.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/scratch_plan.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

result<std::vector<finish>> generate_each(const any_model& model, std::span<const std::string> prompts,
                                          const generate_options& options, const reply_callback& on_event,
                                          session_options room) {
  if (prompts.empty()) return std::vector<finish>();
  NIBBLE_TRY(check_no_guesses(room));
  room = room_of_batch(std::move(room));
  NIBBLE_TRY(check_generates(model, room));
  auto evaluator = batch_evaluator::try_create(model, prompts.size(), room);
  if (!evaluator) return std::move(evaluator).failure();
  memory_plan plan = model.plan(room, prompts.size());
  plan.sampling = sum_of_sizes(sampling_scratch::planned_bytes(model.vocabulary()),
                               product_of_sizes(prompts.size(), evaluator->context() + room.when_full.slides, sizeof(token)));
  NIBBLE_TRY(check_cap("model and replies", plan.total(), model.memory_cap()));
  lockstep replies(model.tokenizer(), *std::move(evaluator), on_event);
  generate_options of_one = options;
  for (const std::string& prompt : prompts) {
    replies.begin(model.tokenizer().encode(prompt, {.special = options.parse_special}), of_one);
    ++of_one.seed;
  }
  while (replies.step(options.cancel)) continue;
  std::vector<finish> reasons;
  for (std::size_t i = 0; i < prompts.size(); ++i) reasons.push_back(replies.reason(i));
  return reasons;
}

}  // namespace detail
}  // namespace NIBBLE_ABI
}  // namespace nibble
