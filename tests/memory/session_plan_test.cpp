/// Plans of sessions, evaluators and embedders, and what is allocated then: equal to the byte, and nothing more while they run.
#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/planned.hpp"
#include "nibble/nibble.hpp"
#include "support/files.hpp"
#include "support/smallest_model.hpp"

#if NIBBLE_TEST_COUNTS_HEAP
using namespace nibble_test;

TEST_CASE("sessions take what was planned: every cache, chunk, number of outputs, with marks and without") {
  for (const char* name : {"models/gemma3.gguf", "models/llama.gguf"}) {
    const auto model = nibble::any_model::load(golden(name), options_of());
    for (const auto kv :
         {nibble::tensor_type::f32, nibble::tensor_type::f16, nibble::tensor_type::bf16, nibble::tensor_type::q8_0})
      for (const bool marks : {false, true})
        for (const std::size_t context : {1, 63, 64, 700})
          for (const std::size_t chunk : {1, 128})
            for (const std::size_t rows : {1, 7}) {
              const nibble::session_options room{context, chunk, rows, kv, nibble::step_output::logits, marks};
              const auto plan = model.plan(room);
              check_takes(plan.of_session(), [&] { return nibble::session(model, room); });
              check_takes(plan.of_session() - plan.sampling, [&] { return nibble::evaluator::create(model, room); });
            }
  }
}

TEST_CASE("evaluators of one and of several sequences say what they take, and feeding takes nothing") {
  const auto model = nibble::any_model::load(golden("models/gemma3.gguf"), options_of());
  for (const std::size_t sequences : {1, 2, 5, 40}) {
    const nibble::session_options room{.context = 100, .prefill_chunk = 8, .output_rows = 3};
    auto unmarked = room;
    unmarked.marks = false;
    const auto plan = model.plan(sequences == 1 ? unmarked : room, sequences);
    if (sequences > 1) CHECK(plan.sampling == 0);
    if (sequences > 1) CHECK(model.plan(unmarked, sequences).kv == plan.kv);
    const std::size_t planned = plan.of_session() - plan.sampling;
    check_takes(planned, [&] { return nibble::batch_evaluator::create(model, sequences, room); });
    auto batch = nibble::batch_evaluator::create(model, sequences, room);
    CHECK(batch.memory().total() == plan.of_model() + planned);
    const std::vector<nibble::token> said(20, 7);
    std::vector<nibble::batch_evaluator::entry> next;
    for (std::size_t i = 0; i < sequences; ++i) next.push_back({i, 9});
    const std::size_t before = allocations;
    bool done = true;  // a CHECK in between would allocate
    for (std::size_t i = 0; i < sequences; ++i) done = batch.feed(i, said) == nibble::feed_outcome::done && done;
    done = batch.step(next) == nibble::feed_outcome::done && done;
    const std::size_t made = allocations - before;
    CHECK(made == 0);
    CHECK(done);
  }
}

TEST_CASE("texts that are longer than their context take what was planned, and nothing more however long they become") {
  for (const char* name : {"llama", "gemma3", "deepseek2"}) {
    INFO(std::string(name));
    const auto model = nibble::any_model::load(smallest_model(name, 32, 2).bytes(), options_of());
    const std::size_t tokens = std::getenv("NIBBLE_LONG_TESTS") ? 50'000 : 3'000;
    const bool is_latent = model.architecture_name() == "deepseek2";
    for (const auto& policy :
         {nibble::context_policy::sinks(4), nibble::context_policy::shift(70), nibble::context_policy::heavy_hitters(64)}) {
      if (policy.weighs && is_latent) continue;
      const nibble::session_options room{.context = 192, .prefill_chunk = 16, .when_full = policy};
      check_takes(model.plan(room).of_session(), [&] { return nibble::session(model, room); });
      nibble::session session(model, room);
      auto reply = session.generate("A", {.max_tokens = tokens});
      auto event = reply.begin();
      const std::size_t before = allocations, live = live_bytes;
      std::size_t events = 0;
      for (; event != reply.end(); ++event) ++events;
      const std::size_t made = allocations - before, left = live_bytes - live;
      CHECK(made == 0);
      CHECK(left == 0);
      CHECK(events >= tokens - 1);
      CHECK(session.tokens().size() <= 193);
    }
  }
}

TEST_CASE("a session and all of its forks take what was planned, and so do batches within a budget") {
  for (const char* name : {"llama", "gemma3", "qwen35"}) {
    const auto model = nibble::any_model::load(smallest_model(name, 32, 4).bytes(), options_of());
    for (const std::size_t bytes : {std::size_t{0}, model.plan({.context = 128, .prefill_chunk = 8}).kv}) {
      const nibble::session_options room{.context = 400, .prefill_chunk = 8, .forks = 2, .kv_bytes = bytes};
      const auto family = [&] {
        std::vector<nibble::session> all;
        all.reserve(3);
        all.emplace_back(model, room);
        all.push_back(all[0].fork());
        all.push_back(all[1].fork());
        return all;
      };
      const std::size_t holder = 3 * sizeof(nibble::session);
      const auto plan = model.plan(room);
      if (bytes > 0) CHECK(plan.kv <= bytes);
      check_takes(plan.of_session() + holder, family);
      auto all = family();
      CHECK(nibble::evaluator::create(model, room).memory().kv == plan.kv);
      for (auto& s : all) {
        auto reply = s.generate("a", {.max_tokens = 9});
        auto event = reply.begin();
        const std::size_t before = allocations;
        while (event != reply.end()) ++event;
        const std::size_t made = allocations - before;
        CHECK(made == 0);
      }
      const auto batch = model.plan(room, 3);
      check_takes(batch.of_session(), [&] { return nibble::batch_evaluator::create(model, 3, room); });
    }
  }
}

TEST_CASE("sessions that guess take what was planned, with their forks, and nothing more while they generate") {
  for (const char* name : {"llama", "gemma3", "qwen35"}) {
    smallest_model file(name, 32, 4);
    const bool drafts = std::string(name) == "qwen35";
    if (drafts) file.meta.set("qwen35.nextn_predict_layers", nibble::value(1));
    if (drafts) file.meta.set("qwen35.full_attention_interval", nibble::value(3));
    const auto model = nibble::any_model::load(file.completed().bytes(), options_of());
    CHECK(model.gives_drafts() == drafts);
    std::vector ways{nibble::speculation(nibble::prompt_lookup{.guesses = 4, .always = true}),
                     nibble::speculation(nibble::draft_model{.model = model, .guesses = 3, .always = true})};
    if (drafts) ways.push_back(nibble::draft_block{.always = true});
    for (const auto& how : ways) {
      const nibble::session_options room{.context = 100, .prefill_chunk = 8, .forks = 1, .speculation = how};
      const auto family = [&] {
        std::vector<nibble::session> all;
        all.reserve(2);
        all.emplace_back(model, room);
        all.push_back(all[0].fork());
        return all;
      };
      const auto plan = model.plan(room);
      CHECK(plan.guessing > 0);
      check_takes(plan.of_session() + 2 * sizeof(nibble::session), family);
      auto all = family();
      for (auto& s : all) {
        auto reply = s.generate("ABABABABAB", {.max_tokens = 60});
        auto event = reply.begin();
        const std::size_t before = allocations;
        while (event != reply.end()) ++event;
        const std::size_t made = allocations - before;
        CHECK(made == 0);
        CHECK(s.stats().guessed_tokens > 0);
      }
    }
  }
}

TEST_CASE("room for marks is a session's, unless it is asked for or turned off") {
  const auto model = nibble::any_model::load(golden("models/gemma3.gguf"), options_of());
  const auto with = [](std::optional<bool> marks) {
    return nibble::session_options{.context = 200, .prefill_chunk = 8, .marks = marks};
  };
  const auto marked = model.plan(with(true)), plain = model.plan(with(false));
  REQUIRE(marked.kv > plain.kv);
  CHECK(model.plan(with({})).kv == marked.kv);
  check_takes(marked.of_session(), [&] { return nibble::session(model, with({})); });
  check_takes(plain.of_session() - plain.sampling, [&] { return nibble::evaluator::create(model, with({})); });
  const auto batch = model.plan(with({}), 3);
  CHECK(batch.kv == 3 * plain.kv);
  check_takes(batch.of_session(), [&] { return nibble::batch_evaluator::create(model, 3, with({})); });
  auto e = nibble::evaluator::create(model, with({})), marking = nibble::evaluator::create(model, with(true));
  e.mark(), marking.mark();
  CHECK(!e.has_mark());
  CHECK(marking.has_mark());
}

TEST_CASE("models of vectors and embedders take what was planned, and embedding takes nothing") {
  for (const char* architecture : {"bert", "modern-bert", "gemma-embedding", "qwen3"}) {
    smallest_model file(architecture);
    file.meta.set(std::string(architecture) + ".pooling_type", nibble::value(4u));
    file.meta.set("tokenizer.chat_template.rerank", nibble::value("a question {query} and what answers it {document}, or not"));
    file.tensors.push_back({"cls.output.weight", nibble::tensor_type::f32, {32}, {}});
    file.tensors.push_back({"dense_2.weight", nibble::tensor_type::f32, {32, 48}, {}});
    const auto bytes = file.bytes();
    const auto model = nibble::any_model::load(bytes, options_of());
    check_takes(nibble::embedder::plan(model).of_model(), [&] { return nibble::any_model::load(bytes, options_of()); });
    const std::vector<nibble::token> one{1, 2, 3}, other(40, 7);
    const std::vector<std::span<const nibble::token>> texts{one, other, one, one, other};
    for (const nibble::pooling how :
         {nibble::pooling::none, nibble::pooling::mean, nibble::pooling::first, nibble::pooling::last, nibble::pooling::rank}) {
      const nibble::embedder_options room{.context = 70, .texts = 3, .pooling = how, .unit_length = true};
      check_takes(nibble::embedder::plan(model, room).of_session(), [&] { return nibble::embedder::create(model, room); });
      auto embedder = nibble::embedder::create(model, room);
      const std::size_t before = allocations;
      const auto done = embedder.try_embed_each(texts, [](std::size_t, std::span<float>) {});
      const std::size_t more = allocations - before;
      CHECK(done.has_value());
      CHECK(more == 0);
    }
  }
}
#endif
