/// Prefix caches: a hit at any border of a page skips what is there, and what is behind it has the same bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/smallest_model.hpp"

using namespace nibble;
using nibble_test::four_layers;
using nibble_test::smallest_model;

namespace {
using floats = std::vector<float>;

std::vector<token> some_tokens(std::size_t count, std::size_t from = 0) {
  std::vector<token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>((from + i) * 7919 % 39));
  return out;
}
floats copy(std::span<const float> row) { return {row.begin(), row.end()}; }
}  // namespace

TEST_CASE("a hit at every border of a page gives the bits of a text that was read whole") {
  // attention, windows, experts, convolutions, delta nets, state spaces, latent attention
  for (const char* name : {"llama", "gemma3", "olmoe", "lfm2", "qwen35", "mamba2", "falcon-h1", "deepseek2"}) {
    INFO(name);
    const auto m = any_model::load(four_layers(name).bytes(), {.threads = 2});
    auto alone = evaluator::create(m, {.context = 400});
    auto b = batch_evaluator::create(m, 2, {.context = 400, .prefill_chunk = 128, .prefix_cache = true});
    const auto text = some_tokens(330);
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t count = std::min<std::size_t>(i % 128 == 0 ? 128 : 64, text.size() - i) / (i == 0 ? 2 : 1);
      REQUIRE(b.feed(0, std::span(text).subspan(i, count)) == feed_outcome::done);
      i += count;
      b.remember(0, std::span(text).first(i));
    }
    std::size_t hits = 0;
    for (std::size_t border = 0; border <= 320; border += 64) {
      for (const std::size_t behind : {1, 9, 70}) {
        auto other = some_tokens(border + behind, 5);
        std::copy_n(text.begin(), border, other.begin());
        REQUIRE(b.truncate(1, 0));
        const std::size_t found = b.recall(1, other);
        REQUIRE(found <= border);
        REQUIRE(b.position(1) == found);
        hits += found == border && border > 0;
        REQUIRE(b.feed(1, std::span(other).subspan(found)) == feed_outcome::done);
        REQUIRE(alone.truncate(0));
        REQUIRE(alone.feed(other) == feed_outcome::done);
        REQUIRE(copy(b.logits(0)) == copy(alone.logits()));
      }
    }
    const bool recurrent = m.plan().states > 0;
    CHECK(hits == (recurrent ? 3 * 3 : 3 * 5));  // states are where a step ended: at 64, 128 and 256
  }
}

TEST_CASE("a prefix cache is planned to the byte, and takes nothing where there is none") {
  const auto m = any_model::load(smallest_model("falcon-h1", 32, 4).bytes());
  const session_options without{.context = 300, .marks = false}, with{.context = 300, .marks = false, .prefix_cache = true};
  const auto a = m.plan(without, 3), b = m.plan(with, 3);
  CHECK(a.kv == b.kv);
  CHECK(a.states < b.states);
  CHECK(a.tables < b.tables);
  CHECK(batch_evaluator::create(m, 3, with).memory().total() + b.sampling == b.total());
}
