/// Memory that is refused while something runs: what it was stays, and nothing is lost.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "file/temporary_folder.hpp"
#include "memory/planned.hpp"
#include "nibble/generate/answer_future.hpp"
#include "nibble/nibble.hpp"
#include "support/files.hpp"
#include "support/smallest_model.hpp"

// LLVM's unwinder, which comes with libc++, takes memory for an exception that is on its way, and does not look whether it got
// it.
#if NIBBLE_TEST_COUNTS_HEAP && !defined(_LIBCPP_VERSION)
using namespace nibble_test;
namespace fs = std::filesystem;

TEST_CASE("whichever allocation of a fork or of loading a session is refused, the session is as it was, and nothing is lost") {
  for (const char* name : {"gemma3", "falcon-h1"}) {
    const auto model = nibble::any_model::load(smallest_model(name, 32, 4).bytes(), options_of());
    nibble::session first(model, {.context = 200, .prefill_chunk = 8, .forks = 1});
    const std::vector<nibble::token> prompt{1, 2, 3, 4, 5}, longer(70, 7);
    const auto read = [](nibble::generation reply) {
      for (auto event = reply.begin(); event != reply.end();) ++event;
    };
    read(first.generate(longer, {.max_tokens = 0}));
    const auto other = first.save();
    first.truncate(0);
    read(first.generate(prompt, {.max_tokens = 0}));
    const auto saved = first.save();
    const std::size_t before = live_bytes;
    const auto try_all = [&](auto&& attempt) {
      std::size_t refusals = 0;
      for (bool done = false; !done; ++refusals) {
        until_refusal = long(refusals);
        try {
          done = attempt();
        } catch (const std::bad_alloc&) {
        }
        until_refusal = -1;
        const std::size_t now = live_bytes;
        if (!done) CHECK(now == before);
        if (!done) CHECK(first.save() == saved);
      }
      return refusals;
    };
    std::optional<nibble::session> second;
    CHECK(try_all([&] {
            auto made = first.try_fork();
            if (made) second.emplace(*std::move(made));
            return made.has_value();
          }) > 10);
    CHECK(second->save() == saved);
    CHECK(!first.try_fork());
    second.reset();
    CHECK(try_all([&] { return first.try_load(other).has_value(); }) > 1);
    CHECK(first.save() == other);
  }
}

TEST_CASE("a session is saved to a file without a copy of it, and memory that is refused while one is loaded is an error") {
  const auto model = nibble::any_model::load(golden("models/stories260K-q8_0.gguf"), options_of());
  const temporary_folder folder;
  nibble::session s(model, {.context = 1500, .kv = nibble::tensor_type::f32});
  auto reply = s.try_generate(std::vector<nibble::token>(1450, 7), {.max_tokens = 0}).value();
  for (auto event = reply.begin(); event != reply.end();) ++event;
  s.save(folder / "state");
  const std::size_t size = fs::file_size(folder / "state"), before = live_bytes;
  REQUIRE(size > 1'500'000);
  most_live_bytes = before;
  s.save(folder / "state");
  const std::size_t taken = most_live_bytes - before;
  CHECK(taken < 500'000);
  const auto saved = s.save();
  largest_granted = size;
  const auto done = s.try_load(folder / "state");
  largest_granted = PTRDIFF_MAX;
  REQUIRE(!done);
  CHECK(done.failure().code() == nibble::errc::out_of_memory);
  CHECK(s.save() == saved);
}

TEST_CASE("whichever allocation of a scheduler's steps is refused, each answer is right as far as it goes, and none is lost") {
  const auto model = nibble::any_model::load(golden("models/stories260K-q8_0.gguf"), options_of());
  const nibble::scheduler_options few{.running = 2, .room = {.context = 100, .prefill_chunk = 16}};
  const auto requests = [] {
    std::vector<nibble::request> all;
    for (const nibble::token first : {5, 5, 9, 30}) {
      all.push_back({.prompt = std::vector<nibble::token>(20, first), .options = {.max_tokens = 8}, .coalesce = true});
    }
    return all;
  };
  std::vector<std::vector<nibble::token>> expected;
  for (const auto& r : requests()) {
    nibble::session alone(model, few.room);
    expected.emplace_back();
    auto reply = alone.try_generate(r.prompt, r.options).value();
    for (const auto& event : reply) expected.back().push_back(event.id);
  }
  std::size_t refused = 0, thrown = 0;
  const std::size_t before = live_bytes;
  for (long granted = 0; granted < 12; ++granted) {
    for (const int from : {0, 2, 6, 9, 12}) {
      nibble::scheduler s(model, few);
      std::vector<nibble::answer> answers;
      std::vector<std::future<std::string>> texts;
      for (auto& r : requests()) {
        answers.push_back(s.submit(std::move(r)));
        texts.push_back(nibble::future_of(answers.back()));
      }
      for (int step = 0;; ++step) {
        if (step >= from && step < from + 3) until_refusal = granted;
        bool more = true;
        try {
          more = s.run_once();
        } catch (const std::bad_alloc&) {
          ++refused;
        }
        until_refusal = -1;
        if (!more) break;
      }
      for (std::size_t i = 0; i < answers.size(); ++i) {
        const auto ids = answers[i].ids();
        if (answers[i].thrown()) {  // there was no room for it
          ++thrown;
          CHECK(answers[i].reason() == nibble::finish::memory_full);
        } else {
          CHECK(ids.size() == expected[i].size());
        }
        CHECK(ids.size() <= expected[i].size());
        CHECK(std::equal(ids.begin(), ids.end(), expected[i].begin()));
        CHECK(texts[i].wait_for(std::chrono::seconds(0)) == std::future_status::ready);
      }
    }
  }
  const std::size_t left = live_bytes - before;
  CHECK(refused > 0);
  CHECK(thrown > 0);
  CHECK(left == 0);
}
#endif
