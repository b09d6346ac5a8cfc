/// scheduler: answers to many requests, which share the steps of one model.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/core/stop_token.hpp"
#include "nibble/core/token.hpp"
#include "nibble/error.hpp"
#include "nibble/generate/answer.hpp"
#include "nibble/generate/event.hpp"
#include "nibble/generate/options.hpp"
#include "nibble/generate/scheduler_stats.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/options.hpp"

namespace nibble {
inline namespace NIBBLE_ABI {

/// What a scheduler is asked for. All but the prompt has defaults.
/// @example  const std::vector<nibble::chat_message> talk{{"user", "Who are you?"}};
///           auto prompt = model.tokenizer().encode(model.chat_form()->render(talk));
///           auto reply = scheduler.submit({.prompt = std::move(prompt), .options = {.max_tokens = 64}});
struct request {
  /// Tokens, those of control included, as a tokenizer or a chat template gives them. Empty: the one that begins a text.
  std::vector<token> prompt = {};
  generate_options options = {};
  /// More is sooner: see scheduler_options::aging. It orders those that wait, and does not interrupt those that run; but
  /// where these have too little memory, the least urgent makes room first.
  int priority = 0;
  /// When the answer is of no use any more: finish::too_late.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  /// Called with each event, by the thread that runs the scheduler. What it throws ends this request, which is then
  /// finish::cancelled, and is thrown by answer::wait. It may submit and cancel; it must neither wait for an answer, nor
  /// destroy the scheduler.
  std::function<void(const token_event&)> on_event = {};
  /// How much of each of the adapters in scheduler_options::room, in their order; empty: as they say. What is cached for others
  /// is for those with the same alone.
  std::vector<float> adapters = {};
  /// Shares the answer of a request that came before and has no token yet, where both say so, and have the same prompt,
  /// adapters and options; that their samplers are the same is the caller's word. Each still has its own answer, callback and
  /// end.
  bool coalesce = false;
};

/// What a scheduler has room for, and how it chooses.
struct scheduler_options {
  std::size_t running = 16;  ///< requests that share a step, at most: 1 to most_sequences; others wait
  /// Room of each request: memory is planned, and counts against the model's memory_cap, for `running` times its context, or
  /// for `kv_bytes`. any_model::plan(room, running) foretells it, but for `sampling`, where room says `prefix_cache = true`,
  /// `marks = false` and `state_interval = 0`, as a scheduler does; memory() is all of it. What is of no use to any, such as
  /// marks or speculation, is refused. `kv_bytes` is what all of them share; where it is too little for those that run, the
  /// last of them makes room, waits, and goes on later with the same bits. `prefill_chunk` is how many tokens a step has at
  /// most: parts of prompts get what is left by answers, so that those keep their pace. Where the context slides, the tokens of
  /// an answer stay nevertheless: one that makes room reads them all again. Schedulers do not guess: steps are full without.
  session_options room = {};
  /// How long, not negative, a request must wait to be as urgent as one of the next higher priority that has just come: none
  /// waits for ever.
  std::chrono::nanoseconds aging = std::chrono::seconds(1);
  /// About how many times as long as a step of answers alone one takes that parts of prompts share, as the last steps of both
  /// kinds foretell it: less keeps answers at their pace, more reads prompts sooner. While most of those that run still read,
  /// half of them are taken for answers. Without any, and with 0, a step has as many tokens as it may. 0 or more.
  double pace = 2;
  /// How long, not negative, those wait that come while nothing runs, so that they begin together; no longer than until there
  /// are `running`. Meanwhile run_once() returns at once; run() sleeps.
  std::chrono::nanoseconds batch_wait{0};
  /// Called at the end of each request, by the thread that runs the scheduler. What it throws is dropped.
  std::function<void(const request_stats&, finish)> on_end = {};
};

/// Requests come from any thread; steps are made by one thread at a time, the host's: none belongs to the scheduler. An answer
/// has the ids and texts of a session that is alone and was given the same tokens and seed, however many others there are.
/// Several models take turns on one executor (load_options::executor): a scheduler each, on a thread each or in one loop.
/// Precondition of all its functions: it has not been moved from.
/// @example  auto scheduler = nibble::scheduler(model, {.running = 8});
///           auto one = scheduler.submit({.prompt = first}), other = scheduler.submit({.prompt = second});
///           while (scheduler.run_once()) continue;
///           show(one.text(), other.text());
class scheduler {
 public:
  /// @errors  out_of_memory (the model's memory_cap included), invalid_argument
  static result<scheduler> try_create(const any_model& model, const scheduler_options& options = {});
#if NIBBLE_EXCEPTIONS
  explicit scheduler(const any_model& model, const scheduler_options& options = {})
      : scheduler(try_create(model, options).value()) {}
#endif
  /// Requests that are not at their end then are cancelled: their callbacks are called, and those of the options, so what they
  /// refer to must still be there. No other thread may be in a call of it.
  ~scheduler();
  scheduler(scheduler&&) noexcept;
  scheduler& operator=(scheduler&&) noexcept;

  /// Takes a request, which begins with the next step that has room for it. From any thread. Any number wait, each with its
  /// prompt: a host that bounds them looks at stats().waiting. Its answer takes, from when it begins until the last handle of
  /// it is gone (future_of, in answer_future.hpp, makes it a std::future), 12 bytes for each of its max_tokens, or as many as
  /// there is context for. Where there is no memory for that, it alone ends: finish::memory_full, and answer::wait throws
  /// std::bad_alloc.
  /// @errors  invalid_argument: a token that is not in the vocabulary, another number of adapters, or one that is not finite
  result<answer> try_submit(request r);
#if NIBBLE_EXCEPTIONS
  answer submit(request r) { return try_submit(std::move(r)).value(); }
#endif

  /// One step for as many requests as there is room for. False if there was nothing to do, and where it is called by what a
  /// step calls; true without a step while those that came wait for others, see scheduler_options::batch_wait.
  /// @errors  what the model's executor throws, and out of memory: no request is lost, and it may be called again
  bool run_once();
  /// Steps until `budget` is over, at least one. Parts of prompts are no longer than what is left of it, as far as the last
  /// steps tell how long they take: it overruns by about a token of each answer and four of prompts at most, and by what
  /// callbacks take. The very first step reads 16. False if nothing is left to do; true at once while those that came wait for
  /// others.
  bool run_for(std::chrono::nanoseconds budget);
  /// Steps, and waits for requests where there are none, until it is told to stop: between steps, or within 10 ms of idling.
  void run(stop_token stop);

  /// What the prefix cache holds, which is what requests have processed, as bytes that outlive the scheduler: one that is made
  /// later, or elsewhere, begins with it, and gives the same bits. For the thread that makes the steps.
  /// @errors  invalid_argument: there is no prefix cache (empty, without exceptions); std::bad_alloc
  /// @cost    a copy of it
  std::vector<std::byte> save_prefixes() const;
  /// The same into a file, which appears whole or not at all.
  /// @errors  as output_file; invalid_argument: there is no prefix cache; std::bad_alloc
  /// @cost    no copy: it is written page by page
  result<void> try_save_prefixes(const std::filesystem::path& path) const;
  /// Adds what a scheduler of the same model and format of keys and values has saved, as far as there is memory that nothing
  /// is kept in: what was used last comes first. It gives way to all that comes later. For the thread that makes the steps.
  /// Models are told apart by any_model::fingerprint, which looks at samples of the weights alone.
  /// @errors  malformed: other or damaged bytes; truncated, unsupported_version; invalid_argument: of another model or format,
  ///          or there is no prefix cache; io; out_of_memory. Nothing has changed then
  result<void> try_load_prefixes(std::span<const std::byte> bytes);
  /// @cost    memory for the whole file until it is done
  result<void> try_load_prefixes(const std::filesystem::path& path);
#if NIBBLE_EXCEPTIONS
  void save_prefixes(const std::filesystem::path& path) const { try_save_prefixes(path).value(); }
  void load_prefixes(std::span<const std::byte> bytes) { try_load_prefixes(bytes).value(); }
  void load_prefixes(const std::filesystem::path& path) { try_load_prefixes(path).value(); }
#endif

  /// Requests that have room, and those that wait for it: for the thread that makes the steps.
  std::size_t running() const noexcept;
  std::size_t waiting() const noexcept;
  /// Bytes that are allocated for keys, values, states, steps, and to choose tokens: not those of requests.
  memory_plan memory() const noexcept;
  /// What it has done so far, and the memory that is in use, as it was behind the last step, and who waits now. From any
  /// thread, and it waits for nothing that takes long.
  scheduler_stats stats() const;
  /// The same in the text format of Prometheus, whole: texts of several are not to be joined to one. From any thread.
  /// @param model  what a label `model` says, where it is not empty
  std::string metrics(std::string_view model = {}) const;

 private:
  class implementation;
  explicit scheduler(std::unique_ptr<implementation> made) noexcept;
  std::unique_ptr<implementation> made_;
};

}  // namespace NIBBLE_ABI
}  // namespace nibble
