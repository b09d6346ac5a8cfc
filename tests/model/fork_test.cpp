/// Forks of evaluators: whatever each does, its bits are those of a fresh one that was given the same tokens.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/files.hpp"
#include "support/smallest_model.hpp"

using namespace nibble;
using nibble_test::smallest_model;

namespace {
using floats = std::vector<float>;

/// Attention, windows, recurrent layers, and mixtures of them.
const char* const names[] = {"llama", "gemma3", "lfm2", "qwen35", "mamba2", "falcon-h1", "deepseek2"};

any_model made(const char* name) { return any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2}); }
std::vector<token> some_tokens(std::size_t count, std::size_t from = 0) {
  std::vector<token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>((from + i) * 7919 % 39));
  return out;
}
floats copy(std::span<const float> row) { return {row.begin(), row.end()}; }
floats row_after(evaluator& e, std::span<const token> ids) {
  REQUIRE(e.feed(ids) == feed_outcome::done);
  return copy(e.logits());
}
floats alone(const any_model& model, std::span<const token> ids) {
  auto e = evaluator::create(model, {.context = 300});
  return row_after(e, ids);
}
/// An evaluator and what it was given.
struct party {
  evaluator e;
  std::vector<token> text = {};

  floats add(std::span<const token> ids) {
    text.insert(text.end(), ids.begin(), ids.end());
    return row_after(e, ids);
  }
  /// Whether it goes on with the bits of one that is alone.
  bool goes_on(std::span<const token> ids) {
    const floats row = add(ids);
    return row == alone(e.model(), text);
  }
};
}  // namespace

TEST_CASE("a fork has the logits of what it was made from, and goes on as if it were alone") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    party first{evaluator::create(m, {.context = 300, .prefill_chunk = 16, .forks = 2})};
    const floats row = first.add(some_tokens(90));
    party second{first.e.fork(), first.text}, third{second.e.fork(), first.text};
    CHECK(copy(second.e.logits()) == row);
    CHECK(copy(third.e.logits()) == row);
    const auto ids = some_tokens(20, 11), other = some_tokens(70, 200);
    CHECK(first.goes_on(ids));
    CHECK(second.goes_on(other));
    CHECK(third.goes_on(std::span(other).first(1)));
    CHECK(copy(first.e.logits()) != copy(second.e.logits()));
  }
}

TEST_CASE("whatever a family of forks adds and cuts off, each has the bits of one that is alone") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    const session_options options{.context = 300, .prefill_chunk = 24, .marks = true, .state_interval = 40, .forks = 3};
    std::vector<party> all;
    all.push_back({evaluator::create(m, options)});
    rng random(31);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
    std::size_t forks = 0, cuts = 0;
    for (std::size_t i = 0; i < 150; ++i) {
      const std::size_t at = below(all.size()), what = below(8);
      party& p = all[at];
      if (what < 4) {
        const auto ids = some_tokens(std::min(1 + below(what < 2 ? 3 : 60), 300 - p.text.size()), i * 13);
        if (ids.empty()) continue;
        REQUIRE(p.goes_on(ids));
      } else if (what == 4) {
        p.e.mark();
      } else if (what == 5) {
        const std::size_t to = p.e.resumable(below(p.text.size() + 1));
        REQUIRE(p.e.truncate(to));
        p.text.resize(to);
        ++cuts;
      } else if (all.size() < 4) {
        all.push_back({p.e.fork(), p.text});
        ++forks;
      } else if (all.size() > 1) {
        all.erase(all.begin() + std::ptrdiff_t(at));
      }
    }
    CHECK(forks > 10);
    CHECK(cuts > 10);
  }
}

TEST_CASE("forks are used on threads of their own") {
  const auto m = made("qwen35");
  party first{evaluator::create(m, {.context = 300, .forks = 3})};
  first.add(some_tokens(40));
  std::vector<party> all;
  for (int i = 0; i < 3; ++i) all.push_back({first.e.fork(), first.text});
  all.push_back(std::move(first));
  std::vector<floats> found(all.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < all.size(); ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t step = 0; step < 60; ++step) found[i] = all[i].add(some_tokens(1 + step % 3, step * 7 + i * 100));
    });
  }
  for (std::thread& t : threads) t.join();
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(found[i] == alone(m, all[i].text));
}

TEST_CASE("more forks than there is room for are refused in a sentence, and one that ends makes room") {
  const auto m = made("llama");
  auto first = evaluator::create(m, {.context = 100, .forks = 1});
  {
    const auto second = first.fork();
    const auto third = second.try_fork();
    REQUIRE(!third);
    CHECK(third.failure().code() == errc::out_of_memory);
    CHECK(std::string(third.failure().what()) ==
          "session_options::forks: the KV cache has 2 sequences, and no room for another");
  }
  CHECK(first.try_fork());
  CHECK(evaluator::try_create(m, {.forks = most_sequences + 1}).failure().code() == errc::invalid_argument);
  CHECK(!evaluator::create(m, {.context = 100}).try_fork());
}

TEST_CASE("a step that finds no memory is not begun; what others give back is enough for it") {
  for (const char* name : {"llama", "gemma3", "falcon-h1"}) {
    INFO(name);
    const auto m = made(name);
    const std::size_t all_of_one = m.plan({.context = 300, .prefill_chunk = 16, .marks = false}).kv;
    const session_options options{.context = 300, .prefill_chunk = 16, .marks = false, .forks = 1, .kv_bytes = all_of_one};
    CHECK(m.plan(options).kv <= all_of_one);
    party first{evaluator::create(m, options)};
    first.add(some_tokens(200));
    party second{first.e.fork(), first.text};
    feed_outcome how = feed_outcome::done;
    std::size_t i = 0;
    for (; i < 90 && how == feed_outcome::done; ++i) {
      const auto next = some_tokens(1, i);
      how = second.e.feed(next);
      if (how == feed_outcome::done) second.text.push_back(next[0]);
      if (how == feed_outcome::done) first.add(some_tokens(1, i + 3));
    }
    CHECK(how == feed_outcome::memory_full);
    CHECK(i > 20);
    CHECK(second.e.position() == second.text.size());
    REQUIRE(first.e.truncate(0));
    first.text.clear();
    CHECK(second.goes_on(some_tokens(30, 5)));
  }
}

TEST_CASE("a batch within a budget says what sequences have, and a fork in it takes nothing before it goes on") {
  const auto m = made("llama");
  auto b = batch_evaluator::create(m, 3, {.context = 300});
  CHECK(b.used().pages == 0);
  REQUIRE(b.feed(0, some_tokens(100)) == feed_outcome::done);
  const std::size_t used = b.used().pages;
  CHECK(used == m.plan({.context = 128}).kv);
  b.fork(0, 1), b.fork(1, 2);
  CHECK(b.used().pages == used);
  const batch_evaluator::entry all[] = {{0, 1}, {1, 2}, {2, 3}};
  REQUIRE(b.step(all) == feed_outcome::done);
  CHECK(b.used().pages == 2 * used);  // a page that all have, and one of each
  for (std::size_t i = 0; i < 3; ++i) {
    auto text = some_tokens(100);
    text.push_back(all[i].id);
    CHECK(copy(b.logits(i)) == alone(m, text));
  }
  const std::size_t less = 2 * used;
  auto small = batch_evaluator::create(m, 3, {.context = 300, .kv_bytes = less});
  CHECK(small.memory().kv == less);
  for (std::size_t i = 0; i < 2; ++i) REQUIRE(small.feed(i, some_tokens(100)) == feed_outcome::done);
  CHECK(small.feed(2, some_tokens(1)) == feed_outcome::memory_full);
  REQUIRE(small.truncate(0, 0));
  CHECK(small.feed(2, some_tokens(1)) == feed_outcome::done);
}
