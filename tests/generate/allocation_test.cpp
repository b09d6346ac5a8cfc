/// Counts what a session allocates, by an operator new of the test's own.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "nibble/generate/event_builder.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/sample/logit_bias.hpp"
#include "nibble/sample/min_p.hpp"
#include "nibble/sample/penalties.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "nibble/sample/top_p.hpp"
#include "nibble/sample/typical_p.hpp"
#include "support/files.hpp"
#include "support/sanitized.hpp"

#if !NIBBLE_TEST_SANITIZED  // a sanitizer brings an operator new of its own

namespace {
std::atomic<std::size_t> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  size = (size + alignment) / alignment * alignment;
  void* memory = alignment > alignof(std::max_align_t) ? std::aligned_alloc(alignment, size) : std::malloc(size);
  if (!memory) throw std::bad_alloc();
  return memory;
}
// not inlined, for g++ takes the pair of an inlined free() and a new that it does not see through for a mistake
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }
}  // namespace

void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace {
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
  SUBCASE("with every step of the library, stop strings and log-probabilities") {
    const std::size_t end = static_cast<std::size_t>(*model.tokenizer().eos());
    auto sampler = nibble::logit_bias{{{static_cast<nibble::token>(end), -100.0f}}} |
                   nibble::penalties{.repetition = 1.1f, .frequency = 0.1f, .presence = 0.1f} | nibble::top_k{40} |
                   nibble::top_p{0.95f} | nibble::min_p{0.05f} | nibble::typical_p{0.95f} | nibble::temperature{0.8f};
    CHECK(allocations_of(session, {.sampler = sampler, .seed = 5, .stop = {"never said", " a b c d"}, .logprobs = true}) == 0);
  }
  SUBCASE("with a step that looks at all candidates in order") {
    auto all = [](nibble::candidates& c) { c.sort_descending(); };
    CHECK(allocations_of(session, {.sampler = all | nibble::top_k{1}}) == 0);
  }
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

#endif
