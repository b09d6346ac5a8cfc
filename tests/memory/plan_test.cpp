/// A plan of a model and its session, and what is allocated then, counted: equal to the byte.
#include <doctest/doctest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "memory/counting_malloc.hpp"
#include "memory/planned.hpp"
#include "model/toys.hpp"
#include "nibble/nibble.hpp"
#include "support/smallest_model.hpp"

#if NIBBLE_TEST_COUNTS_HEAP
namespace {
using namespace nibble_test;
namespace fs = std::filesystem;

std::vector<fs::path> goldens() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(golden("models")))
    if (entry.path().extension() == ".gguf") out.push_back(entry.path());
  out.push_back(golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  return out;
}

/// A session on `model` takes what is planned, and a token more takes nothing more.
void check_session(const nibble::any_model& model, const nibble::session_options& room, const nibble::memory_plan& planned) {
  const nibble::memory_plan plan = model.plan(room);
  CHECK(plan.total() == planned.total());
  CHECK(plan.of_session() == planned.of_session());
  check_takes(plan.of_session(), [&] { return nibble::session(model, room); });
  const std::size_t before = live_bytes;
  {
    nibble::session session(model, room);
    for (const bool logprobs : {false, true}) {
      auto reply = session.generate("a b", {.max_tokens = 5, .logprobs = logprobs});
      auto event = reply.begin();
      const std::size_t first = allocations;
      while (event != reply.end()) ++event;
      const std::size_t more = allocations - first;
      CHECK(more == 0);
    }
    const std::size_t taken = live_bytes - before;
    CHECK(taken == plan.of_session());  // replies have left nothing behind
  }
  const std::size_t left = live_bytes - before;
  CHECK(left == 0);
}

/// The model, then a session, as planned before the model is loaded.
template <class Model = nibble::any_model>
void check_model(const fs::path& path, const nibble::load_options& options, const nibble::session_options& room) {
  INFO(path.string());
  static_cast<void>(Model::load(path, options));  // whatever is made once in a process
  std::optional<nibble::memory_plan> plan;
  {
    const auto file = nibble::gguf_file::open(path, options.limits, options.access);
    plan = Model::plan(file, room, options);
  }
  check_takes(plan->of_model(), [&] { return Model::load(path, options); });
  const auto model = Model::load(path, options);
  CHECK(model.weight_bytes() == plan->weights);
  CHECK(model.tokenizer_bytes() == plan->tokenizer);
  bool sees_ahead = false;
  for (const auto& layer : model.kv()) sees_ahead = sees_ahead || layer.looks_ahead;
  if (!sees_ahead) check_session(model, room, *plan);
}
}  // namespace

TEST_CASE("the count counts") {
  const std::size_t before = live_bytes, calls = allocations;
  {
    const std::vector<char> bytes(1000);
    const void* volatile seen = bytes.data();  // a compiler may leave out an allocation that nobody looks at
    static_cast<void>(seen);
    const auto block = nibble::aligned_buffer::allocate(100);
    const std::size_t taken = live_bytes - before, made = allocations - calls;
    CHECK(taken == 1000 + 100 + nibble::aligned_buffer::slack(100));
    CHECK(made == 2);
  }
  const std::size_t left = live_bytes - before;
  CHECK(left == 0);
}

TEST_CASE("models and sessions of every architecture take what was planned, however they are loaded") {
  for (const auto& path : goldens()) {
    const nibble::session_options room{.context = 200, .prefill_chunk = 16};
    check_model(path, options_of(), room);
    check_model(path, options_of(true), room);
    check_model(path, options_of(false, nibble::file_access::read), room);
  }
}

TEST_CASE("models of one architecture known at compile time, of lists, and of bytes take what was planned") {
  const auto path = golden("models/llama.gguf");
  const nibble::session_options room{.context = 100};
  using typed = nibble::model<nibble::arch::llama, nibble::kv_cache<nibble::q8_0>>;
  for (const bool mapped : {false, true}) {
    check_model<typed>(path, options_of(mapped), room);
    const auto watch = [](const nibble::operation_event&) {};
    check_model<nibble::model<nibble::arch::llama, nibble::kv_cache<>, decltype(watch)>>(path, options_of(mapped), room);
    check_model<nibble::basic_any_model<nibble::type_list<nibble::arch::llama>>>(path, options_of(mapped), room);
    const auto bytes = read_all(path);
    const auto file = nibble::gguf_file::parse(bytes);
    const auto plan = nibble::any_model::plan(file, room, options_of(mapped));
    check_takes(plan.of_model(), [&] { return nibble::any_model::load(bytes, options_of(mapped)); });
    check_takes(plan.of_model(), [&] { return nibble::any_model::load(file, options_of(mapped)); });
  }
}

TEST_CASE("recurrent states, experts and models that see ahead take what was planned") {
  using toys = nibble::basic_any_model<nibble::type_list<hybrid, mixture, encoder>>;
  for (const auto& bytes : {file_of("hybrid"), file_of("mixture", make_experts), file_of("encoder")}) {
    for (const bool prefixes : {false, true}) {
      const nibble::session_options room{
          .context = 70, .prefill_chunk = 9, .marks = false, .state_interval = 0, .prefix_cache = prefixes};
      const auto plan = toys::plan(nibble::gguf_file::parse(bytes), room, options_of());
      check_takes(plan.of_model(), [&] { return toys::load(bytes, options_of()); });
      const auto model = toys::load(bytes, options_of());
      CHECK((model.architecture_name() == "hybrid") == (plan.states > 0));
      check_takes(plan.of_session() - plan.sampling, [&] { return nibble::evaluator::create(model, room); });
      if (model.architecture_name() != "encoder") check_session(model, room, plan);
    }
  }
}

TEST_CASE("factors beside matrices take what was planned") {
  smallest_model scaled("qwen3moe");
  scaled.add_scales();
  const auto bytes = scaled.bytes();
  for (const bool mapped : {false, true}) {
    const auto plan = nibble::any_model::plan(nibble::gguf_file::parse(bytes), {.context = 70}, options_of(mapped));
    check_takes(plan.of_model(), [&] { return nibble::any_model::load(bytes, options_of(mapped)); });
  }
}

TEST_CASE("a cap is one for all that is planned") {
  const auto path = golden("models/stories260K-q8_0.gguf");
  const nibble::session_options room{.context = 100};
  const auto plan = nibble::any_model::plan(nibble::gguf_file::open(path), room, options_of());
  const auto load = [&](std::size_t cap) {
    auto options = options_of();
    options.memory_cap = cap;
    return nibble::any_model::try_load(path, options);
  };
  const auto is_refused = [](const auto& result) {
    return !result && result.failure().code() == nibble::errc::out_of_memory &&
           std::string(result.failure().what()).find("above the cap of ") != std::string::npos;
  };
  CHECK(is_refused(load(plan.weights - 1)));
  CHECK(is_refused(load(plan.of_model() - 1)));
  const auto without_session = load(plan.of_model());
  REQUIRE(without_session);
  CHECK(is_refused(nibble::evaluator::try_create(*without_session, room)));
  const auto almost = load(plan.total() - 1), all = load(plan.total());
  CHECK(is_refused(nibble::session::try_create(*almost, room)));
  CHECK(nibble::evaluator::try_create(*almost, room));

  const std::vector<std::string> prompts{"a", "b"};
  const auto each = all->plan({.context = 100, .marks = false}, prompts.size());
  const std::size_t said = prompts.size() * room.context * sizeof(nibble::token);
  const std::size_t enough = each.total() + nibble::sampling_scratch::planned_bytes(all->vocabulary()) + said;
  const auto answer = [&](std::size_t cap) {
    const auto ignore = [](std::size_t, const nibble::token_event&) {};
    return nibble::try_generate_each(*load(cap), prompts, {.max_tokens = 2}, ignore, room);
  };
  CHECK(is_refused(answer(enough - 1)));
  CHECK(answer(enough));

  const std::size_t before = live_bytes;
  most_live_bytes = before;
  const auto session = nibble::session::try_create(*all, room);
  REQUIRE(session);
  const std::size_t most = most_live_bytes - before;
  CHECK(most < plan.of_session() + 20'000);  // shapes of layers, and what a step looks like, while it is measured
}
#endif
