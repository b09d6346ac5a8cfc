/// What schedulers tell of themselves, and the ways to read an answer.
#include "nibble/generate/scheduler_stats.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/core/thread_pool.hpp"
#include "nibble/generate/answer_future.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/generate/step_pace.hpp"

using namespace nibble_test;
using namespace std::chrono_literals;
using nibble::request;
using nibble::scheduler;

namespace {
const nibble::session_options room{.context = 200, .prefill_chunk = 16};

tokens some_tokens(std::size_t count, std::size_t from) {
  tokens out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + (from + i) * 7919 % 509));
  return out;
}
reply alone(const tokens& prompt, const nibble::generate_options& options) {
  nibble::session s(stories(), room);
  return read(s.try_generate(prompt, options).value());
}
void run_all(scheduler& s) {
  while (s.run_once()) continue;
}
}  // namespace

TEST_CASE("quantiles of times are right to a sixteenth, and times out of bounds count as the bounds") {
  nibble::time_histogram h;
  CHECK(h.quantile(0.5) == 0ns);
  for (int i = 1; i <= 1000; ++i) h.add(std::chrono::microseconds(i * 37));
  for (const double q : {0.01, 0.5, 0.95, 0.99, 1.0}) {
    const double expected = q * 37e6;
    CHECK(std::abs(double(h.quantile(q).count()) - expected) <= expected / 16);
  }
  CHECK(h.count() == 1000);
  CHECK(h.sum() == std::chrono::microseconds(37 * 500500));
  CHECK(h.less_than(10) == 27);  // 27 * 37 < 1024
  h.add(-1s), h.add(0ns), h.add(std::chrono::hours(100));
  CHECK(h.count() == 1003);
  CHECK(h.less_than(nibble::time_histogram::octaves) == 1003);
  CHECK(h.less_than(1) == 2);
}

TEST_CASE("a pace gives parts of prompts the time that it says, however long steps and tokens take") {
  nibble::detail::step_pace pace;
  CHECK(pace.most_tokens(2, 5) > 1'000'000);
  for (int i = 0; i < 20; ++i) pace.add(128, 0, 300ms);
  CHECK(pace.most_tokens(2, 16) == 32);  // nothing else is known yet than so much a token
  CHECK(pace.most_tokens(1, 3) == 7);    // a few at least
  for (int i = 0; i < 200; ++i) {
    const std::size_t tokens = i % 2 == 0 ? 16 : 100;
    pace.add(tokens, 16, 20ms + tokens * 2ms);
  }
  CHECK(pace.most_tokens(2, 16) == doctest::Approx(16 + (20 + 16 * 2) / 2).epsilon(0.05));
  CHECK(pace.most_tokens(3, 1) == doctest::Approx(1 + 2 * (20 + 2) / 2).epsilon(0.05));
}

TEST_CASE("a pace is kept throughout a long prompt, whose tokens take ever longer, and forgets what a step was held up by") {
  constexpr std::size_t answers = 4;
  nibble::detail::step_pace pace;
  const auto step = [](std::size_t tokens, std::size_t read) { return 20ms + tokens * 11ms + (tokens - answers) * read * 2us; };
  for (int i = 0; i < 50; ++i) pace.add(answers, answers, step(answers, 0));
  pace.add(answers, answers, 10s);
  for (int i = 0; i < 20; ++i) pace.add(answers, answers, step(answers, 0));
  std::size_t read = 0, steps = 0;
  for (; read < 4096; ++steps) {
    const std::size_t tokens = pace.most_tokens(2, answers);
    const auto took = step(tokens, read);
    if (steps > 20) REQUIRE(took <= step(answers, 0) * 2.3);
    pace.add(tokens, answers, steps % 50 == 10 ? 5 * took : took);
    read += tokens - answers;
  }
  CHECK(steps < 4096 / 4 + 1);  // it is not the least that each has
}

TEST_CASE("a pace says what fits in a time, a few tokens at least, and how long these take") {
  constexpr std::size_t answers = 4;
  nibble::detail::step_pace pace;
  CHECK(pace.tokens_within(1h, 0) == 16);  // of a step that tells more
  CHECK(pace.tokens_within(-1h, 3) == 19);
  CHECK(pace.shortest(answers) == 0ns);
  for (int i = 0; i < 200; ++i) {
    const std::size_t tokens = i % 2 == 0 ? answers : 100;
    pace.add(tokens, answers, 20ms + tokens * 2ms);
  }
  for (const int time : {60, 100, 300})
    CHECK(pace.tokens_within(std::chrono::milliseconds(time), answers) == doctest::Approx((time - 20) / 2).epsilon(0.05));
  for (const auto time : {1ms, 0ms, -1000ms}) CHECK(pace.tokens_within(time, answers) == answers + 4);
  CHECK(pace.shortest(answers) <= 37ms);
  CHECK(pace.shortest(answers) >= 35ms);
  CHECK(pace.tokens_within(std::chrono::hours(24 * 365 * 100), answers) > 1'000'000);
}

TEST_CASE("statistics are of one moment, behind the last step, those of memory, too, and what is loaded counts at once") {
  scheduler s(stories(), {.running = 4, .room = room});
  CHECK(s.stats().most_page_bytes == s.memory().kv);
  std::size_t before = 0, events = 0;
  request asked{.prompt = some_tokens(130, 0), .options = {.max_tokens = 5}};  // its last step takes a page more
  asked.on_event = [&](const nibble::token_event&) {
    ++events;
    CHECK(s.stats().page_bytes == before);
  };
  s.submit(asked);
  do before = s.stats().page_bytes;
  while (s.run_once());
  CHECK(events == 5);
  CHECK(s.stats().cached_bytes > 0);
  scheduler later(stories(), {.running = 4, .room = room});
  CHECK(later.stats().cached_bytes == 0);
  later.load_prefixes(s.save_prefixes());
  CHECK(later.stats().cached_bytes == s.stats().cached_bytes);
}

TEST_CASE("statistics count what was asked, cached, processed and said, and metrics are text that collectors read") {
  std::size_t ends = 0;
  scheduler s(stories(), {.running = 4, .room = room, .on_end = [&](const nibble::request_stats& stats, finish why) {
                            ++ends;
                            CHECK((why == finish::cancelled || stats.generated_tokens == 5));
                            throw std::runtime_error("is dropped");
                          }});
  std::vector<nibble::answer> answers;
  for (int i = 0; i < 3; ++i) {
    answers.push_back(s.submit({.prompt = some_tokens(150, 0), .options = {.max_tokens = 5}}));
    run_all(s);
  }
  answers.push_back(s.submit({.prompt = some_tokens(10, 3)}));
  answers.back().cancel();
  run_all(s);
  const auto stats = s.stats();
  CHECK(ends == 4);
  CHECK(stats.submitted == 4);
  CHECK(stats.ended[std::size_t(finish::max_tokens)] == 3);
  CHECK(stats.ended[std::size_t(finish::cancelled)] == 1);
  CHECK(stats.prompt_tokens == 450);
  CHECK(stats.cached_tokens == 256);
  CHECK(stats.processed_tokens == 450 - 256 + 3 * 4);
  CHECK(stats.generated_tokens == 15);
  CHECK(stats.token_time.count() == 12);
  CHECK(stats.first_token_time.count() == 3);
  CHECK(stats.queue_time.count() == 3);
  CHECK(stats.step_time.count() == stats.steps);
  CHECK(stats.running + stats.waiting == 0);
  CHECK(stats.page_bytes == 0);
  CHECK(stats.cached_bytes > 0);
  CHECK(stats.most_page_bytes == s.memory().kv);
  const std::string text = s.metrics("a \"b\"\\\n");
  for (const char* line : {"# TYPE nibble_requests_ended_total counter\n",
                           "nibble_requests_ended_total{model=\"a \\\"b\\\"\\\\\\n\",reason=\"max_tokens\"} 3\n",
                           "nibble_cached_tokens_total{model=\"a \\\"b\\\"\\\\\\n\"} 256\n",
                           "nibble_token_seconds_bucket{model=\"a \\\"b\\\"\\\\\\n\",le=\"+Inf\"} 12\n",
                           "nibble_token_seconds_count{model=\"a \\\"b\\\"\\\\\\n\"} 12\n"}) {
    INFO(line);
    CHECK(text.find(line) != std::string::npos);
  }
  const std::string plain = s.metrics();
  CHECK(plain.find("\nnibble_generated_tokens_total 15\n") != std::string::npos);
  CHECK(plain.find("nibble_queue_seconds_bucket{le=\"0.001024\"} ") != std::string::npos);
  CHECK(plain.back() == '\n');
}

TEST_CASE("tokens of prompts count once, however short they are and however often they are read") {
  const std::size_t three_pages = stories().plan({.context = 192, .marks = false}).kv;
  scheduler s(stories(), {.running = 4, .room = {.context = 200, .prefill_chunk = 64, .kv_bytes = three_pages}});
  for (const std::size_t length : {1, 40, 60, 50, 62})
    s.submit({.prompt = some_tokens(length, 9 * length), .options = {.max_tokens = 20}});
  run_all(s);
  const auto stats = s.stats();
  CHECK(stats.preemptions > 0);
  CHECK(stats.prompt_tokens == 1 + 40 + 60 + 50 + 62);
}

TEST_CASE("every ending has a name, and there are as many as are counted") {
  for (std::size_t i = 0; i < nibble::finish_count; ++i) CHECK(name_of(static_cast<finish>(i)) != "?");
  CHECK(name_of(static_cast<finish>(nibble::finish_count)) == "?");
}

TEST_CASE("requests that are the same are computed once where they say so, and each has its own answer, callback and end") {
  const nibble::generate_options options{.max_tokens = 20, .seed = 3};
  const tokens prompt = some_tokens(40, 8);
  const auto expected = alone(prompt, options);
  scheduler s(stories(), {.running = 8, .room = room});
  std::string first_text, second_text;
  request shared{.prompt = prompt, .options = options, .coalesce = true};
  request first = shared, second = shared, throwing = shared, alike = shared, other = shared, curious = shared;
  first.on_event = [&](const nibble::token_event& e) { first_text += e.text; };
  second.on_event = [&](const nibble::token_event& e) { second_text += e.text; };
  throwing.on_event = [](const nibble::token_event&) { throw std::runtime_error("enough"); };
  alike.coalesce = false;
  other.options.seed = 4;
  curious.options.alternatives = 2;
  std::size_t shown = 0;
  curious.on_event = [&](const nibble::token_event& e) { shown += e.alternatives.size(); };
  auto a = s.submit(first);
  s.run_once();  // it runs, and has no token yet
  auto b = s.submit(second), c = s.submit(throwing), d = s.submit(shared), e = s.submit(alike), f = s.submit(other);
  auto h = s.submit(curious);
  auto late = shared;
  late.deadline = std::chrono::steady_clock::now() - 1s;
  auto g = s.submit(late);
  s.run_once();
  d.cancel();
  run_all(s);
  for (auto* answer : {&a, &b, &e, &f, &h}) CHECK(answer->ids() == expected.ids);  // greedy: any seed
  CHECK(first_text == expected.text());
  CHECK(second_text == expected.text());
  CHECK_THROWS_WITH(c.wait(), "enough");
  CHECK(d.reason() == finish::cancelled);
  CHECK(g.reason() == finish::too_late);
  const auto stats = s.stats();
  CHECK(stats.coalesced == 4);
  CHECK(stats.generated_tokens == 80);
  CHECK(shown == 40);
  auto again = s.submit(shared);
  for (int i = 0; i < 8; ++i) s.run_once();
  auto behind = s.submit(shared);  // the first has said something already
  again.cancel();
  run_all(s);
  CHECK(again.reason() == finish::cancelled);
  CHECK(behind.ids() == expected.ids);
  CHECK(s.stats().coalesced == 4);
}

TEST_CASE("those that come while nothing runs wait for others, but not for ever, nor when there are enough") {
  scheduler s(stories(), {.running = 2, .room = room, .batch_wait = std::chrono::hours(1)});
  auto one = s.submit({.prompt = some_tokens(3, 0), .options = {.max_tokens = 4}});
  for (int i = 0; i < 5; ++i) CHECK(s.run_once());
  CHECK(s.running() == 0);
  auto two = s.submit({.prompt = some_tokens(3, 1), .options = {.max_tokens = 4}});
  run_all(s);
  CHECK(one.ids().size() == 4);
  CHECK(two.ids().size() == 4);
  CHECK(s.stats().steps == 4);  // both in each
  two = s.submit({.prompt = some_tokens(3, 1), .options = {.max_tokens = 4}});
  CHECK(s.run_for(std::chrono::hours(1)));  // it gives the time back
  CHECK(two.ids().empty());
  scheduler soon(stories(), {.running = 2, .room = room, .batch_wait = 1ms});
  auto alone = soon.submit({.prompt = some_tokens(3, 0), .options = {.max_tokens = 4}});
  run_all(soon);  // until then there is something to do
  CHECK(alone.ids().size() == 4);
  CHECK(alone.stats().queue_time >= 1ms);
}

TEST_CASE("an answer is read as a range, as a future, or waited for with an end") {
  const nibble::generate_options options{.max_tokens = 20};
  const tokens prompt = some_tokens(10, 5);
  const auto expected = alone(prompt, options);
  scheduler s(stories(), {.running = 4, .room = room});
  auto ranged = s.submit({.prompt = prompt, .options = options});
  auto future = nibble::future_of(s.submit({.prompt = prompt, .options = options}));
  request broken{.prompt = prompt, .options = options};
  broken.options.sampler = [](nibble::candidates&) { throw std::runtime_error("a sampler of the user's"); };
  auto thrown = nibble::future_of(s.submit(broken));
  CHECK(!ranged.wait_for(1ms));
  nibble::stop_source stop;
  std::thread running([&] { s.run(stop.get_token()); });
  std::string text;
  for (const std::string& more : ranged.texts()) {
    CHECK(!more.empty());
    text += more;
  }
  CHECK(text == expected.text());
  CHECK(future.get() == expected.text());
  CHECK_THROWS_WITH(thrown.get(), "a sampler of the user's");
  CHECK(ranged.wait_for(1h));
  stop.request_stop();
  running.join();
  CHECK(nibble::future_of(ranged).get() == expected.text());  // it has ended already
}

TEST_CASE("models share an executor, each with a scheduler on a thread of its own or in one loop") {
  nibble::thread_pool pool(2);
  const auto load = [&](const char* name) {
    return nibble::any_model::load(golden(name), {.executor = nibble::executor_ref(pool)});
  };
  const std::vector<nibble::any_model> models{load("models/stories260K-q8_0.gguf"), load("models/gemma3.gguf")};
  std::vector<tokens> expected;
  std::vector<scheduler> schedulers;
  const auto prompt = some_tokens(30, 5);
  for (const auto& m : models) {
    nibble::session s(m, room);
    expected.push_back(read(s.try_generate(prompt, {.max_tokens = 30}).value()).ids);
    schedulers.emplace_back(m, nibble::scheduler_options{.running = 4, .room = room});
  }
  for (const bool threads : {false, true}) {
    std::vector<nibble::answer> answers;
    for (auto& s : schedulers) answers.push_back(s.submit({.prompt = prompt, .options = {.max_tokens = 30}}));
    if (threads) {
      std::thread other([&] { run_all(schedulers[1]); });
      run_all(schedulers[0]);
      other.join();
    } else {
      bool more = true;
      while (more) {
        more = false;
        for (auto& s : schedulers) more = s.run_once() || more;
      }
    }
    for (std::size_t i = 0; i < models.size(); ++i) CHECK(answers[i].ids() == expected[i]);
  }
}
