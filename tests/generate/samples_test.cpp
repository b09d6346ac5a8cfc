#include "nibble/generate/samples.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/draft_model.hpp"
#include "nibble/sample/temperature.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;

namespace {
const nibble::any_sampler warm = nibble::temperature{0.9f};
}

TEST_CASE("samples are what sessions alone say with seeds that follow each other, best first") {
  std::vector<nibble::any_model> models{stories(), windowed()};
  for (const char* name : {"lfm2", "qwen35"})
    models.push_back(nibble::any_model::load(nibble_test::smallest_model(name, 32, 4).bytes()));
  for (const auto& model : models) {
    tokens prompt{5, 3, 4, 7, 9, 11};
    if (model.vocabulary() > 100) prompt = model.tokenizer().encode("Once upon a time");
    const nibble::generate_options options{.max_tokens = 25, .sampler = warm, .seed = 40, .stop = {"."}};
    const auto found = nibble::samples(model, prompt, 6, options, {.context = 100});
    REQUIRE(found.size() == 6);
    std::size_t matched = 0;
    for (std::uint64_t seed = 40; seed < 46; ++seed) {
      nibble::session session(model, {.context = 100});
      auto own = options;
      own.seed = seed, own.logprobs = true;
      const auto expected = read(session.generate(prompt, own));
      for (const auto& s : found) {
        if (s.tokens != expected.ids) continue;
        ++matched;
        CHECK(s.text == expected.text());
        CHECK(s.reason == expected.reason);
        double sum = 0;
        for (const float p : expected.logprobs) sum += double(p);
        CHECK(s.logprob == sum);
        break;
      }
    }
    CHECK(matched == 6);
    for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i - 1].mean_logprob() >= found[i].mean_logprob());
  }
}

TEST_CASE("samples end with a full context, too little memory, a request to stop, and at once") {
  const auto& model = stories();
  const tokens prompt(60, 300);
  for (const auto& s : nibble::samples(model, prompt, 3, {.sampler = warm}, {.context = 64})) {
    CHECK((s.reason == finish::context_full || s.reason == finish::end_of_text));
    CHECK(s.tokens.size() <= 4);
  }
  for (const auto& s : nibble::samples(model, tokens(64, 300), 3, {.sampler = warm}, {.context = 64})) {
    CHECK(s.reason == finish::context_full);
    CHECK(s.tokens.empty());
  }
  const std::size_t page = model.plan({.context = 64}).kv;
  std::size_t full = 0;
  for (const auto& s :
       nibble::samples(model, prompt, 3, {.max_tokens = 12, .sampler = warm}, {.context = 128, .kv_bytes = 3 * page}))
    full += s.reason == finish::memory_full;
  CHECK(full > 0);
  nibble::stop_source stop;
  stop.request_stop();
  for (const auto& s : nibble::samples(model, prompt, 2, {.cancel = stop.get_token()})) CHECK(s.reason == finish::cancelled);
  for (const auto& s : nibble::samples(model, prompt, 2, {.max_tokens = 0})) {
    CHECK(s.reason == finish::max_tokens);
    CHECK(s.tokens.empty());
    CHECK(s.mean_logprob() == 0);
  }
  CHECK(nibble::samples(model, tokens(70, 5), 2, {}, {.context = 64})[0].reason == finish::context_full);
}

TEST_CASE("samples go on behind their context where sessions do, with the same tokens, and have no room to guess") {
  const auto& model = stories();
  const tokens prompt = model.tokenizer().encode("Once upon a time");
  const nibble::generate_options options{.max_tokens = 90, .sampler = warm, .seed = 3};
  const nibble::session_options room{.context = 40, .prefill_chunk = 8, .when_full = nibble::context_policy::sinks(4)};
  auto guessing = room;
  guessing.speculation = nibble::draft_model{.model = model};
  const auto found = nibble::samples(model, prompt, 3, options, guessing);
  for (std::uint64_t seed = 3; seed < 6; ++seed) {
    auto own = options;
    own.seed = seed;
    nibble::session alone(model, room);
    const tokens expected = read(alone.generate(prompt, own)).ids;
    CHECK(expected.size() > 60);
    CHECK(std::any_of(found.begin(), found.end(), [&](const auto& s) { return s.tokens == expected; }));
  }
}

TEST_CASE("samples that make no sense are refused") {
  CHECK(std::string(nibble::try_samples(stories(), tokens{}, 2).failure().what()) ==
        "samples: expected a prompt, found no token");
  CHECK(std::string(nibble::try_samples(stories(), tokens{-1}, 2).failure().what()) == "token 0: expected 0 to 511, found -1");
  CHECK(nibble::try_samples(stories(), tokens{1}, 0).failure().code() == nibble::errc::invalid_argument);
}
