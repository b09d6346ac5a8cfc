/// The definitions behind scheduler.hpp. Compiled once: see nibble/compile.hpp; never include it yourself.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "nibble/core/checked.hpp"
#include "nibble/core/deadline.hpp"
#include "nibble/core/thrown_by.hpp"
#include "nibble/file/output_file.hpp"
#include "nibble/generate/check_generates.hpp"
#include "nibble/generate/in_sight.hpp"
#include "nibble/generate/reply_ends.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/generate/scheduler_queue-impl.hpp"
#include "nibble/generate/scheduler_state.hpp"
#include "nibble/generate/scheduler_stats-impl.hpp"
#include "nibble/kv/pool_size.hpp"
#include "nibble/model/scratch_plan.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

scheduler::implementation::implementation(const any_model& model, const scheduler_options& options, batch_evaluator evaluator)
    : model_(model), options_(options), evaluator_(std::move(evaluator)), scratch_(model.tokenizer().size()) {
  const std::size_t most = evaluator_.sequences();
  for (std::size_t i = most; i > 0; --i) free_.push_back(i - 1);
  running_.reserve(most), chunks_.reserve(most), in_step_.reserve(most);
  const kv_room room = detail::room_of(evaluator_.options(), most, false);
  const std::vector<kv_shape> layers = model.kv();
  for (const kv_shape& l : layers) {
    const std::size_t window = detail::window_of(l, room);
    if (l.heads > 0 && std::find(windows_.begin(), windows_.end(), window) == windows_.end()) windows_.push_back(window);
  }
  const bool sees_all = std::find(windows_.begin(), windows_.end(), std::size_t{0}) != windows_.end();
  const std::size_t pages = detail::pages_of_layer(0, room, detail::page_level(layers, room));
  longest_alone_ = sees_all ? product_of_sizes(pages, page_positions) : largest_size;
  if (evaluator_.sliding().slides()) in_sight_.reserve(evaluator_.context());
  stats_.most_page_bytes = shown_stats_.most_page_bytes = evaluator_.memory().kv;
  states_for_others_ = *evaluator_.options().prefix_cache &&
                       std::any_of(layers.begin(), layers.end(), [](const kv_shape& l) { return l.state > 0; });
}

void scheduler::implementation::close() noexcept {
  detail::request_list last;
  {
    const std::lock_guard lock(coming_);
    closed_ = true;
    last.swap(new_);
  }
  in_use_ = true;
  for (detail::request_list* list : {&running_, &waiting_, &last}) {
    for (auto& r : *list) static_cast<void>(detail::thrown_by([&] { end(*r, finish::cancelled); }));
  }
}

namespace detail {
/// True as long as it is there.
class raised_flag {
 public:
  explicit raised_flag(bool& flag) noexcept : flag_(flag) { flag_ = true; }
  ~raised_flag() { flag_ = false; }
  raised_flag(const raised_flag&) = delete;
  raised_flag& operator=(const raised_flag&) = delete;

 private:
  bool& flag_;
};
}  // namespace detail

/// @param until  when it shall be over
bool scheduler::implementation::run_once(clock::time_point until) {
  if (in_use_) return false;
  const detail::raised_flag in_use(in_use_);
  take_new();
  drop_what_is_over(running_);
  drop_what_is_over(waiting_);
  admit();
  const bool something_runs = !running_.empty();
  if (something_runs) {
    show_stats();  // who waits meanwhile
    make_step(until);
  }
  show_stats();
  const std::lock_guard lock(coming_);
  return something_runs || !waiting_.empty() || !new_.empty();  // callbacks may have asked for more
}

void scheduler::implementation::show_stats() {
  stats_.running = running_.size(), stats_.waiting = waiting_.size();
  stats_.page_bytes = evaluator_.used().pages, stats_.cached_bytes = evaluator_.cached().pages;
  const std::lock_guard lock(counting_);
  shown_stats_ = stats_;
}

void scheduler::implementation::make_step(clock::time_point until) {
  const auto began = clock::now();
  if (step(until) != feed_outcome::done) return;
  std::size_t tokens = 0;
  for (const scheduled* r : in_step_) tokens += r->given;
  const auto processed = clock::now();
  pace_.add(tokens, answers_in_step_, processed - began);
  read_rows();
  const auto done = clock::now();
  beside_ = done - processed;
  ++stats_.steps, stats_.processed_tokens += tokens;
  stats_.step_time.add(done - began);
}

bool scheduler::implementation::run_for(std::chrono::nanoseconds budget) {
  const auto until = detail::deadline_after(clock::now(), std::max(budget, std::chrono::nanoseconds(0)));
  do {
    if (!run_once(until)) return false;
    if (waits_) return true;
  } while (clock::now() + pace_.shortest(running_.size()) + beside_ < until);
  return true;
}

void scheduler::implementation::run(stop_token stop) {
  while (!in_use_ && !stop.stop_requested()) {
    const bool busy = run_once();
    if (busy && !waits_) continue;
    std::unique_lock lock(coming_);
    const auto until_stopped = std::chrono::milliseconds(busy ? 1 : 10);  // a flag wakes nobody
    came_.wait_for(lock, until_stopped, [&] { return !new_.empty(); });
  }
}

/// What the next step has: a token of each answer, and as much of the prompts as there is room for.
/// @param   most  tokens of it
void scheduler::implementation::choose_chunks(clock::time_point until, std::size_t most) {
  chunks_.clear(), in_step_.clear();
  std::size_t room = std::min(evaluator_.step_tokens(), most);
  answers_in_step_ = 0;
  for (auto& r : running_) {
    r->given = r->left() == 1 ? 1 : 0;
    answers_in_step_ += r->given;  // fits: there are no more of them than sequences
  }
  if (answers_in_step_ > 0 && options_.pace > 0) {
    const std::size_t all = std::max(answers_in_step_, running_.size() / 2);  // first ones do not keep many others from theirs
    room = std::min(room, pace_.most_tokens(options_.pace, all));
  }
  if (until != clock::time_point::max())
    room = std::min(room, pace_.tokens_within(until - clock::now() - beside_, answers_in_step_));
  room -= std::min(room, answers_in_step_);
  while (scheduled* const reader = room > 0 ? most_urgent_reader() : nullptr) {
    reader->given = part_of_prompt(*reader, room);
    room -= reader->given;
  }
  for (auto& r : running_) {
    if (r->given == 0) continue;
    chunks_.push_back({*r->sequence, std::span<const token>(r->tokens).subspan(r->fed, r->given), r->given == r->left()});
    in_step_.push_back(r.get());
  }
}

/// Of those that have nothing of the next step yet, or null.
auto scheduler::implementation::most_urgent_reader() const noexcept -> scheduled* {
  scheduled* first = nullptr;
  for (const auto& r : running_) {
    if (r->given == 0 && (!first || r->before(*first))) first = r.get();
  }
  return first;
}

/// How many tokens of a prompt there are in the next step. Before its first, what others have read of it is taken over. States
/// are there for others where a step ends with a page, so those of models that have some do.
std::size_t scheduler::implementation::part_of_prompt(scheduled& r, std::size_t room) {
  if (r.fed == 0) {
    r.fed = evaluator_.recall(*r.sequence, std::span<const token>(r.tokens).first(r.tokens.size() - 1));
    if (r.preemptions == 0) {
      r.cached = r.fed;
      stats_.cached_tokens += r.cached;
    }
  }
  if (states_for_others_) room = std::min(room, page_positions - r.fed % page_positions);
  return std::min({r.left(), room, evaluator_.tokens_of_step(*r.sequence)});
}

/// Where there is no memory for all that runs, the least urgent of them make room. The last of them takes smaller parts, down
/// to a token, so that how far it comes does not depend on the parts that it was given before.
feed_outcome scheduler::implementation::step(clock::time_point until) {
  feed_outcome how = feed_outcome::memory_full;
  std::size_t most = largest_size;
  while (!running_.empty() && how == feed_outcome::memory_full) {
    choose_chunks(until, most);
    how = evaluator_.step(chunks_);
    if (how != feed_outcome::memory_full) break;
    if (running_.size() == 1 && in_step_.front()->given > 1) {
      most = in_step_.front()->given / 2;
    } else {
      preempt();
    }
  }
  return how;
}

void scheduler::implementation::preempt() {
  const auto least =
      std::max_element(running_.begin(), running_.end(), [](const auto& a, const auto& b) { return a->before(*b); });
  std::unique_ptr<scheduled> last = std::move(*least);
  running_.erase(least);
  if (running_.empty()) return end(*last, finish::memory_full);  // it has all that there is
  give_back(*last);
  ++last->preemptions, ++stats_.preemptions;
  waiting_.push_back(std::move(last));
}

/// First all requests know what the step has made of them; then come callbacks and memory. What they throw ends one of them.
void scheduler::implementation::read_rows() {
  for (scheduled* r : in_step_) {
    r->fed += r->given;
    r->processed += r->given;
    if (r->fed % page_positions < r->given) evaluator_.remember(*r->sequence, std::span<const token>(r->tokens).first(r->fed));
  }
  std::size_t row = 0;
  for (std::size_t i = 0; i < in_step_.size(); ++i) {
    if (!chunks_[i].wanted) continue;
    scheduled& r = *in_step_[i];
    const std::span<float> logits = evaluator_.logits(row++);
    const auto thrown = detail::thrown_by([&] { choose_token(r, logits); });
    if (!thrown) continue;
    r.thrown = thrown;
    end(r, finish::cancelled);
  }
  std::erase_if(running_, [](const auto& r) { return r->ended(); });
}

/// Chooses the token behind what it has, and shows its event.
/// @errors  what a sampler throws
void scheduler::implementation::choose_token(scheduled& r, std::span<float> logits) {
  const std::size_t room = evaluator_.most_tokens() - r.tokens.size();
  if (r.builder->accepted() == 0) {
    if (const finish behind = detail::end_behind_prompt(room, r.builder->remaining()); behind != finish::none)
      return end(r, behind);
  }
  const auto seen = detail::in_sight(r.tokens, evaluator_.sliding(), in_sight_);
  show(r, r.builder->next(logits, seen, scratch_));
  if (!r.ended() && room > 1) return;
  end(r, finish::context_full);  // or as its builder says
}

/// What a callback throws, or too little memory for an answer, ends it for this reader; without readers the request is over.
void scheduler::implementation::show(scheduled& r, const std::optional<token_event>& event) {
  if (!event) return;
  if (event->id != no_token) {
    r.tokens.push_back(event->id);
    count_token(r);
  }
  std::erase_if(r.readers, [&](detail::answer_reader& reader) {
    const auto thrown = detail::thrown_by([&] {
      reader.state->add(*event);
      if (reader.on_event) reader.on_event(*event);
    });
    if (thrown) close(r, reader, finish::cancelled, thrown);
    return thrown != nullptr;
  });
  if (r.readers.empty()) static_cast<void>(r.builder->end(finish::cancelled));
}

/// The end of a request, unless its builder has found another before.
void scheduler::implementation::end(scheduled& r, finish reason) {
  show(r, r.builder->end(reason));
  give_back(r);
  for (detail::answer_reader& reader : r.readers) close(r, reader, r.builder->reason(), r.thrown);
  r.readers.clear();
}

/// The end of a request for one that waits for its answer.
void scheduler::implementation::close(scheduled& r, detail::answer_reader& reader, finish reason, std::exception_ptr thrown) {
  const request_stats stats = detail::stats_of(r, reader);
  ++stats_.ended[static_cast<std::size_t>(reason)];
  if (r.started) stats_.queue_time.add(stats.queue_time);
  if (r.first_token) stats_.first_token_time.add(stats.first_token_time);
  if (options_.on_end) static_cast<void>(detail::thrown_by([&] { options_.on_end(stats, reason); }));
  reader.state->end(reason, stats, std::move(thrown));
}

/// Its pages, its states and its sequence are others'.
void scheduler::implementation::give_back(scheduled& r) noexcept {
  if (!r.sequence) return;
  evaluator_.truncate(*r.sequence, 0);
  free_.push_back(*r.sequence);
  r.sequence.reset(), r.fed = 0;
}

void scheduler::implementation::count_token(scheduled& r) {
  const auto now = clock::now();
  ++stats_.generated_tokens;
  if (r.generated++ == 0) r.first_token = now;
  if (r.last_token) stats_.token_time.add(now - *r.last_token);
  r.last_token = now;
}

namespace detail {
/// Bytes of what a scheduler has beside its evaluator, but for requests.
inline std::size_t sampling_bytes_of(const any_model& model, const batch_evaluator& evaluator) noexcept {
  const std::size_t seen = evaluator.sliding().slides() ? evaluator.context() : 0;
  return sum_of_sizes(sampling_scratch::planned_bytes(model.vocabulary()), product_of_sizes(seen, sizeof(token)));
}
}  // namespace detail

memory_plan scheduler::implementation::memory() const noexcept {
  memory_plan plan = evaluator_.memory();
  plan.sampling = detail::sampling_bytes_of(model_, evaluator_);
  return plan;
}

std::size_t scheduler::implementation::waiting() const noexcept {
  const std::lock_guard lock(coming_);
  return waiting_.size() + new_.size();
}

scheduler_stats scheduler::implementation::stats() const {
  const std::scoped_lock lock(coming_, counting_);
  scheduler_stats s = shown_stats_;
  s.waiting += new_.size();
  return s;
}

namespace detail {
/// Whether nothing is asked for that requests have no use of.
/// @errors  invalid_argument
inline result<void> check_room_of_requests(const session_options& o) {
  const struct {
    bool is_asked;
    const char* sentence;
  } useless[] = {
      {o.output_rows != 1, "output_rows: expected 1, for of each request the last token of a step is looked at alone"},
      {o.marks.value_or(false), "marks: expected none, for no request goes back to the end of its prompt"},
      {o.state_interval.value_or(0) > 0, "state_interval: expected none, for no request is cut back: see prefix_states"},
      {o.forks > 0, "forks: expected none, for requests share what they have in common: see prefix_cache"},
      {o.prefix_cache.value_or(false) && o.when_full.slides, "prefix_cache: expected none where the context slides"},
      {bool(o.speculation), "speculation: expected none, for steps that requests share are full without"},
      {o.keep_hidden, "keep_hidden: expected none, for nothing drafts with hidden states"},
  };
  for (const auto& [is_asked, sentence] : useless)
    if (is_asked) return error(errc::invalid_argument, "scheduler_options::room." + std::string(sentence));
  return {};
}

/// @errors  invalid_argument
inline result<void> check_schedule(const scheduler_options& o) {
  const auto invalid = [](std::string sentence) { return error(errc::invalid_argument, "scheduler_options::" + sentence); };
  if (o.running == 0 || o.running > most_sequences) {
    return invalid("running: expected 1 to " + std::to_string(most_sequences) + ", found " + std::to_string(o.running));
  }
  if (!(o.pace >= 0)) return invalid("pace: expected 0 or more, found " + std::to_string(o.pace));  // NaN, too
  if (o.aging.count() < 0) return invalid("aging: expected no time before now");
  if (o.batch_wait.count() < 0) return invalid("batch_wait: expected no time before now");
  return {};
}
}  // namespace detail

result<scheduler> scheduler::try_create(const any_model& model, const scheduler_options& options) {
  NIBBLE_TRY(detail::check_schedule(options));
  NIBBLE_TRY(detail::check_room_of_requests(options.room));
  session_options room = detail::room_of_batch(options.room);
  room.prefix_cache = room.prefix_cache.value_or(true);
  NIBBLE_TRY(detail::check_generates(model, room));
  auto evaluator = batch_evaluator::try_create(model, options.running, room);
  if (!evaluator) return std::move(evaluator).failure();
  const std::size_t all = sum_of_sizes(evaluator->memory().total(), detail::sampling_bytes_of(model, *evaluator));
  NIBBLE_TRY(detail::check_cap("model and scheduler", all, model.memory_cap()));
  return scheduler(std::make_unique<implementation>(model, options, *std::move(evaluator)));
}
scheduler::scheduler(std::unique_ptr<implementation> made) noexcept : made_(std::move(made)) {}
scheduler::scheduler(scheduler&&) noexcept = default;
scheduler& scheduler::operator=(scheduler&& other) noexcept {
  if (this == &other) return *this;
  if (made_) made_->close();  // callbacks may still ask it for something
  made_ = std::move(other.made_);
  return *this;
}
scheduler::~scheduler() {
  if (made_) made_->close();
}

result<answer> scheduler::try_submit(request r) { return made_->take(std::move(r)); }
bool scheduler::run_once() { return made_->run_once(); }
bool scheduler::run_for(std::chrono::nanoseconds budget) { return made_->run_for(budget); }
void scheduler::run(stop_token stop) { made_->run(std::move(stop)); }
std::vector<std::byte> scheduler::save_prefixes() const {
  std::vector<std::byte> out;
  vector_sink sink(out);
  auto done = made_->evaluator().try_save_prefixes(sink);
#if NIBBLE_EXCEPTIONS
  std::move(done).value();
#endif
  return out;
}
result<void> scheduler::try_save_prefixes(const std::filesystem::path& path) const {
  auto file = output_file::try_create(path);
  if (!file) return std::move(file).failure();
  NIBBLE_TRY(made_->evaluator().try_save_prefixes(*file));
  return file->try_commit();
}
result<void> scheduler::try_load_prefixes(std::span<const std::byte> bytes) {
  return made_->shown(made_->evaluator().try_load_prefixes(bytes));
}
result<void> scheduler::try_load_prefixes(const std::filesystem::path& path) {
  return made_->shown(made_->evaluator().try_load_prefixes(path));
}
std::size_t scheduler::running() const noexcept { return made_->running(); }
std::size_t scheduler::waiting() const noexcept { return made_->waiting(); }
memory_plan scheduler::memory() const noexcept { return made_->memory(); }
scheduler_stats scheduler::stats() const { return made_->stats(); }
std::string scheduler::metrics(std::string_view model) const { return prometheus_text(stats(), model); }

}  // namespace NIBBLE_ABI
}  // namespace nibble
