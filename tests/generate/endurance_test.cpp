/// Where there is a published model: a thousand requests to stop, by the clock, for the figure that it prints, which must be
/// below NIBBLE_MOST_LATE_MS where that is set. (What must hold whatever the clock is in session_test.cpp.) And memory that
/// does not grow.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/core/rng.hpp"
#include "support/sanitized.hpp"

#if defined(__linux__)
#include <unistd.h>
#endif

using namespace nibble_test;

namespace {
using clock_type = std::chrono::steady_clock;

/// SmolLM2 in the folder NIBBLE_MODELS, or nothing.
std::optional<std::filesystem::path> published_model() {
  const char* folder = std::getenv("NIBBLE_MODELS");
  if (!folder || !std::filesystem::is_directory(folder)) return std::nullopt;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("SmolLM2-135M")) return entry.path();
  return std::nullopt;
}

struct cancelled_reply {
  std::chrono::duration<double, std::milli> late;  // from the request to the end
  tokens ids;
};
/// Answers until another thread asks to stop, `after` it began.
cancelled_reply cancel(nibble::session& session, const tokens& prompt, std::chrono::microseconds after) {
  nibble::stop_source stop;
  clock_type::time_point asked;
  std::thread other([&, at = clock_type::now() + after] {
    std::this_thread::sleep_until(at);
    asked = clock_type::now();
    stop.request_stop();
  });
  cancelled_reply r{};
  auto reply = session.generate(prompt, {.max_tokens = 100'000, .cancel = stop.get_token()});
  for (const auto& event : reply) r.ids.push_back(event.id);
  const auto ended = clock_type::now();
  other.join();
  r.late = ended - asked;
  CHECK(reply.reason() == finish::cancelled);
  return r;
}

#if defined(__linux__) && !NIBBLE_TEST_SANITIZED
std::size_t resident_bytes() {
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}
#endif
}  // namespace

TEST_CASE("a thousand requests to stop are heard soon, in the prompt and the reply, and leave the session as it should be") {
  const auto path = published_model();
  if (!path) {
    MESSAGE("skipped: needs SmolLM2 in the folder that NIBBLE_MODELS names");
    return;
  }
  const auto model = nibble::any_model::load(*path);
  const std::size_t room = 600, times = 1000;
  tokens prompt(40);
  for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = token(300 + i * 7 % 200);
  nibble::session session(model, {.context = room}), fresh(model, {.context = room});
  tokens expected;  // the reply, as far as a session that nobody stops has been asked for it
  const auto expected_of = [&](std::size_t count) {
    if (count > expected.size()) {
      fresh.reset();
      expected = read(fresh.generate(prompt, {.max_tokens = count + 16})).ids;
    }
    return std::span(expected).first(count);
  };
  nibble::rng random(3);
  std::vector<double> late;
  std::size_t in_prompt = 0;
  for (std::size_t i = 0; i < times; ++i) {
    session.reset();
    const auto r = cancel(session, prompt, std::chrono::microseconds(int(random.uniform() * 150'000)));
    late.push_back(r.late.count());
    if (r.ids.empty()) {
      ++in_prompt;
      REQUIRE(session.position() <= prompt.size());
      REQUIRE(std::equal(session.tokens().begin(), session.tokens().end(), prompt.begin()));
    } else {
      REQUIRE(session.position() == prompt.size() + r.ids.size());
      const auto right = expected_of(r.ids.size());
      REQUIRE(std::equal(right.begin(), right.end(), r.ids.begin()));
    }
  }
  std::sort(late.begin(), late.end());
  MESSAGE("stopped " << times << " times, " << in_prompt << " in the prompt; late by " << late[times / 2]
                     << " ms at the median, " << late[times * 99 / 100] << " at the 99th percentile, " << late.back()
                     << " at most");
  if (const char* most = std::getenv("NIBBLE_MOST_LATE_MS")) CHECK(late[times * 99 / 100] < std::stod(most));
  // and it goes on as one that nobody stopped
  session.reset();
  const auto right = expected_of(20);
  CHECK(read(session.generate(prompt, {.max_tokens = 20})).ids == tokens(right.begin(), right.begin() + 20));
}

#if defined(__linux__) && !NIBBLE_TEST_SANITIZED
TEST_CASE("memory does not grow with generations: less than 1 KiB for each, of a session that stays and of new ones") {
  nibble::session session(stories(), {.context = 256});
  const auto generate = [&] {
    session.reset();
    read(session.generate("Once upon a time", {.max_tokens = 32, .stop = {"never said"}, .logprobs = true}));
    nibble::session once(stories(), {.context = 64});
    read(once.generate("One day", {.max_tokens = 8}));
  };
  for (int i = 0; i < 100; ++i) generate();
  const std::size_t before = resident_bytes(), times = 1000;
  for (std::size_t i = 0; i < times; ++i) generate();
  const std::size_t after = resident_bytes();
  CHECK((after > before ? after - before : 0) < times * 1024);
}
#endif
