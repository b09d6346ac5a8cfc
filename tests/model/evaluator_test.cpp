#include "nibble/model/evaluator.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "nibble/model/any_model.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"

namespace {
using nibble::feed_outcome;
using nibble::tensor_type;
using nibble::token;
using any_evaluator = nibble::evaluator;

std::vector<token> some_tokens(std::size_t count, std::size_t vocabulary) {
  std::vector<token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<token>(3 + i * 7919 % (vocabulary - 3)));
  return out;
}
std::vector<float> logits_after(any_evaluator& e, std::span<const token> ids) {
  REQUIRE(e.feed(ids) == feed_outcome::done);
  return {e.logits().begin(), e.logits().end()};
}
const nibble::any_model& windowed() {
  static const auto model = nibble::any_model::load(nibble_test::golden("models/gemma3.gguf"), {.threads = 2});
  return model;
}
}  // namespace

TEST_CASE("logits have the same bits for any number of threads and any step") {
  nibble_test::model_parts tiny(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  const auto q4_k = tiny.bytes();
  tiny.recode(tensor_type::q8_0);
  const auto q8_0 = tiny.bytes();
  for (const auto* bytes : {&q4_k, &q8_0}) {
    std::vector<std::vector<float>> expected[2];
    for (const std::size_t threads : {1, 2, 3}) {
      const auto model = nibble::any_model::load(*bytes, {.threads = threads});
      const auto ids = some_tokens(133, model.vocabulary());
      for (const std::size_t step : {1, 7, 64, 512}) {
        for (const int kv : {0, 1}) {
          auto e = any_evaluator::try_create(
                       model, {.context = 140, .prefill_chunk = step, .kv = kv ? tensor_type::q8_0 : tensor_type::f16})
                       .value();
          std::vector<std::vector<float>> found{logits_after(e, ids)};
          found.push_back(logits_after(e, std::span(ids).first(3)));
          if (expected[kv].empty()) expected[kv] = found;
          INFO("threads " << threads << ", step " << step << ", kv " << kv);
          CHECK(found == expected[kv]);
        }
      }
    }
    CHECK(expected[0] != expected[1]);  // the cache's format does matter
  }
}

TEST_CASE("the plan is what is allocated, and a step uses all of the scratch and no more") {
  for (const char* name : {"models/gemma3.gguf", "models/llama.gguf", "models/stories260K-q8_0.gguf"}) {
    const auto file = nibble::gguf_file::open(nibble_test::golden(name));
    for (const nibble::session_options& options :
         {nibble::session_options{}, nibble::session_options{.context = 100, .prefill_chunk = 16},
          nibble::session_options{.context = 200, .prefill_chunk = 64, .output_rows = 64, .kv = tensor_type::q8_0},
          nibble::session_options{.context = 77, .prefill_chunk = 1, .kv = tensor_type::f32}}) {
      auto unmarked = options;
      unmarked.marks = false;
      const auto plan = *nibble::any_model::try_plan(file, unmarked);
      const auto model = *nibble::any_model::try_load(file, {.threads = 2});
      CHECK(model.weight_bytes() == plan.weights);
      CHECK(model.plan(unmarked).total() == plan.total());
      auto e = any_evaluator::try_create(model, options).value();
      CHECK(e.memory().weights == plan.weights);
      CHECK(e.memory().kv == plan.kv);
      CHECK(e.memory().scratch == plan.scratch);
      const auto ignore = [](std::size_t, std::span<float>) {};
      REQUIRE(e.feed(some_tokens(std::min(options.prefill_chunk, e.context()), model.vocabulary())) == feed_outcome::done);
      e.truncate(0);
      REQUIRE(e.feed_each(some_tokens(options.output_rows, model.vocabulary()), ignore) == feed_outcome::done);
      if (options.output_rows > 1) {  // a step that wants all but one of its rows copies the others
        std::vector<std::uint32_t> wanted(options.output_rows - 1);
        std::iota(wanted.begin(), wanted.end(), 1u);
        e.truncate(0);
        REQUIRE(e.feed_some(some_tokens(options.output_rows, model.vocabulary()), wanted, ignore) == feed_outcome::done);
      }
      CHECK(e.scratch_peak() == plan.scratch);
    }
  }
}

TEST_CASE("a window's memory follows the window, not the context") {
  const auto bytes = [](std::size_t context) { return windowed().plan({.context = context, .prefill_chunk = 16}).kv; };
  // one of seven layers sees everything: ten times the context is not twice the memory of the six others
  const std::size_t of_one_layer = bytes(10240) - bytes(1024);
  CHECK(bytes(1024) < of_one_layer);
  const auto llama = nibble::any_model::load(nibble_test::golden("models/llama.gguf"), {.threads = 1});
  CHECK(llama.plan({.context = 10240}).kv == 10 * llama.plan({.context = 1024}).kv);
}

TEST_CASE("a cap on memory is kept by models and by sessions") {
  const auto path = nibble_test::golden("models/llama.gguf");
  const nibble::session_options session{.context = 64};
  const auto plan = *nibble::any_model::try_plan(nibble::gguf_file::open(path), session);
  const auto refused = nibble::any_model::try_load(path, {.memory_cap = plan.weights - 1});
  REQUIRE(!refused);
  CHECK(refused.failure().code() == nibble::errc::out_of_memory);
  CHECK(std::string(refused.failure().what()).find("above the cap of " + std::to_string(plan.weights - 1)) !=
        std::string::npos);

  const std::size_t enough = plan.total() - plan.sampling;
  const auto model_only = *nibble::any_model::try_load(path, {.memory_cap = enough - 1});
  const auto no_session = any_evaluator::try_create(model_only, session);
  REQUIRE(!no_session);
  CHECK(no_session.failure().code() == nibble::errc::out_of_memory);
  CHECK(std::string(no_session.failure().what()).find("above the cap of") != std::string::npos);
  CHECK(any_evaluator::try_create(*nibble::any_model::try_load(path, {.memory_cap = enough}), session));
}

TEST_CASE("a context beyond all bounds and a cache of an unsuitable format are refused") {
  const auto long_one = any_evaluator::try_create(windowed(), {.context = nibble::most_positions + 1});
  REQUIRE(!long_one);
  CHECK(long_one.failure().code() == nibble::errc::invalid_argument);
  CHECK(std::string(long_one.failure().what()).find("expected at most 16777216, found 16777217") != std::string::npos);
  const auto odd_one = any_evaluator::try_create(windowed(), {.kv = tensor_type::q6_k});
  REQUIRE(!odd_one);
  CHECK(odd_one.failure().code() == nibble::errc::invalid_argument);
}

TEST_CASE("evaluators can be moved, also to themselves") {
  const auto ids = some_tokens(20, 512);
  auto e = any_evaluator::try_create(windowed(), {.context = 60}).value();
  auto b = nibble::batch_evaluator::try_create(windowed(), 2, {.context = 60}).value();
  REQUIRE(e.feed(ids) == feed_outcome::done);
  REQUIRE(b.feed(1, ids) == feed_outcome::done);
  auto& same = e;
  auto& same_batch = b;
  e = std::move(same), b = std::move(same_batch);
  CHECK(e.position() == 20);
  CHECK(b.position(1) == 20);
  auto other = any_evaluator::try_create(windowed(), {.context = 30}).value();
  REQUIRE(other.feed(ids) == feed_outcome::done);
  other = std::move(e);
  CHECK(other.context() == 60);
  CHECK(logits_after(other, ids) == [&] {
    auto fresh = any_evaluator::try_create(windowed(), {.context = 60}).value();
    REQUIRE(fresh.feed(ids) == feed_outcome::done);
    return logits_after(fresh, ids);
  }());
  REQUIRE(b.feed(1, ids) == feed_outcome::done);
  CHECK(std::equal(b.logits(0).begin(), b.logits(0).end(), other.logits().begin()));
}

TEST_CASE("tokens that do not fit are not begun") {
  auto e = any_evaluator::try_create(windowed(), {.context = 20, .prefill_chunk = 8}).value();
  const auto ids = some_tokens(21, 512);
  CHECK(e.feed(ids) == feed_outcome::context_full);
  CHECK(e.position() == 0);
  CHECK(e.feed(std::span(ids).first(20)) == feed_outcome::done);
  CHECK(e.position() == 20);
  CHECK(e.feed(std::span(ids).first(1)) == feed_outcome::context_full);
  CHECK(e.feed({}) == feed_outcome::done);
  CHECK(e.position() == 20);
}

TEST_CASE("cut back, a sequence goes on as if it had never been longer; where a window has forgotten, it says so") {
  auto e = any_evaluator::try_create(windowed(), {.context = 400, .prefill_chunk = 32}).value();
  const auto ids = some_tokens(300, 512);
  REQUIRE(e.feed(ids) == feed_outcome::done);
  CHECK(!e.truncate(301));
  CHECK(!e.truncate(60));
  CHECK(e.position() == 300);
  for (const std::size_t position : {299, 280, 270}) {
    REQUIRE(e.truncate(position));
    CHECK(e.position() == position);
    const token next = 17;
    const auto found = logits_after(e, {&next, 1});
    auto fresh = any_evaluator::try_create(windowed(), {.context = 400, .prefill_chunk = 32}).value();
    REQUIRE(fresh.feed(std::span(ids).first(position)) == feed_outcome::done);
    CHECK(logits_after(fresh, {&next, 1}) == found);
  }
  REQUIRE(e.truncate(0));
  auto fresh = any_evaluator::try_create(windowed(), {.context = 400, .prefill_chunk = 32}).value();
  CHECK(logits_after(e, ids) == logits_after(fresh, ids));
}

TEST_CASE("a cancelled step leaves the sequence at the last whole one") {
  auto e = any_evaluator::try_create(windowed(), {.context = 100, .prefill_chunk = 8}).value();
  const auto ids = some_tokens(40, 512);
  REQUIRE(e.feed(std::span(ids).first(16)) == feed_outcome::done);
  nibble::stop_source stop;
  stop.request_stop();
  CHECK(e.feed(std::span(ids).subspan(16), stop.get_token()) == feed_outcome::cancelled);
  CHECK(e.position() == 16);
  auto fresh = any_evaluator::try_create(windowed(), {.context = 100, .prefill_chunk = 8}).value();
  CHECK(logits_after(e, std::span(ids).subspan(16)) == logits_after(fresh, ids));
}

TEST_CASE("broken weights give logits that are no numbers, and nothing worse, in every cache") {
  nibble_test::model_parts parts(nibble_test::golden("models/llama.gguf"));
  for (const float with : {NAN, INFINITY}) {
    auto& data = parts.at("blk.0.attn_k.weight").data;
    for (std::size_t i = 0; i + sizeof with <= data.size(); i += sizeof with) std::memcpy(data.data() + i, &with, sizeof with);
    const auto model = nibble::any_model::load(parts.bytes(), {.threads = 1});
    for (const auto kv : {tensor_type::f32, tensor_type::f16, tensor_type::bf16, tensor_type::q8_0}) {
      auto e = any_evaluator::try_create(model, {.context = 80, .kv = kv}).value();
      CHECK(e.feed(some_tokens(70, 512)) == feed_outcome::done);
      CHECK(e.logits().size() == 512);
    }
  }
}
