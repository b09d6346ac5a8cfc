/// Steps of any mix: parts of prompts beside single tokens, of sequences that fork, are cut back and begin anew.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nibble/core/rng.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/smallest_model.hpp"

using namespace nibble;
using nibble_test::four_layers;

namespace {
using floats = std::vector<float>;
using batch = batch_evaluator;

/// Attention, windows, experts, recurrent layers, and mixtures of them.
const char* const names[] = {"llama", "gemma3", "olmoe", "lfm2", "qwen35", "mamba2", "falcon-h1", "deepseek2"};
constexpr std::size_t context = 200, sequences = 16;

any_model made(const char* name, std::size_t threads = 2) {
  return any_model::load(four_layers(name).bytes(), {.threads = threads});
}
std::vector<token> some_tokens(std::size_t count, std::size_t from = 0) {
  std::vector<token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>((from + i) * 7919 % 39));
  return out;
}
floats copy(std::span<const float> row) { return {row.begin(), row.end()}; }

/// What each sequence of a batch was given, and one that is alone to compare it with.
struct table {
  explicit table(const any_model& m) : alone(evaluator::create(m, {.context = context})), texts(sequences) {}

  floats expected(std::size_t sequence) {
    REQUIRE(alone.truncate(0));
    REQUIRE(alone.feed(texts[sequence]) == feed_outcome::done);
    return copy(alone.logits());
  }

  evaluator alone;
  std::vector<std::vector<token>> texts;
};
}  // namespace

namespace {
/// Random steps, forks and cuts of a batch, and how many there were.
class shaker {
 public:
  shaker(batch& b, table& t) : b_(b), t_(t) {}

  /// A step of some tokens of some sequences, in any order, each with the logits of one that is alone.
  void step(std::size_t i) {
    std::vector<std::vector<token>> given;
    std::vector<batch::chunk> chunks;
    std::size_t left = b_.step_tokens();
    for (const std::size_t s : order()) {
      const std::size_t most = std::min(left, context - t_.texts[s].size());
      if (most == 0 || below(4) == 0) continue;
      const std::size_t count = std::min(most, below(3) == 0 ? 1 + below(25) : 1);
      given.push_back(some_tokens(count, i * 17 + s * 3));
      chunks.push_back({s, {}, below(4) > 0});
      left -= count;
    }
    for (std::size_t k = 0; k < chunks.size(); ++k) chunks[k].tokens = given[k];
    if (chunks.empty()) return;
    REQUIRE(b_.step(chunks) == feed_outcome::done);
    for (const auto& c : chunks) {
      t_.texts[c.sequence].insert(t_.texts[c.sequence].end(), c.tokens.begin(), c.tokens.end());
      mixed += c.tokens.size() > 1;
    }
    for (std::size_t k = 0, row = 0; k < chunks.size(); ++k) {
      if (!chunks[k].wanted) continue;
      if (below(4) == 0) REQUIRE(copy(b_.logits(row)) == t_.expected(chunks[k].sequence));
      ++row;
    }
  }
  /// Forks a sequence, cuts one back or marks it.
  void disturb(std::size_t i) {
    const std::size_t s = below(sequences), other = below(sequences);
    if (i % 3 == 0) {
      b_.fork(s, other);
      t_.texts[other] = t_.texts[s];
      ++forks;
    } else if (i % 3 == 1) {
      const std::size_t to = b_.resumable(s, below(t_.texts[s].size() + 1));
      REQUIRE(b_.truncate(s, to));
      t_.texts[s].resize(to);
      ++cuts;
    } else {
      b_.mark(s);
    }
    if (t_.texts[other].size() + 30 <= context) return;
    REQUIRE(b_.truncate(other, 0));
    t_.texts[other].clear();
  }

  std::size_t mixed = 0, forks = 0, cuts = 0;

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_.uniform() * double(n)); }
  std::vector<std::size_t> order() {
    std::vector<std::size_t> out(sequences);
    for (std::size_t s = 0; s < sequences; ++s) out[s] = s;
    for (std::size_t s = sequences; s > 1; --s) std::swap(out[s - 1], out[below(s)]);
    return out;
  }

  batch& b_;
  table& t_;
  rng random_{41};
};
}  // namespace

TEST_CASE(
    "whatever steps are made of, and whoever forks and is cut back between them, each sequence has the bits of one alone") {
  for (const char* name : names) {
    INFO(name);
    const auto m = made(name);
    const session_options options{.context = context, .prefill_chunk = 40, .marks = true, .state_interval = 25};
    auto b = batch::create(m, sequences, options);
    CHECK(b.step_tokens() == 40);
    table t(m);
    shaker shake(b, t);
    for (std::size_t i = 0; i < 120; ++i) shake.step(i), shake.disturb(i);
    CHECK(shake.mixed > 100);
    CHECK(shake.forks > 30);
    CHECK(shake.cuts > 30);
    for (std::size_t s = 0; s < sequences; ++s) CHECK(b.position(s) == t.texts[s].size());
  }
}

TEST_CASE("a prompt in parts of any length beside answers changes neither, on any number of threads") {
  for (const std::size_t threads : {1, 3}) {
    const auto m = made("gemma3", threads);
    auto b = batch::create(m, 3, {.context = context, .prefill_chunk = 32});
    table t(m);
    const auto prompt = some_tokens(150, 5);
    for (std::size_t i = 0; i < 2; ++i) {
      t.texts[i] = some_tokens(20 + i * 70, i);
      REQUIRE(b.feed(i, t.texts[i]) == feed_outcome::done);
    }
    for (std::size_t at = 0, part = 1; at < prompt.size(); at += part, part = part % 23 + 7) {
      part = std::min(part, prompt.size() - at);
      const token next[] = {static_cast<token>(at % 39), static_cast<token>(part)};
      const batch::chunk chunks[] = {
          {1, {next, 1}}, {2, std::span(prompt).subspan(at, part), at + part == prompt.size()}, {0, {next + 1, 1}}};
      REQUIRE(b.step(chunks) == feed_outcome::done);
      t.texts[1].push_back(next[0]), t.texts[0].push_back(next[1]);
      CHECK(copy(b.logits(0)) == t.expected(1));
      const bool last = at + part == prompt.size();
      CHECK(copy(b.logits(last ? 2 : 1)) == t.expected(0));
      if (last) {
        t.texts[2] = prompt;
        CHECK(copy(b.logits(1)) == t.expected(2));
      }
    }
  }
}
