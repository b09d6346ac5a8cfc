#include "nibble/model/batch_evaluator.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/files.hpp"

namespace {
using nibble::feed_outcome;
using nibble::tensor_type;
using nibble::token;
using batch = nibble::batch_evaluator;

const nibble::any_model& tiny() {
  static const auto model =
      nibble::any_model::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"), {.threads = 2});
  return model;
}
std::vector<token> words(std::size_t count, std::size_t from) {
  std::vector<token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + (from + i) * 7919 % 1000));
  return out;
}
std::vector<float> copy(std::span<float> logits) { return {logits.begin(), logits.end()}; }
}  // namespace

TEST_CASE("sequences that advance together have the bits of each alone") {
  for (const auto kv : {tensor_type::f16, tensor_type::q8_0}) {
    const nibble::session_options options{.context = 400, .prefill_chunk = 64, .kv = kv};
    constexpr std::size_t prompts[] = {1, 300, 65, 128, 7}, steps = 5, sequences = std::size(prompts);
    auto together = batch::try_create(tiny(), sequences, options).value();
    for (std::size_t s = 0; s < sequences; ++s) REQUIRE(together.feed(s, words(prompts[s], s * 50)) == feed_outcome::done);

    std::vector<std::vector<float>> found;
    for (std::size_t i = 0; i < steps; ++i) {
      std::vector<batch::entry> entries;  // in another order each time, and not all of them always
      for (std::size_t s = i % 2; s < sequences; ++s) entries.push_back({(s + i) % sequences, token(100 + i * 10 + s)});
      REQUIRE(together.step(entries) == feed_outcome::done);
      for (std::size_t e = 0; e < entries.size(); ++e) found.push_back(copy(together.logits(e)));
    }

    std::vector<nibble::evaluator> alone;
    for (std::size_t s = 0; s < sequences; ++s) {
      alone.push_back(nibble::evaluator::try_create(tiny(), options).value());
      REQUIRE(alone[s].feed(words(prompts[s], s * 50)) == feed_outcome::done);
    }
    std::size_t at = 0;
    for (std::size_t i = 0; i < steps; ++i) {
      for (std::size_t s = i % 2; s < sequences; ++s) {
        const token id = token(100 + i * 10 + s);
        auto& e = alone[(s + i) % sequences];
        REQUIRE(e.feed({&id, 1}) == feed_outcome::done);
        CHECK(found[at++] == copy(e.logits()));
      }
    }
    for (std::size_t s = 0; s < sequences; ++s) CHECK(together.position(s) == alone[s].position());
  }
}

TEST_CASE("a step that one sequence has no room for is not begun") {
  auto b = batch::try_create(tiny(), 2, {.context = 8}).value();
  REQUIRE(b.feed(0, words(7, 0)) == feed_outcome::done);
  REQUIRE(b.feed(1, words(8, 0)) == feed_outcome::done);
  const batch::entry both[] = {{0, 5}, {1, 5}};
  CHECK(b.step(both) == feed_outcome::context_full);
  CHECK(b.position(0) == 7);
  CHECK(b.step({both, 1}) == feed_outcome::done);
  CHECK(b.feed(0, words(1, 0)) == feed_outcome::context_full);
}

TEST_CASE("a cancelled step leaves every sequence as it was") {
  auto b = batch::try_create(tiny(), 2, {.context = 16}).value();
  REQUIRE(b.feed(0, words(3, 0)) == feed_outcome::done);
  nibble::stop_source cancel;
  cancel.request_stop();
  const batch::entry both[] = {{0, 5}, {1, 6}};
  CHECK(b.step(both, cancel.get_token()) == feed_outcome::cancelled);
  CHECK(b.position(0) == 3);
  CHECK(b.position(1) == 0);
  REQUIRE(b.step(both) == feed_outcome::done);
  auto alone = nibble::evaluator::try_create(tiny(), {.context = 16}).value();
  REQUIRE(alone.feed(std::vector<token>{6}) == feed_outcome::done);
  CHECK(copy(b.logits(1)) == copy(alone.logits()));
}

TEST_CASE("a batch of no sequences, of too many, or above the cap is refused") {
  CHECK(batch::try_create(tiny(), 0).failure().code() == nibble::errc::invalid_argument);
  CHECK(batch::try_create(tiny(), batch::most_sequences + 1).failure().code() == nibble::errc::invalid_argument);
  const nibble::session_options options{.context = 256};
  const auto one = tiny().plan(options), two = tiny().plan(options, 2);
  const auto capped = nibble::any_model::load(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"),
                                              {.memory_cap = two.total()});
  CHECK(batch::try_create(capped, 2, options));
  CHECK(batch::try_create(capped, 3, options).failure().code() == nibble::errc::out_of_memory);
  CHECK(batch::try_create(capped, 2, options)->memory().kv == 2 * one.kv);
}
