/// The definitions behind scheduler.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/kv/pool.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/scratch_plan.hpp"
#include "nibble/text/tokenizer.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {
namespace detail {

/// A request from when it comes to its end.
struct job {
  using clock = std::chrono::steady_clock;

  job(const nibble::tokenizer& tokenizer, request r, std::shared_ptr<answer_state> to)
      : builder(tokenizer, std::move(r.options)),
        tokens(std::move(r.prompt)),
        priority(r.priority),
        deadline(r.deadline),
        on_event(std::move(r.on_event)),
        state(std::move(to)) {
    stats.prompt_tokens = tokens.size();
  }

  event_builder builder;
  std::vector<token> tokens;                 // its prompt, and its answer so far
  std::size_t fed = 0;                       // of them, that its sequence has
  std::optional<std::size_t> sequence = {};  // while it runs
  std::size_t given = 0;                     // tokens in the step that is made
  int priority;
  std::optional<clock::time_point> deadline;
  std::function<void(const token_event&)> on_event;
  std::shared_ptr<answer_state> state;
  clock::time_point came = clock::now();
  clock::duration due{0};  // who has less is more urgent
  request_stats stats;
  std::exception_ptr thrown;

  std::size_t left() const noexcept { return tokens.size() - fed; }
};
using job_list = std::vector<std::unique_ptr<job>>;

}  // namespace detail

class scheduler::implementation {
 public:
  implementation(const any_model& model, const scheduler_options& options, batch_evaluator evaluator)
      : model_(model),
        options_(options),
        layers_(model.kv()),
        evaluator_(std::move(evaluator)),
        scratch_(model.tokenizer().size()) {
    for (std::size_t i = evaluator_.sequences(); i > 0; --i) free_.push_back(i - 1);
    states_for_others_ = *evaluator_.options().prefix_cache &&
                         std::any_of(layers_.begin(), layers_.end(), [](const kv_shape& l) { return l.state > 0; });
  }
  ~implementation() {
    take_new();
    for (detail::job_list* list : {&running_, &waiting_}) {
      for (auto& j : *list) end(*j, finish::cancelled);
    }
  }

  result<answer> try_submit(request r);
  bool run_once();
  bool run_for(std::chrono::nanoseconds budget);
  void run(stop_token stop);

  std::size_t running() const noexcept { return running_.size(); }
  std::size_t waiting() const noexcept { return waiting_.size(); }
  memory_plan memory() const noexcept { return evaluator_.memory(); }

 private:
  using clock = detail::job::clock;
  using job = detail::job;

  void take_new();
  void drop_what_is_over(detail::job_list& list);
  void admit();
  std::size_t page_bytes_of(std::size_t positions) const;
  void choose_chunks();
  std::size_t part_of_prompt(job& j, std::size_t room);
  feed_outcome step();
  void preempt();
  void read_rows();
  void choose_token(job& j, std::span<float> logits);
  void show(job& j, const std::optional<token_event>& event);
  template <class F>
  void attempt(job& j, F&& f);
  void end(job& j, finish reason);
  void give_back(job& j) noexcept;

  any_model model_;
  scheduler_options options_;
  std::vector<kv_shape> layers_;
  batch_evaluator evaluator_;
  sampling_scratch scratch_;
  detail::job_list running_, waiting_;  // in the order in which they were given room; in no order
  std::vector<std::size_t> free_;       // sequences
  std::vector<batch_evaluator::chunk> chunks_;
  std::vector<job*> in_step_;  // whose chunks these are
  clock::duration last_step_{0};
  bool states_for_others_ = false;  // at borders of pages, in the prefix cache

  std::mutex coming_;  // of what follows
  std::condition_variable came_;
  detail::job_list new_;
};

result<answer> scheduler::implementation::try_submit(request r) {
  for (std::size_t i = 0; i < r.prompt.size(); ++i) {
    if (static_cast<std::size_t>(r.prompt[i]) < model_.vocabulary()) continue;  // a negative one is huge
    return error(errc::invalid_argument, "token " + std::to_string(i) + " of the prompt: expected 0 to " +
                                             std::to_string(model_.vocabulary() - 1) + ", found " +
                                             std::to_string(r.prompt[i]));
  }
  auto state = std::make_shared<detail::answer_state>();
  auto made = std::make_unique<job>(model_.tokenizer(), std::move(r), state);
  made->due = made->came.time_since_epoch() - made->priority * std::chrono::duration_cast<clock::duration>(options_.aging);
  {
    const std::lock_guard lock(coming_);
    new_.push_back(std::move(made));
  }
  came_.notify_one();
  return answer(std::move(state));
}

bool scheduler::implementation::run_once() {
  take_new();
  drop_what_is_over(running_);
  drop_what_is_over(waiting_);
  admit();
  if (running_.empty()) return false;
  const auto began = clock::now();
  if (step() != feed_outcome::done) return true;
  read_rows();
  last_step_ = clock::now() - began;
  return true;
}

bool scheduler::implementation::run_for(std::chrono::nanoseconds budget) {
  const auto until = clock::now() + budget;
  do {
    if (!run_once()) return false;
  } while (clock::now() + last_step_ < until);
  return true;
}

void scheduler::implementation::run(stop_token stop) {
  while (!stop.stop_requested()) {
    if (run_once()) continue;
    std::unique_lock lock(coming_);
    const auto until_stopped = std::chrono::milliseconds(10);  // a flag wakes nobody
    came_.wait_for(lock, until_stopped, [&] { return !new_.empty(); });
  }
}

void scheduler::implementation::take_new() {
  const std::lock_guard lock(coming_);
  for (auto& j : new_) waiting_.push_back(std::move(j));
  new_.clear();
}

/// Ends what nobody waits for any more.
void scheduler::implementation::drop_what_is_over(detail::job_list& list) {
  const auto now = clock::now();
  for (auto& j : list) {
    const bool cancelled = j->builder.options().cancel.stop_requested() || j->state->is_cancelled();
    const bool late = j->deadline && *j->deadline <= now;
    if (cancelled || late) end(*j, cancelled ? finish::cancelled : finish::too_late);
  }
  std::erase_if(list, [](const auto& j) { return j->builder.reason() != finish::none; });
}

/// Gives room to those that wait, the most urgent first, as long as there are sequences, and pages for all that they have said.
void scheduler::implementation::admit() {
  while (!free_.empty() && !waiting_.empty()) {
    const auto first =
        std::min_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) { return a->due < b->due; });
    job& j = **first;
    const finish early =
        detail::end_before_prompt(model_.tokenizer(), evaluator_.context(), 0, j.tokens.size(), j.builder.remaining());
    if (early != finish::none) {
      end(j, early);
      waiting_.erase(first);
      continue;
    }
    if (j.tokens.empty()) j.tokens.push_back(*detail::beginning_of_text(model_.tokenizer()));
    const std::size_t used = evaluator_.used().pages, needed = page_bytes_of(j.tokens.size() + 1);
    if (!running_.empty() && needed > evaluator_.memory().kv - used) return;  // alone, it may try
    j.sequence = free_.back();
    free_.pop_back();
    j.tokens.reserve(j.tokens.size() + std::min(j.builder.remaining(), evaluator_.context() - j.tokens.size()));
    if (j.stats.preemptions == 0) j.stats.queue_time = clock::now() - j.came;
    running_.push_back(std::move(*first));
    waiting_.erase(first);
  }
}

/// Bytes of the pages that so many positions of a sequence take.
std::size_t scheduler::implementation::page_bytes_of(std::size_t positions) const {
  kv_room room = detail::room_of(evaluator_.options(), 1, false);
  room.context = std::min(positions, room.context), room.page_bytes = 0;
  room.prefill_chunk = std::min(room.prefill_chunk, room.context);
  return kv_pool::planned_bytes(layers_, room).pages;
}

/// What the next step has: a token of each answer, and as much of the prompts as there is room for.
void scheduler::implementation::choose_chunks() {
  chunks_.clear(), in_step_.clear();
  std::size_t room = evaluator_.step_tokens();
  for (auto& j : running_) {
    j->given = j->left() == 1 ? 1 : 0;
    room -= j->given;  // fits: there are no more of them than sequences
  }
  for (auto& j : running_) {
    if (j->given == 0 && room > 0) {
      j->given = part_of_prompt(*j, room);
      room -= j->given;
    }
    if (j->given == 0) continue;
    chunks_.push_back({*j->sequence, std::span<const token>(j->tokens).subspan(j->fed, j->given), j->given == j->left()});
    in_step_.push_back(j.get());
  }
}

/// How many tokens of a prompt there are in the next step. Before its first, what others have read of it is taken over. States
/// are there for others where a step ends with a page, so those of models that have some do.
std::size_t scheduler::implementation::part_of_prompt(job& j, std::size_t room) {
  if (j.fed == 0) {
    j.fed = evaluator_.recall(*j.sequence, std::span<const token>(j.tokens).first(j.tokens.size() - 1));
    if (j.stats.preemptions == 0) j.stats.cached_tokens = j.fed;
  }
  if (states_for_others_) room = std::min(room, page_positions - j.fed % page_positions);
  return std::min({j.left(), room, evaluator_.options().prefill_chunk});
}

/// Where there is no memory for all that runs, the last of them make room.
feed_outcome scheduler::implementation::step() {
  feed_outcome how = feed_outcome::memory_full;
  while (!running_.empty() && how == feed_outcome::memory_full) {
    choose_chunks();
    how = evaluator_.step(chunks_);
    if (how == feed_outcome::memory_full) preempt();
  }
  return how;
}

void scheduler::implementation::preempt() {
  std::unique_ptr<job> last = std::move(running_.back());
  running_.pop_back();
  if (running_.empty()) return end(*last, finish::memory_full);  // it has all that there is
  give_back(*last);
  ++last->stats.preemptions;
  waiting_.push_back(std::move(last));
}

void scheduler::implementation::read_rows() {
  std::size_t row = 0;
  for (std::size_t i = 0; i < in_step_.size(); ++i) {
    job& j = *in_step_[i];
    j.fed += j.given;
    j.stats.processed_tokens += j.given;
    if (j.fed % page_positions < j.given) evaluator_.remember(*j.sequence, std::span<const token>(j.tokens).first(j.fed));
    if (chunks_[i].wanted) choose_token(j, evaluator_.logits(row++));
  }
  std::erase_if(running_, [](const auto& j) { return j->builder.reason() != finish::none; });
}

/// Chooses the token behind what it has, and shows its event. What a sampler throws ends this request alone.
void scheduler::implementation::choose_token(job& j, std::span<float> logits) {
  const std::size_t room = evaluator_.context() - j.tokens.size();
  if (j.builder.accepted() == 0) {
    if (const finish behind = detail::end_behind_prompt(room, j.builder.remaining()); behind != finish::none)
      return end(j, behind);
  }
  std::optional<token_event> event;
  attempt(j, [&] { event = j.builder.next(logits, j.tokens, scratch_); });
  show(j, event);
  if (j.builder.reason() == finish::none && room > 1) return;
  end(j, finish::context_full);  // or as its builder says
}

void scheduler::implementation::show(job& j, const std::optional<token_event>& event) {
  if (!event) return;
  if (event->id != no_token) {
    j.tokens.push_back(event->id);
    if (j.stats.generated_tokens++ == 0) j.stats.first_token_time = clock::now() - j.came;
  }
  j.state->add(*event);
  if (j.on_event) attempt(j, [&] { j.on_event(*event); });
}

/// Calls what is the user's. If it throws, the request is over, and its answer tells what was thrown.
template <class F>
void scheduler::implementation::attempt(job& j, F&& f) {
#if NIBBLE_EXCEPTIONS
  try {
    f();
  } catch (...) {
    j.thrown = std::current_exception();
    j.on_event = nullptr;
    static_cast<void>(j.builder.end(finish::cancelled));
  }
#else
  f();
#endif
}

/// The end of a request, unless its builder has found another before.
void scheduler::implementation::end(job& j, finish reason) {
  show(j, j.builder.end(reason));
  give_back(j);
  j.stats.total_time = clock::now() - j.came;
  j.state->end(j.builder.reason(), j.stats, j.thrown);
}

/// Its pages, its states and its sequence are others'.
void scheduler::implementation::give_back(job& j) noexcept {
  if (!j.sequence) return;
  evaluator_.truncate(*j.sequence, 0);
  free_.push_back(*j.sequence);
  j.sequence.reset(), j.fed = 0;
}

result<scheduler> scheduler::try_create(const any_model& model, const scheduler_options& options) {
  session_options room = options.room;
  room.marks = false, room.state_interval = 0, room.forks = 0;  // none is cut back but to its beginning
  room.prefix_cache = room.prefix_cache.value_or(true);
  NIBBLE_TRY(detail::check_generates(model, room));
  auto evaluator = batch_evaluator::try_create(model, options.running, room);
  if (!evaluator) return std::move(evaluator).failure();
  return scheduler(std::make_unique<implementation>(model, options, *std::move(evaluator)));
}
scheduler::scheduler(std::unique_ptr<implementation> made) noexcept : made_(std::move(made)) {}
scheduler::scheduler(scheduler&&) noexcept = default;
scheduler& scheduler::operator=(scheduler&&) noexcept = default;
scheduler::~scheduler() = default;

result<answer> scheduler::try_submit(request r) { return made_->try_submit(std::move(r)); }
bool scheduler::run_once() { return made_->run_once(); }
bool scheduler::run_for(std::chrono::nanoseconds budget) { return made_->run_for(budget); }
void scheduler::run(stop_token stop) { made_->run(std::move(stop)); }
std::size_t scheduler::running() const noexcept { return made_->running(); }
std::size_t scheduler::waiting() const noexcept { return made_->waiting(); }
memory_plan scheduler::memory() const noexcept { return made_->memory(); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
