/// Who waits for a scheduler, and who gets room. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include "nibble/generate/reply_ends.hpp"
#include "nibble/generate/scheduler_state.hpp"
#include "nibble/kv/pool.hpp"
#include "nibble/model/scratch_plan.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<answer> scheduler::implementation::take(request r) {
  for (std::size_t i = 0; i < r.prompt.size(); ++i) {
    if (static_cast<std::size_t>(r.prompt[i]) < model_.vocabulary()) continue;  // a negative one is huge
    return error(errc::invalid_argument, "token " + std::to_string(i) + " of the prompt: expected 0 to " +
                                             std::to_string(model_.vocabulary() - 1) + ", found " +
                                             std::to_string(r.prompt[i]));
  }
  auto state = std::make_shared<detail::answer_state>();
  auto made = std::make_unique<scheduled>(model_.tokenizer(), std::move(r), state, options_.aging);
  {
    const std::lock_guard lock(coming_);
    new_.push_back(std::move(made));
  }
  came_.notify_one();
  return answer(std::move(state));
}

void scheduler::implementation::take_new() {
  const std::lock_guard lock(coming_);
  for (auto& r : new_) {
    ++stats_.submitted;
    if (r->shared && coalesce(*r)) {
      ++stats_.coalesced;
    } else {
      waiting_.push_back(std::move(r));
    }
  }
  new_.clear();
}

/// Lets one that is asked already answer a request, too. It is as urgent as the more urgent of them.
bool scheduler::implementation::coalesce(scheduled& r) {
  for (detail::request_list* list : {&running_, &waiting_}) {
    for (auto& other : *list) {
      if (!other->answers(r)) continue;
      other->readers.push_back(std::move(r.readers.front()));
      other->due = std::min(other->due, r.due);
      return true;
    }
  }
  return false;
}

/// Ends what nobody waits for any more.
void scheduler::implementation::drop_what_is_over(detail::request_list& list) {
  const auto now = clock::now();
  for (auto& r : list) {
    auto& readers = r->readers;
    for (std::size_t i = 0; i < readers.size();) {
      const finish why = readers[i].over(now);
      if (why == finish::none) {
        ++i;
      } else if (readers.size() == 1) {
        end(*r, why);
        break;
      } else {
        close(*r, readers[i], why, nullptr);
        readers.erase(readers.begin() + std::ptrdiff_t(i));
      }
    }
  }
  std::erase_if(list, [](const auto& r) { return r->ended(); });
}

/// Whether those that wait are too few to begin with, and none has waited long enough.
bool scheduler::implementation::waits_for_more() const {
  if (!running_.empty() || waiting_.size() >= evaluator_.sequences()) return false;
  const auto now = clock::now();
  return std::none_of(waiting_.begin(), waiting_.end(),
                      [&](const auto& r) { return now - r->readers.front().came >= options_.batch_wait; });
}

/// Gives room to those that wait, the most urgent first, as long as there are sequences, and pages for all that they have said.
void scheduler::implementation::admit() {
  if (waits_for_more()) return;
  while (!free_.empty() && !waiting_.empty()) {
    const auto first =
        std::min_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) { return a->due < b->due; });
    scheduled& r = **first;
    const finish early =
        detail::end_before_prompt(model_.tokenizer(), evaluator_.most_tokens(), 0, r.tokens.size(), r.builder->remaining());
    if (early != finish::none) {
      end(r, early);
      waiting_.erase(first);
      continue;
    }
    if (r.tokens.empty()) r.tokens.push_back(*detail::beginning_of_text(model_.tokenizer()));
    const std::size_t used = evaluator_.used().pages, needed = page_bytes_of(r.tokens.size() + 1);
    if (!running_.empty() && needed > evaluator_.memory().kv - used) return;  // alone, it may try
    r.sequence = free_.back();
    free_.pop_back();
    const std::size_t room = evaluator_.most_tokens() - r.tokens.size();
    const std::size_t more = std::min({r.builder->remaining(), evaluator_.context(), room});
    r.tokens.reserve(r.tokens.size() + more);
    if (!r.started) {
      r.started = clock::now();
      for (auto& reader : r.readers) reader.state->reserve(more);
    }
    running_.push_back(std::move(*first));
    waiting_.erase(first);
  }
}

/// Bytes of the pages that so many positions of a sequence take.
std::size_t scheduler::implementation::page_bytes_of(std::size_t positions) const {
  kv_room room = detail::room_of(evaluator_.options(), 1, false);
  if (positions <= room.context) room.sliding = {};
  room.context = std::min(positions, room.context), room.page_bytes = 0;
  room.prefill_chunk = std::min(room.prefill_chunk, room.context);
  return kv_pool::planned_bytes(layers_, room).pages;
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
