/// Counts what a session allocates, by an operator new of the test's own.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/generate_each.hpp"
#include "nibble/generate/scheduler.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/grammar/tools.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "sample/every_sampler.hpp"
#include "support/files.hpp"
#include "support/model_parts.hpp"
#include "support/sanitized.hpp"

#if !NIBBLE_TEST_SANITIZED  // a sanitizer brings an operator new of its own

namespace {
std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> most_bytes{nibble::largest_size};  // of one

// not inlined, for g++ takes the pair of an inlined free() and a new that it does not see through for a mistake
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }
void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  size = (size + alignment) / alignment * alignment;
  void* memory = alignment > alignof(std::max_align_t) ? std::aligned_alloc(alignment, size) : std::malloc(size);
  if (size > most_bytes) release(std::exchange(memory, nullptr));
  if (!memory) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace {
/// No allocation is larger while it is there.
struct memory_limit {
  explicit memory_limit(std::size_t bytes) { most_bytes = bytes; }
  ~memory_limit() { most_bytes = nibble::largest_size; }
};

/// Allocations after the first of 200 tokens.
std::size_t allocations_of(nibble::session& session, nibble::generate_options options) {
  options.max_tokens = 200;
  auto generation = session.generate("Once upon a time", std::move(options));
  auto event = generation.begin();
  const std::size_t before = allocations;
  std::size_t events = 1;
  for (++event; event != generation.end(); ++event) ++events;
  CHECK(events == 200);
  return allocations - before;
}
}  // namespace

TEST_CASE("after the first token nothing is allocated") {
  const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 2});
  nibble::session session(model, {.context = 256});
  const std::size_t before = allocations;
  delete new std::string;
  REQUIRE(allocations == before + 1);  // the count counts

  SUBCASE("greedy") { CHECK(allocations_of(session, {}) == 0); }
  SUBCASE("with several steps, stop strings and log-probabilities") {
    auto sampler = nibble::parse_sampler("logit_bias=2:-100|penalties=repetition:1.1|top_k=40|top_p=0.95|temperature=0.8");
    CHECK(allocations_of(session, {.sampler = sampler, .seed = 5, .stop = {"never said", " a b c d"}, .logprobs = true}) == 0);
  }
  SUBCASE("with a step that looks at all candidates in order") {
    auto all = [](nibble::candidates& c) { c.sort_descending(); };
    CHECK(allocations_of(session, {.sampler = all | nibble::top_k{1}}) == 0);
  }
}

TEST_CASE("replies side by side allocate nothing once each has its first token") {
  const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 2});
  const std::vector<std::string> prompts{"Once upon a time", "", "One day"};
  const auto sinks = nibble::context_policy::sinks(), hitters = nibble::context_policy::heavy_hitters();
  for (const nibble::session_options& room :
       {nibble::session_options{.context = 256}, {.context = 40, .when_full = sinks}, {.context = 192, .when_full = hitters}}) {
    std::size_t events = 0, before = 0, after = 0;
    nibble::generate_each(
        model, prompts, {.max_tokens = 200, .sampler = nibble::temperature{1.5f}, .stop = {"never said"}},
        [&](std::size_t, const nibble::token_event&) { (++events == prompts.size() ? before : after) = allocations; }, room);
    CHECK(events > 300);
    CHECK(after == before);
  }
}

TEST_CASE("a request ends alone for whose answer there is no memory, and says so") {
  const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 2});
  const std::vector<nibble::token> prompt(40, 5);
  const nibble::session_options room{.context = 2000, .prefill_chunk = 32};
  nibble::session session(model, room);
  std::string expected;
  for (const auto& event : session.generate(std::span(prompt), {.max_tokens = 10})) expected += event.text;
  for (const std::size_t most : {6000, 12000}) {  // too little for its tokens, and for its text
    nibble::scheduler s(model, {.running = 4, .room = room});
    auto before = s.submit({.prompt = prompt, .options = {.max_tokens = 10}});
    s.run_once();
    auto large = s.submit({.prompt = prompt, .options = {.max_tokens = 1900}, .coalesce = true});
    auto same = s.submit({.prompt = prompt, .options = {.max_tokens = 1900}, .coalesce = true});
    auto behind = s.submit({.prompt = prompt, .options = {.max_tokens = 10}});
    {
      const memory_limit limit(most);
      s.run_once();
    }
    for (const auto* answer : {&large, &same}) {
      CHECK(answer->reason() == nibble::finish::memory_full);
      CHECK_THROWS_AS(static_cast<void>(answer->wait()), std::bad_alloc);
    }
    while (s.run_once()) continue;
    for (const auto* answer : {&before, &behind}) {
      CHECK(answer->wait() == nibble::finish::max_tokens);
      CHECK(answer->text() == expected);
    }
    CHECK(s.stats().ended[std::size_t(nibble::finish::memory_full)] == 2);
    auto later = s.submit({.prompt = prompt, .options = {.max_tokens = 1900}});
    s.run_once();
    CHECK(s.running() == 1);
  }
}

TEST_CASE("a scheduler allocates nothing in steps in which no request comes or goes") {
  const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 2});
  nibble::scheduler s(model, {.running = 4, .room = {.context = 256, .prefill_chunk = 32}});
  std::vector<nibble::answer> answers;
  for (nibble::token first = 5; first < 8; ++first) {
    answers.push_back(s.submit({.prompt = std::vector<nibble::token>(40, first),
                                .options = {.max_tokens = 200, .sampler = nibble::temperature{1.5f}, .stop = {"never said"}}}));
  }
  while (answers.back().ids().empty()) s.run_once();
  const std::size_t before = allocations;
  for (int i = 0; i < 150; ++i) s.run_once();  // past borders of pages, which the prefix cache keeps
  CHECK(allocations == before);
  CHECK(answers.front().ids().size() > 20);
}

TEST_CASE("event builders beside each other allocate nothing after their first event") {
  const auto tokenizer =
      nibble::tokenizer::load(nibble::gguf_file::open(nibble_test::golden("models/stories260K-q8_0.gguf")).meta());
  nibble::sampling_scratch scratch;
  std::vector<nibble::event_builder> builders;
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    builders.emplace_back(tokenizer, nibble::generate_options{.max_tokens = 300,
                                                              .sampler = nibble::temperature{1.0f},
                                                              .seed = seed,
                                                              .stop = {"never said", std::string(300, 'a')},
                                                              .show_special = true,
                                                              .logprobs = seed == 1});
  }
  std::vector<float> logits(tokenizer.size());
  const std::vector<nibble::token> said(5, 7);
  std::size_t before = 0, bytes = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    for (auto& builder : builders) {
      for (std::size_t id = 0; id < logits.size(); ++id)
        logits[id] = tokenizer.is_end(static_cast<nibble::token>(id)) ? -99 : 0;
      const auto event = builder.next(logits, said, scratch);
      bytes += event ? event->text.size() : 0;
    }
    if (i == 0) before = allocations;
  }
  CHECK(allocations == before);
  CHECK(bytes > 600);
  for (const auto& builder : builders) CHECK(builder.accepted() == 200);
}

namespace {
/// Allocations of a builder between its first event and its end, or its 40th: of tokens drawn from noise.
std::size_t allocations_of(const nibble::tokenizer& tokenizer, nibble::generate_options options) {
  nibble::event_builder builder(tokenizer, std::move(options));
  nibble::sampling_scratch scratch;
  nibble::rng random(3);
  std::vector<float> logits(tokenizer.size());
  std::vector<nibble::token> said;
  said.reserve(100);
  std::size_t before = 0;
  for (std::size_t i = 0; i < 40 && builder.reason() == nibble::finish::none; ++i) {
    for (float& x : logits) x = float(8 * random.uniform());
    const auto event = builder.next(logits, said, scratch);
    if (event) said.push_back(event->id);
    if (i == 0) before = allocations;
  }
  static_cast<void>(builder.end(nibble::finish::cancelled));
  return allocations - before;
}
}  // namespace

TEST_CASE("no step of the library allocates after the first event, in no mode") {
  const auto file = nibble::gguf_file::open(nibble_test::golden("models/stories260K-q8_0.gguf"));
  const auto tokenizer = nibble::tokenizer::load(file.meta());
  const std::string control(tokenizer.piece(*tokenizer.bos()));
  nibble_test::for_every_sampler([&](std::string_view text, const nibble::any_sampler& sampler) {
    CAPTURE(text);
    for (const bool logprobs : {false, true}) {
      for (const bool show : {false, true}) {
        CHECK(allocations_of(tokenizer, {.sampler = sampler,
                                         .stop = {"e", "never said", std::string(5000, ' '), "x" + control},
                                         .stop_tokens = {17, 18},
                                         .show_special = show,
                                         .logprobs = logprobs}) == 0);
      }
    }
  });
}

TEST_CASE("masks of a grammar allocate nothing once its states are found") {
  const auto words = nibble::tokenizer::load(nibble_test::golden("models/stories260K-q8_0.gguf"));
  nibble::grammar_matcher matcher(
      nibble::grammar::from_schema(std::string_view(R"({"type":"array","items":{"type":"object","properties":{
      "a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false}})")),
      std::make_shared<const nibble::token_trie>(words));
  const auto ids = words.encode(R"({"a":"once upon a time","b":12},)", {.bos = false, .eos = false, .continues = true});
  REQUIRE(matcher.accept_text("["));
  bool good = true;
  const auto say = [&] {
    for (const nibble::token id : ids) {
      good = good && nibble::is_allowed(matcher.allowed(), id) && matcher.accept(id);
    }
  };
  for (int i = 0; i < 20; ++i) say();
  const std::size_t before = allocations;
  for (int i = 0; i < 20; ++i) say();
  CHECK(allocations == before);
  CHECK(good);
}

TEST_CASE("masks of a reply that may call tools allocate nothing once the places of its marks are found") {
  const auto words = nibble::tokenizer::load(nibble_test::golden("models/stories260K-q8_0.gguf"));
  const auto tools = nibble::json::parse(R"([{"name": "look", "parameters": {"properties": {"where": {"type": "string"}}}}])");
  nibble::grammar_matcher matcher(nibble::tool_grammar(tools, nibble::answer_syntax::named("hermes"), words),
                                  std::make_shared<const nibble::token_trie>(words));
  const auto ids = words.encode("once < upon <tool a time. ", {.bos = false, .eos = false, .continues = true});
  bool good = true;
  const auto say = [&] {
    for (const nibble::token id : ids) good = good && nibble::is_allowed(matcher.allowed(), id) && matcher.accept(id);
  };
  for (int i = 0; i < 20; ++i) say();
  const std::size_t before = allocations;
  for (int i = 0; i < 20; ++i) say();
  CHECK(allocations == before);
  CHECK(good);
}

TEST_CASE("the token that completes a stop string does not allocate, however long that is and what was held back") {
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  const auto names = *parts.meta.try_get_array<std::string_view>("tokenizer.ggml.tokens");
  std::vector<std::string> pieces(names.begin(), names.end());
  const nibble::token wide = 400, other = 401, letter = 402, end = 403;
  pieces[wide] = std::string(60'000, 'a');
  for (pieces[other].clear(); pieces[other].size() < 60'000;) pieces[other] += "\xC3\xA9";
  pieces[letter] = "a", pieces[end] = "!";
  for (nibble::token id = 0; id < 512; ++id)  // no two alike
    if (id != letter && id != end && (pieces[std::size_t(id)] == "a" || pieces[std::size_t(id)] == "!"))
      pieces[std::size_t(id)] = "other " + std::to_string(id);
  parts.meta.set("tokenizer.ggml.tokens", nibble::value(pieces));
  const auto tokenizer = nibble::tokenizer::load(parts.meta);
  for (const std::size_t held : {1, 100, 59'999, 150'000}) {
    nibble::event_builder builder(tokenizer, {.max_tokens = 1000, .stop = {std::string(held, 'a') + "!", "never said"}});
    std::size_t bytes = builder.accept({letter})->text.size();
    const std::size_t before = allocations;
    for (const nibble::token id : {wide, other, wide, letter, wide, other, other, wide, wide, wide, letter, letter, end})
      bytes += builder.accept({id})->text.size();
    CHECK(allocations == before);
    CHECK(builder.reason() == nibble::finish::stop_string);
    CHECK(bytes == 4 + 9 * 60'000 - held);
  }
}

#endif
