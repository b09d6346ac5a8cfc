/// Schedulers: whoever shares steps with whom, an answer is that of a session alone.
#include "nibble/generate/scheduler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "generate/scheduled.hpp"
#include "nibble/core/rng.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;
using nibble::request;
using nibble::scheduler;

TEST_CASE("whatever comes when, and however little memory there is, each answer is that of a session alone") {
  std::vector<nibble::any_model> models{stories(), windowed()};
  for (const char* name : {"qwen35", "mamba2", "falcon-h1"})
    models.push_back(nibble::any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2}));
  for (const auto& model : models) {
    INFO(std::string(model.architecture_name()));
    const std::size_t of_one = model.plan({.context = 150, .prefill_chunk = 16, .marks = false}).kv;
    std::vector<pair> all;
    nibble::rng random(23);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
    for (std::size_t i = 0; i < 20; ++i) {
      all.push_back(asked_of(model, 150, some_tokens(1 + below(90), i * 11, model.vocabulary()), drawing(1 + below(50), i)));
    }
    for (const std::size_t bytes : {std::size_t{0}, of_one * 2}) {
      scheduler s(model, {.running = 6, .room = {.context = 150, .prefill_chunk = 16, .kv_bytes = bytes}});
      std::vector<nibble::answer> answers;
      while (answers.size() < all.size()) {
        for (std::size_t k = below(4); k > 0 && answers.size() < all.size(); --k)
          answers.push_back(s.submit(all[answers.size()].asked));
        s.run_once();
      }
      run_all(s);
      std::size_t preemptions = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        check(answers[i], all[i].expected);
        const auto stats = answers[i].stats();
        preemptions += stats.preemptions;
        CHECK(stats.prompt_tokens == all[i].asked.prompt.size());
        CHECK(stats.generated_tokens == all[i].expected.ids.size());
        CHECK(stats.processed_tokens + stats.cached_tokens >= stats.prompt_tokens);
      }
      CHECK((preemptions > 0) == (bytes > 0 && of_one > 0));
    }
  }
}

TEST_CASE("a request that is cancelled, too late, or whose callback or sampler throws leaves the others alone") {
  const auto options = drawing(30, 4);
  const auto sound = asked_of(stories(), 200, some_tokens(20, 0, 512), options);
  scheduler s(stories(), {.running = 8, .room = {.context = 200, .prefill_chunk = 16}, .pace = 0});
  auto first = s.submit(sound.asked);
  request throwing = sound.asked;
  int events = 0;
  throwing.on_event = [&](const nibble::token_event&) {
    if (++events == 5) throw std::runtime_error("enough");
  };
  auto thrown = s.submit(throwing);
  request broken = sound.asked;
  broken.options.sampler = [](nibble::candidates&) { throw std::runtime_error("a sampler of the user's"); };
  auto sampled = s.submit(broken);
  request nothing = sound.asked;
  nothing.options.sampler = [](nibble::candidates& c) { c.remove_if([](const nibble::candidate&) { return true; }); };
  auto empty = s.submit(nothing);
  request late = sound.asked;
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  auto passed = s.submit(late);
  nibble::stop_source stop;
  request stopped = sound.asked;
  stopped.options.cancel = stop.get_token();
  auto cancelled = s.submit(stopped), let_go = s.submit(sound.asked);
  auto last = s.submit(sound.asked);
  for (int i = 0; i < 14; ++i) s.run_once();
  stop.request_stop();
  let_go.cancel();
  run_all(s);
  check(first, sound.expected);
  check(last, sound.expected);
  CHECK(events == 5);
  CHECK(thrown.ids().size() == 5);
  CHECK_THROWS_WITH(thrown.wait(), "enough");
  CHECK_THROWS_WITH(sampled.wait(), "a sampler of the user's");
  CHECK(sampled.ids().empty());
  CHECK(empty.wait() == finish::end_of_text);
  CHECK(passed.wait() == finish::too_late);
  CHECK(passed.ids().empty());
  for (auto* a : {&cancelled, &let_go}) {
    CHECK(a->wait() == finish::cancelled);
    CHECK(!a->ids().empty());
    CHECK(a->ids().size() < sound.expected.ids.size());
  }
}

TEST_CASE("a step reads the most urgent prompt first, however long another is that came before") {
  scheduler s(stories(), {.running = 4, .room = {.context = 400, .prefill_chunk = 16}});
  int of_long = 0, of_urgent = 0;
  const auto counting = [](int& events) { return [&](const nibble::token_event&) { ++events; }; };
  auto longest = s.submit(
      {.prompt = some_tokens(390, 0, 512), .options = {.max_tokens = 1}, .priority = 0, .on_event = counting(of_long)});
  s.run_once();
  auto urgent = s.submit(
      {.prompt = some_tokens(9, 7, 512), .options = {.max_tokens = 2}, .priority = 9, .on_event = counting(of_urgent)});
  for (int i = 0; i < 3; ++i) s.run_once();
  CHECK(of_urgent > 0);
  CHECK(of_long == 0);
  run_all(s);
  CHECK(urgent.wait() == finish::max_tokens);
  CHECK(longest.wait() == finish::max_tokens);
}

TEST_CASE("who waits is counted from when it asks, and what is asked at the end of another is still to be done") {
  int retries = 0;
  scheduler* asked = nullptr;
  std::vector<nibble::answer> answers;
  scheduler s(stories(),
              {.running = 2, .room = {.context = 100}, .on_end = [&](const nibble::request_stats&, finish why) {
                 if (why == finish::context_full && ++retries == 1)
                   answers.push_back(asked->submit({.prompt = some_tokens(9, 0, 512), .options = {.max_tokens = 2}}));
               }});
  asked = &s;
  answers.reserve(4);
  answers.push_back(s.submit({.prompt = some_tokens(101, 0, 512)}));
  CHECK(s.waiting() == 1);
  CHECK(s.stats().waiting == 1);
  run_all(s);  // the first ends without a step
  REQUIRE(answers.size() == 2);
  CHECK(answers[1].wait() == finish::max_tokens);
  CHECK(s.stats().waiting == 0);
}

TEST_CASE("a thousand requests that are cancelled leave room for the next") {
  const auto sound = asked_of(stories(), 200, some_tokens(20, 0, 512), drawing(10, 4));
  scheduler s(stories(), {.running = 4, .room = {.context = 200, .prefill_chunk = 16}});
  for (int i = 0; i < 1000; ++i) {
    auto gone = s.submit(sound.asked);
    if (i % 3 != 0) s.run_once();
    gone.cancel();
  }
  auto last = s.submit(sound.asked);
  run_all(s);
  check(last, sound.expected);
}

TEST_CASE("threads submit, read, cancel, are too late and ask for statistics while one runs the scheduler") {
  std::vector<pair> all;
  for (std::size_t i = 0; i < 8; ++i) all.push_back(asked_of(stories(), 200, some_tokens(10 + i * 9, i, 512), drawing(20, i)));
  scheduler s(stories(), {.running = 3, .room = {.context = 200, .prefill_chunk = 16}});
  nibble::stop_source stop;
  std::thread running([&] { s.run(stop.get_token()); });
  std::vector<std::string> texts(all.size());
  std::atomic<int> cancelled{0}, too_late{0};
  std::vector<std::thread> asking;
  for (std::size_t i = 0; i < all.size(); ++i) {
    asking.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        request late = all[i].asked;
        late.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(100 * round);
        auto answer = s.submit(all[i].asked), let_go = s.submit(all[i].asked), passed = s.submit(late);
        texts[i].clear();
        while (const auto more = answer.next()) {
          texts[i] += *more;
          let_go.cancel();
        }
        if (let_go.wait() == finish::cancelled) ++cancelled;
        if (passed.wait() == finish::too_late) ++too_late;
      }
    });
  }
  std::thread counting([&] {
    while (!stop.stop_requested()) {
      const auto stats = s.stats();
      CHECK(stats.running <= 3);
      CHECK(s.metrics().size() > 100);
    }
  });
  for (std::thread& t : asking) t.join();
  stop.request_stop();
  running.join(), counting.join();
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(texts[i] == all[i].expected.text());
  CHECK(cancelled > 0);
  CHECK(too_late > 0);
  CHECK(s.stats().submitted == 3 * 3 * all.size());
}

TEST_CASE("the more urgent begins first, and who has waited long enough is more urgent than who has just come") {
  for (const auto aging : {std::chrono::nanoseconds(1), std::chrono::nanoseconds(std::chrono::hours(1))}) {
    scheduler s(stories(), {.running = 1, .room = {.context = 100}, .aging = aging});
    std::vector<int> order;
    for (const int priority : {0, 1, -1, 1}) {
      request r{.prompt = some_tokens(3, 0, 512), .options = {.max_tokens = 1}, .priority = priority};
      r.on_event = [&order, priority](const nibble::token_event&) { order.push_back(priority); };
      s.submit(r);
      std::this_thread::yield();
    }
    run_all(s);
    CHECK(order == (aging.count() == 1 ? std::vector{0, 1, -1, 1} : std::vector{1, 1, 0, -1}));
  }
}

TEST_CASE("what does not fit says so, and what is no token is refused") {
  const std::size_t bytes = stories().plan({.context = 64, .prefill_chunk = 16}).kv;
  scheduler s(stories(), {.running = 2, .room = {.context = 100, .prefill_chunk = 16, .kv_bytes = bytes}});
  auto too_long = s.submit({.prompt = some_tokens(101, 0, 512)});
  auto too_large = s.submit({.prompt = some_tokens(80, 0, 512)});
  auto grows = s.submit({.prompt = some_tokens(60, 0, 512), .options = {.max_tokens = 20}});
  auto reads = s.submit({.prompt = some_tokens(60, 0, 512), .options = {.max_tokens = 0}});
  auto nothing = s.submit({.options = {.max_tokens = 2}});
  run_all(s);
  CHECK(too_long.reason() == finish::context_full);
  CHECK(too_large.reason() == finish::memory_full);
  CHECK(grows.reason() == finish::memory_full);
  CHECK(grows.ids().size() == 5);
  CHECK(reads.reason() == finish::max_tokens);
  CHECK(nothing.ids().size() == 2);
  const auto refused = s.try_submit({.prompt = {1, 512}});
  REQUIRE(!refused);
  CHECK(std::string(refused.failure().what()) == "token 1: expected 0 to 511, found 512");
  CHECK(!scheduler::try_create(stories(), {.running = 0}));
}

TEST_CASE("of two hundred requests at random times none starves, and the budget of memory is kept") {
  const std::size_t bytes = stories().plan({.context = 150, .prefill_chunk = 16, .marks = false}).kv * 3;
  scheduler s(stories(), {.running = 8, .room = {.context = 150, .prefill_chunk = 16, .kv_bytes = bytes}});
  CHECK(s.memory().kv <= bytes);
  nibble::rng random(31);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
  std::vector<pair> all;
  std::vector<nibble::answer> answers;
  std::size_t steps = 0;
  while (answers.size() < 200 || s.running() + s.waiting() > 0) {
    for (std::size_t k = below(3); k > 0 && answers.size() < 200; --k) {
      const auto prompt = some_tokens(1 + below(80), below(4) * 100, 512);
      auto options = drawing(1 + below(40), answers.size());
      if (answers.size() % 10 == 0) {
        all.push_back(asked_of(stories(), 150, prompt, options));
      } else {
        all.push_back({{.prompt = prompt, .options = options, .priority = static_cast<int>(below(3))}, {}});
      }
      answers.push_back(s.submit(all.back().asked));
    }
    s.run_once();
    const auto stats = s.stats();
    REQUIRE(stats.page_bytes + stats.cached_bytes <= bytes);
    REQUIRE(++steps < 20'000);
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i % 10 == 0) check(answers[i], all[i].expected);
    CHECK((answers[i].reason() == finish::max_tokens || answers[i].reason() == finish::end_of_text));
  }
  const auto stats = s.stats();
  CHECK(stats.preemptions > 0);
  CHECK(stats.cached_tokens > 0);
  CHECK(stats.queue_time.count() == 200);
}

TEST_CASE("a scheduler that ends cancels what is left, and its answers stay") {
  std::optional<nibble::answer> running, waiting;
  {
    scheduler s(stories(), {.running = 1, .room = {.context = 100}});
    running = s.submit({.prompt = some_tokens(3, 0, 512)});
    for (int i = 0; i < 4; ++i) s.run_once();
    waiting = s.submit({.prompt = some_tokens(3, 0, 512)});
  }
  CHECK(running->wait() == finish::cancelled);
  CHECK(running->ids().size() == 4);
  CHECK(waiting->wait() == finish::cancelled);
  CHECK(!waiting->next());
}

TEST_CASE("a request begins behind what others have read of its prompt, at any border of a page, with the same answer") {
  std::vector<nibble::any_model> models{stories(), windowed()};
  for (const char* name : {"qwen35", "mamba2", "falcon-h1"})
    models.push_back(nibble::any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2}));
  for (const auto& model : models) {
    INFO(std::string(model.architecture_name()));
    const tokens text = some_tokens(235, 5, model.vocabulary());
    for (const bool cached : {true, false}) {
      scheduler s(model, {.running = 8, .room = {.context = 300, .prefill_chunk = 100, .prefix_cache = cached}});
      const auto cached_of = [&](std::size_t same) {
        tokens prompt = text;
        for (std::size_t i = same; i < prompt.size(); ++i) prompt[i] = prompt[i] == 3 ? 4 : 3;
        const auto one = asked_of(model, 300, prompt, drawing(9, same));
        auto answer = s.submit(one.asked);
        run_all(s);
        check(answer, one.expected);
        const auto stats = answer.stats();
        CHECK(stats.processed_tokens + stats.cached_tokens == 235 + one.expected.ids.size() - 1);
        return stats.cached_tokens;
      };
      CHECK(cached_of(235) == 0);
      for (const std::size_t same : {192, 191, 130, 128, 100, 64, 63, 0, 234}) {
        const std::size_t expected = same == 191 ? 128 : same / 64 * 64;
        CHECK(cached_of(same) == (cached ? expected : 0));
      }
    }
  }
}

TEST_CASE("a host with a loop of its own gives a scheduler some time, and it takes at least a step") {
  scheduler s(stories(), {.running = 1, .room = {.context = 100}});
  auto answer = s.submit({.prompt = some_tokens(3, 0, 512), .options = {.max_tokens = 5}});
  CHECK(s.run_for(std::chrono::nanoseconds(0)));
  CHECK(answer.ids().size() == 1);
  CHECK(answer.take() == answer.text());
  CHECK(answer.take().empty());
  CHECK(!s.run_for(std::chrono::hours(1)));
  CHECK(answer.ids().size() == 5);
  CHECK(!s.run_for(std::chrono::nanoseconds(0)));
}

TEST_CASE("however little time there is, a part of a prompt is no longer than what fits, and answers are the same") {
  std::vector<nibble::any_model> models{stories(), windowed()};
  for (const char* name : {"qwen35", "falcon-h1"})
    models.push_back(nibble::any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2}));
  for (const auto& model : models) {
    INFO(std::string(model.architecture_name()));
    const auto one = asked_of(model, 300, some_tokens(190, 0, model.vocabulary()), drawing(20, 4)),
               other = asked_of(model, 300, some_tokens(90, 7, model.vocabulary()), drawing(20, 6));
    scheduler s(model, {.running = 2, .room = {.context = 300, .prefill_chunk = 128}});
    auto first = s.submit(one.asked), second = s.submit(other.asked);
    std::size_t steps = 0, tokens_before = 0;
    while (s.run_for(std::chrono::nanoseconds(steps % 2 == 0 ? 0 : -1))) {
      const auto now = s.stats();
      REQUIRE(now.steps == ++steps);
      const std::size_t processed = now.processed_tokens - std::exchange(tokens_before, now.processed_tokens);
      REQUIRE(processed > 0);
      REQUIRE(processed <= (steps == 1 ? 16 : 1 + 4));  // of one that answers, and of the other's prompt
    }
    check(first, one.expected);
    check(second, other.expected);
  }
  scheduler s(stories(), {.running = 1, .room = {.context = 300, .prefill_chunk = 128}});
  auto answer = s.submit({.prompt = some_tokens(272, 0, 512), .options = {.max_tokens = 1}});
  CHECK(!s.run_for(std::chrono::nanoseconds::max()));
  CHECK(answer.ids().size() == 1);
  CHECK(s.stats().steps == 3);  // 16 to find out, then as many as a step may have
}
