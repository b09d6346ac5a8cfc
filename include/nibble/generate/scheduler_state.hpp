/// What a scheduler has, and the steps in which it is run.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "nibble/generate/scheduled_request.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/generate/step_pace.hpp"
#include "nibble/model/batch_evaluator.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

class scheduler::implementation {
  using clock = detail::schedule_clock;
  using scheduled = detail::scheduled_request;

 public:
  implementation(const any_model& model, const scheduler_options& options, batch_evaluator evaluator);

  /// Whoever still waits for an answer hears that it is cancelled, and so does who asks from now on.
  void close() noexcept;

  // From any thread.
  result<answer> take(request r);
  scheduler_stats stats() const;

  // One thread at a time.
  bool run_once() { return run_once(clock::time_point::max()); }
  bool run_for(std::chrono::nanoseconds budget);
  void run(stop_token stop);
  std::size_t running() const noexcept { return running_.size(); }
  std::size_t waiting() const noexcept;
  memory_plan memory() const noexcept;
  batch_evaluator& evaluator() noexcept { return evaluator_; }
  /// What was done to it, which statistics show from then on.
  result<void> shown(result<void> done) {
    show_stats();
    return done;
  }

 private:
  // Before a step: who comes, goes, and has room. See scheduler_queue-impl.hpp.
  result<void> set_adapters(request& r) const;
  void take_new();
  bool coalesce(scheduled& r);
  void drop_what_is_over(detail::request_list& list);
  bool waits_for_more() const;
  void admit();
  finish end_without_room(const scheduled& r) const;
  bool has_pages_for(const scheduled& r) const;
  void give_room(scheduled& r);
  std::size_t pages_of(std::size_t window, std::size_t positions) const;

  // The step, and what comes of it. See scheduler-impl.hpp.
  bool run_once(clock::time_point until);
  void make_step(clock::time_point until);
  void show_stats();
  void choose_chunks(clock::time_point until, std::size_t most);
  scheduled* most_urgent_reader() const noexcept;
  std::size_t part_of_prompt(scheduled& r, std::size_t room);
  feed_outcome step(clock::time_point until);
  void preempt();
  void read_rows();
  void choose_token(scheduled& r, std::span<float> logits);
  void count_token(scheduled& r);
  void show(scheduled& r, const std::optional<token_event>& event);
  void end(scheduled& r, finish reason);
  void close(scheduled& r, detail::answer_reader& reader, finish reason, std::exception_ptr thrown);
  void give_back(scheduled& r) noexcept;

  any_model model_;
  scheduler_options options_;
  batch_evaluator evaluator_;
  std::vector<std::size_t> windows_;  // of its layers with keys and values, each once; 0: those that see all of the context
  sampling_scratch scratch_;
  std::vector<token> in_sight_;  // room for those that a sampler is shown
  /// In the order in which they were given room; in no order, with places for those that run, too.
  detail::request_list running_, waiting_;
  std::vector<std::size_t> free_;  // sequences
  std::vector<batch_evaluator::chunk> chunks_;
  std::vector<scheduled*> in_step_;  // whose chunks these are
  std::size_t answers_in_step_ = 0;  // those of them that are a token of an answer
  std::size_t longest_alone_;        // positions that fit where nothing else does
  detail::step_pace pace_;
  clock::duration beside_{0};       // what the last step took beside the model's: tokens are chosen, and callbacks called
  bool states_for_others_ = false;  // at borders of pages, in the prefix cache
  bool waits_ = false;              // for more requests to begin with
  bool in_use_ = false;             // by a step, whose callbacks may not begin another

  mutable std::mutex coming_;  // of what follows
  std::condition_variable came_;
  detail::request_list new_;
  bool closed_ = false;

  scheduler_stats stats_;
  mutable std::mutex counting_;  // of what follows
  scheduler_stats shown_stats_;  // as they were behind the last step
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
