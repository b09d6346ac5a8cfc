/// What a host's functions may do while a scheduler calls them, and when it ends.
#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "generate/scheduled.hpp"
#include "nibble/generate/answer_future.hpp"

using namespace nibble_test;
using nibble::request;
using nibble::scheduler;

namespace {
const nibble::scheduler_options small{.running = 4, .room = {.context = 200, .prefill_chunk = 16}};
}

TEST_CASE("whatever functions at the end of an answer throw, those that share its steps say what they say alone") {
  std::vector<pair> all;
  std::vector<nibble::answer> answers;
  scheduler s(stories(), small);
  for (std::size_t i = 0; i < 4; ++i) {
    all.push_back(asked_of(stories(), 200, some_tokens(20, i * 40, 512), drawing(5 + 5 * i, i)));
    answers.push_back(s.submit(all[i].asked));
  }
  int called = 0;
  answers[0].on_end([&] { ++called, throw std::runtime_error("dropped"); });
  answers[0].on_end([&] { ++called; });
  run_all(s);
  CHECK(called == 2);
  for (std::size_t i = 0; i < 4; ++i) check(answers[i], all[i].expected);
}

TEST_CASE("a callback begins no step within a step, and may submit and cancel") {
  scheduler s(stories(), small);
  const auto sound = asked_of(stories(), 200, some_tokens(20, 0, 512), drawing(10, 4));
  std::optional<nibble::answer> other;
  request r = sound.asked;
  std::size_t events = 0;
  nibble::stop_source never;
  r.on_event = [&](const nibble::token_event&) {
    if (++events == 1) other = s.submit(sound.asked);
    CHECK(!s.run_once());
    CHECK(!s.run_for(std::chrono::hours(1)));
    s.run(never.get_token());
    if (events == 3) other->cancel();
  };
  auto answer = s.submit(r);
  run_all(s);
  check(answer, sound.expected);
  CHECK(other->reason() == finish::cancelled);
  CHECK(events == sound.expected.texts.size());
}

TEST_CASE("who asks a scheduler that ends for more is told that it is over") {
  std::vector<nibble::answer> again;
  std::vector<std::future<std::string>> futures;
  const auto retry = [&](scheduler& s) {
    again.push_back(s.submit({.prompt = some_tokens(3, 0, 512)}));
    futures.push_back(nibble::future_of(again.back()));
  };
  const auto fill = [&](scheduler& s) {
    for (int i = 0; i < 3; ++i) {
      s.submit({.prompt = some_tokens(3, 0, 512)}).on_end([&] { retry(s); });
      if (i < 2) s.run_once();  // one that has just come, too
    }
  };
  {
    scheduler s(stories(), {.running = 1, .room = {.context = 100}});
    fill(s);
  }
  CHECK(again.size() == 3);
  scheduler assigned(stories(), {.running = 1, .room = {.context = 100}});
  fill(assigned);
  assigned = scheduler(stories(), small);
  REQUIRE(again.size() == 6);
  for (auto& answer : again) CHECK(answer.wait() == finish::cancelled);
  for (auto& text : futures) CHECK(text.get().empty());
  auto works = assigned.submit({.prompt = some_tokens(3, 0, 512), .options = {.max_tokens = 2}});
  run_all(assigned);
  CHECK(works.ids().size() == 2);
}

TEST_CASE("threads that wait for answers hear that their scheduler has ended") {
  std::vector<std::thread> waiting;
  std::vector<finish> found(4);
  {
    scheduler s(stories(), {.running = 2, .room = {.context = 100}});
    for (std::size_t i = 0; i < found.size(); ++i) {
      waiting.emplace_back([&found, i, answer = s.submit({.prompt = some_tokens(3, 0, 512)})] { found[i] = answer.wait(); });
    }
    for (int i = 0; i < 3; ++i) s.run_once();
  }
  for (auto& t : waiting) t.join();
  for (const finish f : found) CHECK(f == finish::cancelled);
}

TEST_CASE("what a request has of its host's may ask the scheduler for something when it goes, coalesced or not") {
  scheduler s(stories(), small);
  std::vector<std::thread> asking;
  int gone = 0;
  const auto asked = [&] {
    const std::shared_ptr<int> kept(new int(0), [&](int* p) {
      delete p;
      ++gone;
      std::promise<void> done;
      auto over = done.get_future();
      asking.emplace_back([&s, done = std::move(done)]() mutable {
        static_cast<void>(s.waiting());
        static_cast<void>(s.stats());
        s.submit({.prompt = some_tokens(3, 0, 512), .options = {.max_tokens = 1}});
        done.set_value();
      });
      CHECK(over.wait_for(std::chrono::seconds(10)) == std::future_status::ready);  // nobody holds what it waits for
    });
    return request{.prompt = some_tokens(9, 0, 512),
                   .options = {.max_tokens = 2, .sampler = [kept](nibble::candidates&) {}},
                   .coalesce = true};
  };
  for (int i = 0; i < 3; ++i) s.submit(asked());
  while (s.run_once()) continue;
  CHECK(gone == 3);
  for (std::thread& t : asking) t.join();
  run_all(s);
  CHECK(s.stats().coalesced == 2);
}
