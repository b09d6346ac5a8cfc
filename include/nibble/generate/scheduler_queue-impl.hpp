/// Who waits for a scheduler, and who gets room. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/core/thrown_by.hpp"
#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/generate/scheduler_state.hpp"
#include "nibble/kv/pool_size.hpp"
#include "nibble/model/scratch_plan.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

result<answer> scheduler::implementation::take(request r) {
  NIBBLE_TRY(detail::check_tokens(r.prompt, model_.vocabulary()));
  NIBBLE_TRY(set_adapters(r));
  auto state = std::make_shared<detail::answer_state>();
  auto made = std::make_unique<scheduled>(model_.tokenizer(), std::move(r), state, options_.aging);
  {
    const std::lock_guard lock(coming_);
    if (!closed_) new_.push_back(std::move(made));
    came_.notify_one();  // within: its answer may be the end of the scheduler
  }
  if (made) state->end(finish::cancelled, {});
  return answer(std::move(state));
}

/// @errors  invalid_argument
result<void> scheduler::implementation::set_adapters(request& r) const {
  const std::vector<adapter_use>& all = evaluator_.options().adapters;
  if (r.adapters.empty()) {
    for (const adapter_use& use : all) r.adapters.push_back(use.scale);
  }
  if (r.adapters.size() != all.size()) {
    return error(errc::invalid_argument, "request::adapters: expected " + std::to_string(all.size()) + " scales, found " +
                                             std::to_string(r.adapters.size()));
  }
  const bool finite = std::all_of(r.adapters.begin(), r.adapters.end(), [](float scale) { return std::isfinite(scale); });
  return finite ? result<void>() : error(errc::invalid_argument, "request::adapters: expected finite scales");
}

void scheduler::implementation::take_new() {
  detail::request_list same;  // goes behind the lock, for what it has of the host's may ask the scheduler for something then
  const std::lock_guard lock(coming_);
  same.reserve(new_.size());
  const std::size_t most = waiting_.size() + running_.size() + new_.size();  // those that make room wait again
  if (most > waiting_.capacity()) waiting_.reserve(std::max(most, product_of_sizes(2, waiting_.capacity())));
  for (auto& r : new_) {
    r->number = stats_.submitted++;
    if (r->shared && coalesce(*r)) {
      ++stats_.coalesced;
      same.push_back(std::move(r));
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
      const bool no_memory = detail::thrown_by([&] {
                               r.readers.front().state->reserve(other->most_new);
                               other->readers.push_back(std::move(r.readers.front()));
                             }) != nullptr;
      if (no_memory) return false;
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
  if (!running_.empty() || waiting_.empty() || waiting_.size() >= evaluator_.sequences()) return false;
  const auto now = clock::now();
  return std::none_of(waiting_.begin(), waiting_.end(),
                      [&](const auto& r) { return r->started || now - r->readers.front().came >= options_.batch_wait; });
}

/// Gives room to those that wait, the most urgent first, as long as there are sequences and pages.
void scheduler::implementation::admit() {
  waits_ = waits_for_more();
  while (!waits_ && !free_.empty() && !waiting_.empty()) {
    const auto first =
        std::min_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) { return a->before(*b); });
    scheduled& r = **first;
    finish early = end_without_room(r);
    if (early == finish::none) {
      if (!running_.empty() && !has_pages_for(r)) return;  // alone, it may try
      r.thrown = detail::thrown_by([&] { give_room(r); });
      if (r.thrown) early = finish::memory_full;
    }
    early == finish::none ? running_.push_back(std::move(*first)) : end(r, early);
    waiting_.erase(first);
  }
}

/// Why a request ends before it is given any room, or finish::none.
finish scheduler::implementation::end_without_room(const scheduled& r) const {
  const finish early =
      detail::end_before_prompt(model_.tokenizer(), evaluator_.most_tokens(), 0, r.tokens.size(), r.builder->remaining());
  if (early != finish::none) return early;
  return std::min(r.tokens.size(), evaluator_.context()) > longest_alone_ ? finish::memory_full : finish::none;
}

/// Whether there are pages for all that it has said, beside those of the tokens that others have not read yet: of each kind,
/// for what layers with a window leave is of no use to those that see all.
bool scheduler::implementation::has_pages_for(const scheduled& r) const {
  return std::all_of(windows_.begin(), windows_.end(), [&](std::size_t window) {
    std::size_t wanted = pages_of(window, r.tokens.size() + 1);
    for (const auto& other : running_)
      wanted = sum_of_sizes(wanted, pages_of(window, other->tokens.size() + 1) - pages_of(window, other->fed));
    return wanted <= evaluator_.free_pages(window);
  });
}

/// Takes memory first, and then a sequence: an exception leaves it as it was.
void scheduler::implementation::give_room(scheduled& r) {
  if (r.tokens.empty()) r.tokens.push_back(*detail::beginning_of_text(model_.tokenizer()));
  const std::size_t room = evaluator_.most_tokens() - r.tokens.size();
  r.most_new = std::min({r.builder->remaining(), evaluator_.context(), room});
  r.tokens.reserve(r.tokens.size() + r.most_new);
  if (!r.started) {
    for (auto& reader : r.readers) reader.state->reserve(r.most_new);
  }
  r.sequence = free_.back();
  free_.pop_back();
  evaluator_.adapt(*r.sequence, r.adapters);
  if (r.started) return;
  r.started = clock::now();
  stats_.prompt_tokens += r.tokens.size();
}

/// Pages that so many positions of a sequence take in layers that see a window, or all of the context.
std::size_t scheduler::implementation::pages_of(std::size_t window, std::size_t positions) const {
  kv_room room = detail::room_of(evaluator_.options(), 1, false);
  if (positions <= room.context) room.sliding = {}, room.hitters = {};
  room.context = std::min(positions, room.context), room.page_bytes = 0;
  room.prefill_chunk = std::min(room.prefill_chunk, room.context);
  return detail::pages_of_layer(window, room, largest_size);
}

}  // namespace NIBBLE_ABI
}  // namespace nibble
