/// A plan and what is allocated then, counted: equal to the byte.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "file/temporary_folder.hpp"
#include "memory/heap.hpp"
#include "model/toys.hpp"
#include "nibble/generate/answer_future.hpp"
#include "nibble/nibble.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"
#include "support/smallest_model.hpp"

#if NIBBLE_TEST_COUNTS_HEAP
namespace {
using nibble_test::allocations;
using nibble_test::live_bytes;
using nibble_test::most_live_bytes;
namespace fs = std::filesystem;

nibble::inline_executor here;

nibble::load_options options_of(bool mapped = false, nibble::file_access access = nibble::file_access::mapped) {
  return {.executor = nibble::executor_ref(here), .mapped = mapped, .access = access};
}

std::vector<fs::path> goldens() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(nibble_test::golden("models")))
    if (entry.path().extension() == ".gguf") out.push_back(entry.path());
  out.push_back(nibble_test::golden("../../examples/models/nibble-tiny-Q4_K_M.gguf"));
  return out;
}

/// What is made by `make` takes `planned` bytes, and gives all of them back.
template <class Make>
void check_takes(std::size_t planned, Make&& make) {
  const std::size_t before = live_bytes;
  {
    const auto made = make();
    const std::size_t taken = live_bytes - before;
    CHECK(taken == planned);
  }
  const std::size_t left = live_bytes - before;
  CHECK(left == 0);
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

TEST_CASE("sessions take what was planned: every cache, chunk, number of outputs, with marks and without") {
  for (const char* name : {"models/gemma3.gguf", "models/llama.gguf"}) {
    const auto model = nibble::any_model::load(nibble_test::golden(name), options_of());
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
  const auto model = nibble::any_model::load(nibble_test::golden("models/gemma3.gguf"), options_of());
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
    for (std::size_t i = 0; i < sequences; ++i) batch.feed(i, said);
    batch.step(next);
    const std::size_t made = allocations - before;
    CHECK(made == 0);
  }
}

TEST_CASE("texts that are longer than their context take what was planned, and nothing more however long they become") {
  for (const char* name : {"llama", "gemma3", "deepseek2"}) {
    INFO(std::string(name));
    const auto model = nibble::any_model::load(nibble_test::smallest_model(name, 32, 2).bytes(), options_of());
    const std::size_t tokens = std::getenv("NIBBLE_LONG_TESTS") ? 50'000 : 3'000;
    for (const auto& policy : {nibble::context_policy::sinks(4), nibble::context_policy::shift(70)}) {
      const nibble::session_options room{.context = 160, .prefill_chunk = 16, .when_full = policy};
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
      CHECK(session.tokens().size() <= 161);
    }
  }
}

TEST_CASE("a session and all of its forks take what was planned, and so do batches within a budget") {
  for (const char* name : {"llama", "gemma3", "qwen35"}) {
    const auto model = nibble::any_model::load(nibble_test::smallest_model(name, 32, 4).bytes(), options_of());
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
    nibble_test::smallest_model file(name, 32, 4);
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

TEST_CASE("whichever allocation of a fork or of loading a session is refused, the session is as it was, and nothing is lost") {
  for (const char* name : {"gemma3", "falcon-h1"}) {
    const auto model = nibble::any_model::load(nibble_test::smallest_model(name, 32, 4).bytes(), options_of());
    nibble::session first(model, {.context = 200, .prefill_chunk = 8, .forks = 1});
    const std::vector<nibble::token> prompt{1, 2, 3, 4, 5}, longer(70, 7);
    const auto read = [](nibble::generation reply) {
      for (auto event = reply.begin(); event != reply.end();) ++event;
    };
    read(first.generate(longer, {.max_tokens = 0}));
    const auto other = first.save();
    first.truncate(0);
    read(first.generate(prompt, {.max_tokens = 0}));
    const auto saved = first.save();
    const std::size_t before = live_bytes;
    const auto try_all = [&](auto&& attempt) {
      std::size_t refusals = 0;
      for (bool done = false; !done; ++refusals) {
        nibble_test::until_refusal = long(refusals);
        try {
          done = attempt();
        } catch (const std::bad_alloc&) {
        }
        nibble_test::until_refusal = -1;
        const std::size_t now = live_bytes;
        if (!done) CHECK(now == before);
        if (!done) CHECK(first.save() == saved);
      }
      return refusals;
    };
    std::optional<nibble::session> second;
    CHECK(try_all([&] {
            auto made = first.try_fork();
            if (made) second.emplace(*std::move(made));
            return made.has_value();
          }) > 10);
    CHECK(second->save() == saved);
    CHECK(!first.try_fork());
    second.reset();
    CHECK(try_all([&] { return first.try_load(other).has_value(); }) > 1);
    CHECK(first.save() == other);
  }
}

TEST_CASE("a session is saved to a file without a copy of it, and memory that is refused while one is loaded is an error") {
  const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), options_of());
  const nibble_test::temporary_folder folder;
  nibble::session s(model, {.context = 1500, .kv = nibble::tensor_type::f32});
  auto reply = s.try_generate(std::vector<nibble::token>(1450, 7), {.max_tokens = 0}).value();
  for (auto event = reply.begin(); event != reply.end();) ++event;
  s.save(folder / "state");
  const std::size_t size = fs::file_size(folder / "state"), before = live_bytes;
  REQUIRE(size > 1'500'000);
  most_live_bytes = before;
  s.save(folder / "state");
  const std::size_t taken = most_live_bytes - before;
  CHECK(taken < 500'000);
  const auto saved = s.save();
  nibble_test::largest_granted = size;
  const auto done = s.try_load(folder / "state");
  nibble_test::largest_granted = PTRDIFF_MAX;
  REQUIRE(!done);
  CHECK(done.failure().code() == nibble::errc::out_of_memory);
  CHECK(s.save() == saved);
}

TEST_CASE("whichever allocation of a scheduler's steps is refused, each answer is right as far as it goes, and none is lost") {
  const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), options_of());
  const nibble::scheduler_options few{.running = 2, .room = {.context = 100, .prefill_chunk = 16}};
  const auto requests = [] {
    std::vector<nibble::request> all;
    for (const nibble::token first : {5, 5, 9, 30}) {
      all.push_back({.prompt = std::vector<nibble::token>(20, first), .options = {.max_tokens = 8}, .coalesce = true});
    }
    return all;
  };
  std::vector<std::vector<nibble::token>> expected;
  for (const auto& r : requests()) {
    nibble::session alone(model, few.room);
    expected.emplace_back();
    auto reply = alone.try_generate(r.prompt, r.options).value();
    for (const auto& event : reply) expected.back().push_back(event.id);
  }
  std::size_t refused = 0, thrown = 0;
  const std::size_t before = live_bytes;
  for (long granted = 0; granted < 12; ++granted) {
    for (const int from : {0, 2, 6, 9, 12}) {
      nibble::scheduler s(model, few);
      std::vector<nibble::answer> answers;
      std::vector<std::future<std::string>> texts;
      for (auto& r : requests()) {
        answers.push_back(s.submit(std::move(r)));
        texts.push_back(nibble::future_of(answers.back()));
      }
      for (int step = 0;; ++step) {
        if (step >= from && step < from + 3) nibble_test::until_refusal = granted;
        bool more = true;
        try {
          more = s.run_once();
        } catch (const std::bad_alloc&) {
          ++refused;
        }
        nibble_test::until_refusal = -1;
        if (!more) break;
      }
      for (std::size_t i = 0; i < answers.size(); ++i) {
        const auto ids = answers[i].ids();
        if (answers[i].thrown()) ++thrown;
        if (!answers[i].thrown()) CHECK(ids.size() == expected[i].size());
        CHECK(ids.size() <= expected[i].size());
        CHECK(std::equal(ids.begin(), ids.end(), expected[i].begin()));
        CHECK(texts[i].wait_for(std::chrono::seconds(0)) == std::future_status::ready);
      }
    }
  }
  CHECK(refused > 0);
  CHECK(thrown == 0);  // room for answers is taken before they begin
  const std::size_t left = live_bytes - before;
  CHECK(left == 0);
}

TEST_CASE("models of vectors and embedders take what was planned, and embedding takes nothing") {
  for (const char* architecture : {"bert", "modern-bert", "gemma-embedding", "qwen3"}) {
    nibble_test::smallest_model file(architecture);
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

TEST_CASE("room for marks is a session's, unless it is asked for or turned off") {
  const auto model = nibble::any_model::load(nibble_test::golden("models/gemma3.gguf"), options_of());
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

TEST_CASE("models of one architecture known at compile time, of lists, and of bytes take what was planned") {
  const auto path = nibble_test::golden("models/llama.gguf");
  const nibble::session_options room{.context = 100};
  using typed = nibble::model<nibble::arch::llama, nibble::kv_cache<nibble::q8_0>>;
  for (const bool mapped : {false, true}) {
    check_model<typed>(path, options_of(mapped), room);
    const auto watch = [](const nibble::operation_event&) {};
    check_model<nibble::model<nibble::arch::llama, nibble::kv_cache<>, decltype(watch)>>(path, options_of(mapped), room);
    check_model<nibble::basic_any_model<nibble::type_list<nibble::arch::llama>>>(path, options_of(mapped), room);
    const auto bytes = nibble_test::read_all(path);
    const auto file = nibble::gguf_file::parse(bytes);
    const auto plan = nibble::any_model::plan(file, room, options_of(mapped));
    check_takes(plan.of_model(), [&] { return nibble::any_model::load(bytes, options_of(mapped)); });
    check_takes(plan.of_model(), [&] { return nibble::any_model::load(file, options_of(mapped)); });
  }
}

TEST_CASE("recurrent states, experts and models that see ahead take what was planned") {
  using namespace nibble_test;
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

TEST_CASE("a file that is read, by the system or by a reader, takes no more than a twentieth beside what stays") {
  const nibble_test::temporary_folder folder;
  const auto path = [&] {
    constexpr std::size_t hidden = 32768;
    nibble_test::model_parts parts(nibble_test::golden("models/llama.gguf"));
    parts.meta.set("llama.feed_forward_length", nibble::value(std::uint32_t{hidden}));
    for (auto& t : parts.tensors) {
      for (auto& d : t.dims) d = d == 128 ? hidden : d;
      t.data.resize(std::size_t(t.dims[0] * (t.dims.size() > 1 ? t.dims[1] : 1)) * sizeof(float));
    }
    return folder.put("large.gguf", parts.bytes());
  }();
  const auto options = options_of(false, nibble::file_access::read);
  const auto plan = nibble::any_model::plan(nibble::gguf_file::open(path), {}, options);
  REQUIRE(plan.weights > 50'000'000);
  const std::size_t before = live_bytes;
  most_live_bytes = before;
  REQUIRE(nibble::any_model::try_load(path, options));
  CHECK(most_live_bytes - before < plan.weights * 21 / 20 + plan.tokenizer);
  most_live_bytes = live_bytes.load();
  REQUIRE(nibble::any_model::try_load(nibble::byte_source(nibble::readable_file::open(path)), options_of()));
  CHECK(most_live_bytes - before < plan.weights * 21 / 20 + plan.tokenizer);
}

TEST_CASE("a vector that is not read is looked into a little at a time, and no further than its first number that counts") {
  const nibble_test::temporary_folder folder;
  struct row {
    const char* what;
    nibble::tensor_type type;
    std::uint64_t numbers;
    std::size_t bytes;
    char filling;
    bool harmless;
  };
  const row rows[] = {
      {"of no plain format", static_cast<nibble::tensor_type>(19), 1u << 26, (1u << 26) / 256 * 50, 0, false},
      {"above every limit", nibble::tensor_type::f16, (4u << 20) + 1, (8u << 20) + 2, 0, false},
      {"not of zeros", nibble::tensor_type::f32, 4u << 20, 16u << 20, 1, false},
      {"of zeros", nibble::tensor_type::f32, 4u << 20, 16u << 20, 0, true},
  };
  for (const row& r : rows) {
    INFO(r.what);
    nibble_test::model_parts parts(nibble_test::golden("models/llama.gguf"));
    parts.tensors.push_back({"output_norm.bias", r.type, {r.numbers}, std::vector<std::byte>(r.bytes, std::byte(r.filling))});
    const auto path = folder.put("bias.gguf", parts.bytes());
    for (const auto access : {nibble::file_access::mapped, nibble::file_access::read}) {
      const auto file = nibble::gguf_file::open(path, {}, access);
      const std::size_t before = live_bytes;
      most_live_bytes = before;
      const bool planned = bool(nibble::any_model::try_plan(file, {}, options_of(false, access)));
      const std::size_t most = most_live_bytes - before;
      CHECK(planned == r.harmless);
      CHECK(most < 2'000'000);
    }
  }
}

TEST_CASE("a long text of special tokens takes no memory for the places where they stand") {
  const auto file = nibble::gguf_file::open(nibble_test::golden("models/stories260K-q8_0.gguf"));
  const auto tokenizer = nibble::tokenizer::load(file.meta());
  constexpr std::size_t count = 1'000'000;
  std::string text;
  while (text.size() < 3 * count) text += "<s>";
  std::vector<nibble::token> ids;
  ids.reserve(count + 1);
  const std::size_t before = live_bytes;
  most_live_bytes = before;
  tokenizer.encode(text, ids, {.special = true, .bos = false});
  const std::size_t most = most_live_bytes - before;
  CHECK(ids.size() == count);
  CHECK(most < 200'000);
}

TEST_CASE("a cap is one for all that is planned") {
  const auto path = nibble_test::golden("models/stories260K-q8_0.gguf");
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
