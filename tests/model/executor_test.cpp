/// What a host's executor may do: say that it has no threads, throw anywhere, and look like the executors that programs have.
#include <doctest/doctest.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "nibble/core/executor.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/embedder.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/files.hpp"
#include "support/smallest_model.hpp"

namespace {
const auto llama = nibble_test::golden("models/llama.gguf"), experts = nibble_test::golden("models/qwen3moe.gguf");
const auto larger = nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf");
const std::vector<nibble::token> text{1, 403, 407, 45, 410, 261, 99, 500};

/// Throws at one of its runs, when some of the tasks are done.
struct failing_executor {
  enum class when { first, middle, last };

  std::size_t runs = 0, fail_at = SIZE_MAX;
  when at = when::first;
  std::size_t concurrency() const noexcept { return 3; }
  void run(std::size_t n, const std::function<void(std::size_t)>& f) {
    const bool fails = runs++ == fail_at;
    const std::size_t done = !fails || at == when::last ? n : at == when::first ? 0 : n / 2;
    for (std::size_t i = 0; i < done; ++i) f(i);
    if (fails && at == when::middle) throw std::bad_alloc();
    if (fails) throw std::runtime_error("the pool is shutting down");
  }
};

struct function_pointers_only {
  std::size_t concurrency() const { return 1; }
  void run(std::size_t, void (*)(std::size_t)) {}
};
static_assert(nibble::executor<failing_executor>, "std::function takes a task");
static_assert(nibble::executor<const nibble::inline_executor>);
static_assert(!nibble::executor<function_pointers_only>, "tasks capture");
static_assert(std::copyable<nibble::executor_task>);

struct unsure_executor {
  int answer = 0;
  int concurrency() const { return answer; }
  template <class F>
  void run(std::size_t n, F f) {
    for (std::size_t i = n; i > 0; --i) f(i - 1);
  }
};

std::vector<float> copy_of(std::span<const float> x) { return {x.begin(), x.end()}; }

std::vector<float> logits_after(const nibble::any_model& model, std::span<const nibble::token> ids) {
  auto e = nibble::evaluator::try_create(model, {.context = 32, .prefill_chunk = 4}).value();
  REQUIRE(e.feed(ids) == nibble::feed_outcome::done);
  return copy_of(e.logits());
}
}  // namespace

TEST_CASE("an executor that says 0 threads, or fewer, counts as one, and absurd counts are cut") {
  const auto expected = logits_after(nibble::any_model::load(llama, {.threads = 1}), text);
  for (const int answer : {0, 1, -1, 2'000'000'000}) {
    unsure_executor e{answer};
    CHECK(nibble::executor_ref(e).concurrency() == (answer <= 1 ? 1 : nibble::executor_ref::most_threads));
    CHECK(logits_after(nibble::any_model::load(llama, {.executor = e}), text) == expected);
  }
  const nibble::inline_executor constant;
  CHECK(logits_after(nibble::any_model::load(llama, {.executor = constant}), text) == expected);
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("what an executor throws in any run of an embedding reaches the caller, and the next one is as if it had not been") {
  nibble_test::smallest_model file("bert");
  file.meta.set("bert.pooling_type", nibble::value(4u));
  file.tensors.push_back({"cls.weight", nibble::tensor_type::f32, {32, 32}, {}});
  file.tensors.push_back({"cls.output.weight", nibble::tensor_type::f32, {32}, {}});
  failing_executor executor;
  const auto model = nibble::any_model::load(file.bytes(), {.executor = executor});
  std::size_t thrown = 0;
  for (const nibble::pooling how : {nibble::pooling::mean, nibble::pooling::rank}) {
    auto e = nibble::embedder::create(model, {.pooling = how});
    const std::vector<nibble::token> long_text(90, 7), short_text{1, 2};
    const auto expected = e.embed(long_text);
    for (std::size_t k = 0;; ++k) {
      executor.runs = 0, executor.fail_at = k, executor.at = failing_executor::when::middle;
      bool failed = false;
      try {
        static_cast<void>(e.embed(long_text));
      } catch (const std::bad_alloc&) {
        failed = true, ++thrown;
      }
      executor.fail_at = SIZE_MAX;
      CHECK(e.embed(short_text).size() == e.width());
      CHECK(e.embed(long_text) == expected);
      if (!failed) break;
    }
  }
  CHECK(thrown > 10);
}

TEST_CASE("what an executor throws in any run of a step reaches the caller, and the step is undone") {
  std::size_t thrown = 0;
  for (const auto& file : {llama, experts, larger}) {
    failing_executor executor;
    const auto model = nibble::any_model::load(file, {.executor = executor});
    const auto first = std::span(text).first(5), rest = std::span(text).subspan(5);
    const auto half = logits_after(model, first), whole = logits_after(model, text);
    auto e = nibble::evaluator::try_create(model, {.context = 32, .prefill_chunk = 4}).value();
    for (std::size_t k = 0;; ++k) {
      for (const auto at : {failing_executor::when::first, failing_executor::when::middle, failing_executor::when::last}) {
        REQUIRE(e.truncate(0));
        executor = {};
        REQUIRE(e.feed(first) == nibble::feed_outcome::done);
        REQUIRE(copy_of(e.logits()) == half);
        executor = {.fail_at = k, .at = at};
        try {
          static_cast<void>(e.feed(rest));
        } catch (const std::runtime_error& pool) {
          ++thrown;
          CHECK(std::string(pool.what()) == "the pool is shutting down");
          CHECK(at != failing_executor::when::middle);
        } catch (const std::bad_alloc&) {
          ++thrown;
          CHECK(at == failing_executor::when::middle);
        }
        if (executor.runs <= k) break;  // past the last run of a step
        CHECK(e.position() == first.size());
        CHECK(executor.runs == k + 1);  // the rest of a step asks it nothing
        executor = {};
        REQUIRE(e.feed(rest) == nibble::feed_outcome::done);
        CHECK(copy_of(e.logits()) == whole);
      }
      if (executor.runs <= k && executor.fail_at == k) break;
      REQUIRE(k < 10'000);
    }
  }
  CHECK(thrown > 60);
}

TEST_CASE("a batch whose executor throws leaves all of its sequences as they were") {
  failing_executor executor;
  const auto model = nibble::any_model::load(llama, {.executor = executor});
  auto b = nibble::batch_evaluator::try_create(model, 2, {.context = 32}).value();
  REQUIRE(b.feed(0, std::span(text).first(3)) == nibble::feed_outcome::done);
  REQUIRE(b.feed(1, std::span(text).first(2)) == nibble::feed_outcome::done);
  const std::vector<nibble::batch_evaluator::entry> next{{0, 45}, {1, 407}};
  executor = {.fail_at = 1};
  CHECK_THROWS_AS(static_cast<void>(b.step(next)), std::runtime_error);
  CHECK(b.position(0) == 3);
  CHECK(b.position(1) == 2);
  executor = {};
  REQUIRE(b.step(next) == nibble::feed_outcome::done);
  CHECK(copy_of(b.logits(0)) == logits_after(model, std::span(text).first(4)));
  CHECK(copy_of(b.logits(1)) == logits_after(model, std::span(text).first(3)));
}

TEST_CASE("loading throws what its executor throws, at any run") {
  std::size_t k = 0;
  for (bool loaded = false; !loaded; ++k) {
    failing_executor executor{.fail_at = k};
    try {
      static_cast<void>(nibble::any_model::load(llama, {.executor = executor}));
      loaded = true;
      CHECK(executor.runs <= k);
    } catch (const std::runtime_error&) {
    }
  }
  CHECK(k > 5);
}

TEST_CASE("a session whose executor throws is at its last good token, and goes on") {
  failing_executor executor;
  const auto model = nibble::any_model::load(larger, {.executor = executor});
  const auto reply = [&](nibble::session& s, std::span<const nibble::token> prompt) {
    std::vector<nibble::token> ids;
    auto generation = s.try_generate(prompt, {.max_tokens = 4}).value();
    for (const auto& event : generation) ids.push_back(event.id);
    return ids;
  };
  nibble::session calm(model, {.context = 64, .prefill_chunk = 4});
  const auto expected = reply(calm, text);
  const std::vector<nibble::token> said(calm.tokens().begin(), calm.tokens().end());
  std::size_t thrown = 0;
  for (std::size_t k = 0;; k += 3) {
    nibble::session session(model, {.context = 64, .prefill_chunk = 4});
    executor = {.fail_at = k, .at = failing_executor::when::middle};
    std::vector<nibble::token> ids;
    auto generation = session.try_generate(text, {.max_tokens = 4}).value();
    bool begun = false, failed = false;
    try {
      auto it = generation.begin();
      begun = true;
      while (it != generation.end()) {
        ids.push_back(it->id);
        try {
          ++it;
        } catch (const std::bad_alloc&) {
          failed = true;
          ++it;  // once more
        }
      }
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    if (!failed) break;
    ++thrown;
    if (begun) CHECK(ids == expected);
    if (!begun) {
      const std::size_t kept = session.position();
      CHECK(kept % 4 == 0);  // whole steps
      CHECK(kept < text.size());
      CHECK(reply(session, std::span(text).subspan(kept)) == expected);
    }
    CHECK(std::vector<nibble::token>(session.tokens().begin(), session.tokens().end()) == said);
  }
  CHECK(thrown > 10);
}

TEST_CASE("a reply whose executor throws in the prompt goes on with the rest of it: begin() tries again") {
  failing_executor executor;
  const auto model = nibble::any_model::load(larger, {.executor = executor});
  const auto read = [](nibble::generation& generation) {
    std::vector<nibble::token> ids;
    for (const auto& event : generation) ids.push_back(event.id);
    return ids;
  };
  nibble::session calm(model, {.context = 64, .prefill_chunk = 4});
  auto straight = calm.generate(text, {.max_tokens = 4});
  const auto expected = read(straight);
  std::size_t thrown = 0, behind_a_step = 0;
  for (std::size_t k = 0;; k += 3) {
    executor = {};
    nibble::session session(model, {.context = 64, .prefill_chunk = 4});
    auto generation = session.generate(text, {.max_tokens = 4});
    for (int attempts = 0; attempts < 2; ++attempts) {
      executor = {.fail_at = k};
      try {
        static_cast<void>(generation.begin());
      } catch (const std::runtime_error&) {
        ++thrown;
        behind_a_step += session.position() > 0;
      }
    }
    const bool failed = executor.runs > k;
    executor = {};
    CHECK(read(generation) == expected);
    CHECK(generation.stats().prompt_tokens >= text.size());
    CHECK(std::equal(session.tokens().begin(), session.tokens().end(), calm.tokens().begin(), calm.tokens().end()));
    if (!failed && k > 300) break;
  }
  CHECK(thrown > 10);
  CHECK(behind_a_step > 5);
}
#endif
