#include "nibble/generate/score.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/model/evaluator.hpp"
#include "nibble/sample/softmax.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;

namespace {
/// Every token behind its beginning, one evaluator for each.
std::vector<double> slowly(const nibble::any_model& model, const tokens& ids) {
  std::vector<double> out;
  for (std::size_t i = 1; i < ids.size(); ++i) {
    auto e = nibble::evaluator::create(model, {.context = ids.size()});
    REQUIRE(e.feed(std::span(ids).first(i)) == nibble::feed_outcome::done);
    double sum = 0;
    for (const float x : e.logits()) sum += std::exp(double(x));
    out.push_back(double(e.logits()[std::size_t(ids[i])]) - std::log(sum));
  }
  return out;
}
}  // namespace

TEST_CASE("the score of a text is the log probability of each token behind those before it") {
  for (const auto* model : {&stories(), &windowed()}) {
    tokens ids = model->tokenizer().encode("Once upon a time there was a little girl. She had a dog.");
    for (token i = 0; i < 60; ++i) ids.push_back(300 + i * 7 % 90);  // more than the rows of a step
    const auto expected = slowly(*model, ids);
    for (const std::size_t chunk : {1, 16, 128}) {
      const auto s = nibble::score(*model, ids, {.prefill_chunk = chunk});
      CHECK(s.tokens == ids);
      REQUIRE(s.logprobs.size() == ids.size());
      CHECK(std::isnan(s.logprobs[0]));
      double total = 0;
      for (std::size_t i = 1; i < ids.size(); ++i) {
        CHECK(double(s.logprobs[i]) == doctest::Approx(expected[i - 1]).epsilon(1e-4));
        total += double(s.logprobs[i]);
      }
      CHECK(s.total() == total);
      CHECK(s.perplexity() == doctest::Approx(std::exp(-total / double(ids.size() - 1))));
    }
  }
}

TEST_CASE("a text is scored as a session begins it; an empty one and one of a token have no score") {
  const std::string text = "Once upon a time";
  const auto s = nibble::score(stories(), text);
  CHECK(s.tokens == stories().tokenizer().encode(text));
  CHECK(nibble::score(stories(), tokens{}).logprobs.empty());
  CHECK(nibble::score(stories(), tokens{}).total() == 0);
  CHECK(std::isnan(nibble::score(stories(), tokens{5}).perplexity()));
  CHECK(nibble::score(stories(), "Once upon a time").total() > nibble::score(stories(), "Once upon a the").total());
}

TEST_CASE("what cannot be scored is told: other tokens, more than the context, models of vectors") {
  const auto bad = nibble::try_score(stories(), tokens{1, 512});
  REQUIRE(!bad);
  CHECK(std::string(bad.failure().what()) == "token 1: expected 0 to 511, found 512");
  const auto longer = nibble::try_score(stories(), tokens(9, 7), {.context = 8});
  REQUIRE(!longer);
  CHECK(std::string(longer.failure().what()) == "session_options::context: expected room for 9 tokens, found 8");
  const tokens text(300, 7);
  const std::size_t little = stories().plan({.context = 64}).kv;
  const auto full = nibble::try_score(stories(), text, {.prefill_chunk = 32, .kv_bytes = little});
  REQUIRE(!full);
  CHECK(full.failure().code() == nibble::errc::out_of_memory);
  CHECK(std::string(full.failure().what()) ==
        "session_options::kv_bytes: expected room for the keys and values of 299 tokens, found " + std::to_string(little) +
            " bytes");
  const auto states = nibble::any_model::load(nibble_test::smallest_model("mamba2").bytes());
  CHECK(nibble::try_score(states, tokens{1, 2}, {.when_full = nibble::context_policy::sinks()}));  // scores stop
  const auto vectors = nibble::any_model::load(nibble_test::smallest_model("bert").bytes());
  CHECK(!nibble::try_score(vectors, tokens{1, 2}));
}

TEST_CASE("events have the most likely tokens in the place of theirs, best first, whatever the sampler does with them") {
  auto session = nibble::session(stories(), {.context = 100});
  const tokens prompt = stories().tokenizer().encode("Once upon a time there was");
  const tokens said{300, 301, 302, 303, 304};
  auto reply =
      session.generate(prompt, {.max_tokens = said.size(), .sampler = script{said}, .logprobs = true, .alternatives = 6});
  tokens text = prompt;
  std::size_t at = 0;
  for (const auto& event : reply) {
    REQUIRE(event.alternatives.size() == 6);
    auto e = nibble::evaluator::create(stories(), {.context = 100});
    REQUIRE(e.feed(text) == nibble::feed_outcome::done);
    for (std::size_t i = 0; i < 6; ++i) {
      const auto& a = event.alternatives[i];
      CHECK(a.logprob == doctest::Approx(nibble::log_probability(e.logits(), a.id)).epsilon(1e-6));
      if (i > 0) CHECK(event.alternatives[i - 1].logprob >= a.logprob);
      std::size_t before = 0;
      for (const float x : e.logits()) before += x > e.logits()[std::size_t(a.id)];
      CHECK(before == i);
    }
    CHECK(event.logprob == nibble::log_probability(e.logits(), event.id));
    text.push_back(said[at++]);
  }
  CHECK(at == said.size());
  for (const auto& event : session.generate("", {.max_tokens = 2})) CHECK(event.alternatives.empty());
  for (const auto& event : session.generate("", {.max_tokens = 2, .alternatives = 1000})) {
    CHECK(event.alternatives.size() == 512);  // all that there are
    CHECK(std::isnan(event.logprob));
  }
}
