/// Texts in, vectors and scores out: what an embedder takes and refuses.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "model/small_embedder.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/model/embedder.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;
}  // namespace

TEST_CASE("texts are embedded by the model's tokenizer, one or many") {
  const auto model = small_embedder().load();
  auto e = embedder::create(model);
  const auto one = e.embed("HELLO"), other = e.embed("ABBA");
  CHECK(one == e.embed(model.tokenizer().encode("HELLO")));
  CHECK(one != other);
  CHECK(e.embed(std::vector<std::string>{"HELLO", "ABBA"}) == std::vector<floats>{one, other});
  const std::array<const char*, 2> texts{"ABBA", "HELLO"};
  CHECK(e.embed(texts) == std::vector<floats>{other, one});
}

TEST_CASE("a model of vectors makes no text, and one of text no vectors unless a pooling is named") {
  const auto vectors = small_embedder().load();
  CHECK_SAYS(refusal_of(session::try_create(vectors)),
             "this eurobert model makes embeddings or scores, not logits: see nibble::embedder");
  CHECK_SAYS(refusal_of(evaluator::try_create(vectors)), "not logits");
  CHECK_SAYS(refusal_of(batch_evaluator::try_create(vectors, 2)), "not logits");
  CHECK(evaluator::try_create(vectors, {.output = step_output::hidden}).has_value());
  CHECK(vectors.plan().scratch == vectors.plan({.output = step_output::hidden}).scratch);
  // pooling_type 0 of an encoder is a row a token, and of a decoder nothing
  CHECK(embedder::create(small_embedder().set("pooling_type", 0u).load()).pooling() == pooling::none);
  CHECK(session::try_create(small_embedder("qwen3").set("pooling_type", 0u).load()).has_value());
  CHECK_SAYS(refusal_of(session::try_create(small_embedder("qwen3").set("pooling_type", 3u).load())),
             "qwen3 model makes embeddings");

  // without attention, too
  CHECK_SAYS(refusal_of(session::try_create(small_embedder("mamba2").set("pooling_type", 3u).load())),
             "mamba2 model makes embeddings");
  CHECK(embedder::create(small_embedder("mamba2").load()).embed("ABBA").size() == 32);

  const auto text = any_model::load(nibble_test::smallest_model("llama").bytes());
  CHECK_SAYS(refusal_of(embedder::try_create(text)),
             "embedder_options::pooling: the file of this llama model states none, so name one");
  CHECK(embedder::create(text, {.pooling = pooling::last}).embed("ABBA").size() == 32);
  CHECK_SAYS(refusal_of(embedder::try_create(text, {.pooling = pooling::rank})),
             "rank needs a classifier, and the file has none");
}

TEST_CASE("texts that are empty, too long, or of other tokens are errors, and none of them is begun") {
  auto e = embedder::create(small_embedder().load(), {.context = 8});
  CHECK(e.context() == 8);
  const auto refusal = [&](std::vector<token> ids) { return refusal_of(e.try_embed(ids)); };
  CHECK_SAYS(refusal({}), "text 0: expected 1 to 8 tokens, found 0");
  CHECK_SAYS(refusal(std::vector<token>(9)), "text 0: expected 1 to 8 tokens, found 9");
  CHECK_SAYS(refusal({1, 40}), "text 0: expected tokens of the model's vocabulary of 40");
  CHECK_SAYS(refusal({-1}), "vocabulary");
  CHECK_SAYS(refusal_of(e.try_embed("HELLO, ABBA")), "expected 1 to 8 tokens");
  const std::vector<token> good{1, 2}, bad(9);
  const std::array<std::span<const token>, 2> both{good, bad};
  std::size_t calls = 0;
  const auto done = e.try_embed_each(both, [&](std::size_t, std::span<float>) { ++calls; });
  CHECK_SAYS(refusal_of(done), "text 1: expected 1 to 8 tokens, found 9");
  CHECK(calls == 0);
  CHECK(e.try_embed(good).has_value());
  CHECK(e.embed(std::vector<std::string>{}).empty());
}

TEST_CASE("options that cannot be are errors") {
  const auto model = small_embedder().load();
  CHECK_SAYS(refusal_of(embedder::try_create(model, {.context = 97})),
             "embedder_options::context: expected at most the model's 96, found 97");
  CHECK_SAYS(refusal_of(embedder::try_create(model, {.texts = 0})), "embedder_options::texts: expected 1 to 4096, found 0");
  CHECK_SAYS(refusal_of(embedder::try_create(model, {.texts = 4097})), "expected 1 to 4096");
  CHECK_SAYS(refusal_of(embedder::try_create(model, {.kv = tensor_type::q6_k})), "kv: expected");
  CHECK(embedder::create(model).context() == 96);
}

TEST_CASE("what is planned is what is allocated, and a cap is kept") {
  for (const char* architecture : {"eurobert", "qwen3"}) {
    small_embedder file(architecture);
    file.set("dense_2_feat_out", 48u).add("dense_2.weight", {32, 48});
    const auto model = file.load();
    for (const pooling how : {pooling::none, pooling::mean, pooling::last}) {
      const embedder_options options{.context = 40, .texts = 3, .pooling = how};
      const memory_plan plan = embedder::plan(model, options);
      auto e = embedder::create(model, options);
      CHECK(e.memory().total() == plan.total());
      CHECK(e.memory().scratch == plan.scratch);
      CHECK(e.memory().kv == plan.kv);
      CHECK(e.width() == 48);
      CHECK(embedder::try_create(file.load({.memory_cap = plan.total()}), options).has_value());
      const auto capped = embedder::try_create(file.load({.memory_cap = plan.total() - 1}), options);
      CHECK_SAYS(refusal_of(capped), "model and embedder take");
    }
  }
}

TEST_CASE("keys and values take the room of one step in one layer, however many texts and layers there are") {
  const auto kv = [](int layers, std::size_t context, std::size_t texts) {
    nibble_test::smallest_model file("eurobert", 32, layers);
    const auto model = any_model::load(file.bytes());
    return embedder::plan(model, {.context = context, .texts = texts, .pooling = pooling::mean}).kv;
  };
  const std::size_t page = kv(1, 64, 1);
  CHECK(kv(5, 64, 1) == page);
  CHECK(kv(1, 96, 1) == 2 * page);
  CHECK(kv(3, 96, 1) == 2 * page);
  CHECK(kv(3, 96, 4) == 5 * page);  // as many as end within a page, and one more
}

TEST_CASE("a cancelled call says so, and the next one is as if it had not been") {
  auto e = embedder::create(small_embedder().load());
  const auto expected = e.embed("HELLO");
  nibble::stop_source stop;
  stop.request_stop();
  const auto gone = e.try_embed("HELLO", stop.get_token());
  REQUIRE(!gone);
  CHECK(gone.failure().code() == errc::cancelled);
  CHECK(e.embed("HELLO") == expected);
}

TEST_CASE("a reranker scores documents, each as if it were alone") {
  small_embedder file("qwen3");
  file.set("pooling_type", 4u).set("classifier.output_labels", std::vector<std::string>{"yes", "no"});
  file.add("cls.output.weight", {32, 2});
  const auto model = file.load();
  auto e = embedder::create(model);
  CHECK(e.pooling() == pooling::rank);
  CHECK(e.width() == 2);
  const std::vector<std::string> documents{"ABBA", "CDDC", "HELLO"};
  const auto scores = e.rank("WHO?", documents);
  REQUIRE(scores.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto numbers = e.embed(e.try_pair("WHO?", documents[i]).value());
    CHECK(numbers[0] == scores[i]);
    CHECK(numbers[0] + numbers[1] == doctest::Approx(1));
  }
  CHECK_SAYS(refusal_of(embedder::create(small_embedder().load()).try_rank("A", documents)),
             "rank: expected a model that scores, found pooling mean");

  file.parts.meta.set("tokenizer.chat_template.rerank", value("Q:{query} D:{document}!"));
  auto templated = embedder::create(file.load());
  CHECK(templated.try_pair("AB", "C{query}").value() == model.tokenizer().encode("Q:AB D:C{query}!"));
  for (const char* lacking : {"Q:{query}", "D:{document}"}) {
    file.parts.meta.set("tokenizer.chat_template.rerank", value(lacking));
    CHECK(file.refusal() == "tokenizer.chat_template.rerank: expected {query} and {document} in it");
  }
}

TEST_CASE("a query and a document are joined as the kind of tokenizer has it") {
  small_embedder file("bert");
  file.parts.meta.set("tokenizer.ggml.unknown_token_id", value(0u));
  file.parts.meta.set("tokenizer.ggml.cls_token_id", value(1u));
  file.parts.meta.set("tokenizer.ggml.bos_token_id", value(1u));
  file.parts.meta.set("tokenizer.ggml.seperator_token_id", value(2u));
  file.parts.meta.set("tokenizer.ggml.eos_token_id", value(2u));
  file.parts.meta.set("tokenizer.ggml.add_bos_token", value(true));
  file.parts.meta.set("tokenizer.ggml.scores", value(std::vector<float>(40, -1.0f)));
  file.parts.meta.set("tokenizer.ggml.add_space_prefix", value(false));
  const auto pair = [&](const char* kind) {
    file.parts.meta.set("tokenizer.ggml.model", value(kind));
    return embedder::create(file.load()).pair("E", "FG");
  };
  CHECK(pair("t5") == std::vector<token>{1, 4, 2, 2, 5, 6, 2});
  CHECK(pair("bert") == std::vector<token>{1, 0, 2, 0, 2});  // no piece begins a word
}

TEST_CASE("a model of vectors loads without a tokenizer that is known, and takes tokens") {
  small_embedder file;
  file.parts.meta.set("tokenizer.ggml.model", value("of-tomorrow"));
  const auto model = file.load();
  CHECK(!model.has_tokenizer());
  auto e = embedder::create(model);
  CHECK(e.embed(std::vector<token>{1, 2, 3}) == embedder::create(small_embedder().load()).embed(std::vector<token>{1, 2, 3}));
  CHECK_SAYS(refusal_of(e.try_embed("HELLO")), "of-tomorrow");
  CHECK_SAYS(refusal_of(e.try_pair("A", "B")), "of-tomorrow");
  nibble_test::smallest_model text("llama");
  text.meta.set("tokenizer.ggml.model", value("of-tomorrow"));
  CHECK(!any_model::try_load(text.bytes()));
}
