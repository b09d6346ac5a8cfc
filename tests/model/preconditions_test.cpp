/// Preconditions of evaluators and of files, each broken once.
#include <doctest/doctest.h>

#include "nibble/config.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS

#include <array>
#include <vector>

#include "model/toys.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/embedder.hpp"
#include "nibble/model/step_runner.hpp"
#include "support/refused.hpp"
#include "support/smallest_model.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

const auto nothing = [](std::size_t, std::span<float>) {};

/// Asks a layer for what it cannot do, where there is anything to compute.
struct breaks_a_layer : arch::decoder<> {
  static constexpr std::string_view name = "broken";
  using decoder::decoder;
  static config read(hyperparameters& h) { return config::read(h); }
  void forward(step& s, activations out) const NIBBLE_NOEXCEPT {
    decoder::forward(s, out);
    if (!s.measuring() && s.tokens() > 2) static_cast<void>(s.scratch(std::size_t{1} << 30));
  }
};
}  // namespace

TEST_CASE("a precondition that a forward pass breaks reaches the caller, and the step is undone") {
  using broken = basic_any_model<type_list<breaks_a_layer>>;
  const auto model = broken::load(file_of("broken"), {.threads = 2});
  auto e = evaluator::create(model, {.context = 64});
  const auto ids = some_tokens(6);
  REQUIRE(e.feed(std::span(ids).first(2)) == feed_outcome::done);
  CHECK(refused([&] { static_cast<void>(e.feed(std::span(ids).subspan(2))); }));
  CHECK(e.position() == 2);
  REQUIRE(e.feed(std::span(ids).subspan(2, 2)) == feed_outcome::done);
  CHECK(e.position() == 4);
}

TEST_CASE("what was moved from says so, and can be given another") {
  const auto model = any_model::load(golden("models/llama.gguf"), {.threads = 1});
  const auto ids = some_tokens(3);
  auto e = evaluator::create(model, {.context = 64});
  auto taken = evaluator(std::move(e));
  CHECK(refused([&] { e.feed(ids); }));
  CHECK(refused([&] { e.feed_each(ids, nothing); }));
  CHECK(refused([&] { e.feed_some(ids, std::array{0u}, nothing); }));
  CHECK(refused([&] { static_cast<void>(e.position()); }));
  CHECK(refused([&] { e.mark(); }));
  CHECK(refused([&] { static_cast<void>(e.try_fork()); }));
  CHECK(refused([&] { static_cast<void>(e.has_mark()); }));
  CHECK(refused([&] { static_cast<void>(e.resumable(0)); }));
  CHECK(refused([&] { static_cast<void>(e.truncate(0)); }));
  CHECK(refused([&] { static_cast<void>(e.model()); }));
  CHECK(refused([&] { static_cast<void>(e.memory()); }));
  e = std::move(taken);
  std::vector<std::byte> state(e.saved_bytes(0) + 1);
  CHECK(refused([&] { e.save(state); }));
  CHECK(refused([&] { static_cast<void>(e.try_load(0, state, {})); }));
  CHECK(row_after(e, ids) == fresh(model, ids));

  auto b = batch_evaluator::create(model, 2, {.context = 64});
  const auto kept = batch_evaluator(std::move(b));
  CHECK(refused([&] { b.feed(0, ids); }));
  CHECK(refused([&] { b.step(std::span<const batch_evaluator::entry>()); }));
  CHECK(refused([&] { b.step(std::span<const batch_evaluator::chunk>()); }));
  CHECK(refused([&] { static_cast<void>(b.position(0)); }));
  CHECK(refused([&] { b.mark(0); }));
  CHECK(refused([&] { b.fork(0, 1); }));
  CHECK(refused([&] { static_cast<void>(b.memory()); }));

  auto r = step_runner::create(model, {.context = 64}, 2);
  CHECK(refused([&] { static_cast<void>(r.try_fork()); }));
  const auto last = step_runner(std::move(r));
  CHECK(refused([&] { static_cast<void>(r.model()); }));
  CHECK(refused([&] { static_cast<void>(r.memory()); }));
  CHECK(refused([&] { r.run({}, {}, {}, {}); }));

  auto v = embedder::create(model, {.context = 64, .pooling = pooling::mean});
  const auto other = embedder(std::move(v));
  CHECK(refused([&] { static_cast<void>(v.model()); }));
  CHECK(refused([&] { static_cast<void>(v.try_embed(ids)); }));
  CHECK(refused([&] { static_cast<void>(v.memory()); }));
}

TEST_CASE("a model that was loaded without a tokenizer has none to give") {
  smallest_model file("eurobert");
  file.meta.set("eurobert.pooling_type", value(1u));
  file.meta.set("tokenizer.ggml.model", value("of-tomorrow"));
  const auto model = any_model::load(file.bytes());
  CHECK(refused([&] { static_cast<void>(model.tokenizer()); }));
}

TEST_CASE("a plan is for one sequence at least, and for no more than there may be") {
  const auto model = any_model::load(golden("models/llama.gguf"), {.threads = 1});
  for (const std::size_t sequences : {std::size_t{0}, nibble::most_sequences + 1, SIZE_MAX}) {
    CHECK(refused([&] { static_cast<void>(model.plan({.context = 64}, sequences)); }));
  }
  CHECK(model.plan({.context = 64}, nibble::most_sequences).total() > model.plan({.context = 64}).total());
}

TEST_CASE("an evaluator reports what are no tokens, and wanted rows that there are not") {
  const auto model = any_model::load(golden("models/llama.gguf"), {.threads = 1});
  auto e = evaluator::create(model, {.context = 64, .prefill_chunk = 4, .output_rows = 2});
  const auto ids = some_tokens(6);
  for (const token bad : {-1, 512, 1 << 29}) {
    for (const std::size_t at : {0u, 5u}) {
      auto broken = ids;
      broken[at] = bad;
      CHECK(refused([&] { e.feed(broken); }));
      CHECK(refused([&] { e.feed_each(broken, nothing); }));
      CHECK(refused([&] { e.feed_some(broken, std::array{0u}, nothing); }));
      CHECK(e.position() == 0);
    }
  }
  CHECK(refused([&] { e.feed_some(ids, std::array{1u, 0u}, nothing); }));
  CHECK(refused([&] { e.feed_some(ids, std::array{1u, 1u}, nothing); }));
  CHECK(refused([&] { e.feed_some(ids, std::array{6u}, nothing); }));
  CHECK(e.position() == 0);
  CHECK(fresh(model, ids) == row_after(e, ids));
}

TEST_CASE("an evaluator of drafts reports tokens without hidden states, and others report drafts") {
  nibble_test::smallest_model file("qwen35", 32, 4);
  file.meta.set("qwen35.nextn_predict_layers", value(1));
  file.meta.set("qwen35.full_attention_interval", value(3));
  const auto model = any_model::load(file.completed().bytes(), {.threads = 1});
  auto drafts = evaluator::create(model, {.context = 64, .output = step_output::draft});
  auto logits = evaluator::create(model, {.context = 64});
  const std::vector<token> ids{1, 2, 3};
  const std::vector<float> hidden(ids.size() * model.width(), 0.5f);
  CHECK(refused([&] { drafts.feed(ids); }));
  CHECK(refused([&] { drafts.feed_each(ids, nothing); }));
  CHECK(refused([&] { drafts.feed_some(ids, std::array{1u}, nothing); }));
  CHECK(refused([&] { drafts.draft_each(ids, std::span(hidden).first(model.width()), nothing); }));  // a row for each token
  CHECK(refused([&] { logits.draft_each(ids, hidden, nothing); }));
  CHECK(drafts.position() + logits.position() == 0);
  CHECK(!refused([&] { drafts.draft_each(ids, hidden, nothing); }));
}

TEST_CASE("a batch reports sequences that there are not or that come twice, tokens and rows") {
  const auto model = any_model::load(golden("models/llama.gguf"), {.threads = 1});
  auto b = batch_evaluator::create(model, 2, {.context = 64});
  using entry = batch_evaluator::entry;
  const auto step = [&](std::vector<entry> entries) { return refused([&] { b.step(entries); }); };
  CHECK(step({{0, 5}, {0, 6}}));
  CHECK(step({{2, 5}}));
  CHECK(step({{0, 5}, {1, 6}, {0, 7}}));
  CHECK(step({{0, -1}}));
  CHECK(step({{1, 512}}));
  CHECK(refused([&] { b.feed(2, some_tokens(3)); }));
  CHECK(refused([&] { b.feed(0, std::array<token, 1>{-5}); }));
  CHECK(refused([&] { static_cast<void>(b.logits(0)); }));
  CHECK(refused([&] { static_cast<void>(b.position(2)); }));
  CHECK(refused([&] { static_cast<void>(b.resumable(2, 0)); }));
  CHECK(refused([&] { static_cast<void>(b.truncate(2, 0)); }));
  CHECK(refused([&] { b.fork(0, 2); }));
  CHECK(refused([&] { b.fork(2, 0); }));
  CHECK(refused([&] { b.mark(2); }));
  CHECK(!step({{0, 5}, {1, 6}}));
  CHECK(refused([&] { static_cast<void>(b.logits(2)); }));
}

TEST_CASE("a file reports a tensor that lies in none of its parts") {
  const auto file = gguf_file::open(golden("models/llama.gguf"));
  tensor_info other = file.tensors()[0];
  other.shard = 1;
  CHECK(refused([&] { static_cast<void>(file.bytes(other)); }));
  CHECK(refused([&] { file.release(other, 0, 1); }));
  other = file.tensors()[0], other.offset = file.file_bytes();
  CHECK(refused([&] { static_cast<void>(file.bytes(other)); }));
}

#endif
