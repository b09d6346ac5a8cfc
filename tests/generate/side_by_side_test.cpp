/// Three replies from one batch_evaluator and three event_builders: what a scheduler does.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/event_builder.hpp"
#include "nibble/model/batch_evaluator.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"

using namespace nibble_test;

TEST_CASE("replies that are made side by side are those of a session for each") {
  using batch = nibble::batch_evaluator;
  const char* const prompts[] = {"Once upon a time", "Lily and Tom", "One day, a big dog"};
  const nibble::generate_options options[] = {
      {.max_tokens = 60, .stop = {"was a", "park"}, .logprobs = true},
      {.max_tokens = 40, .sampler = nibble::temperature{1.0f} | nibble::top_k{40}, .seed = 9, .stop = {"\n"}},
      {.max_tokens = 7}};
  std::vector<reply> expected;
  for (std::size_t i = 0; i < 3; ++i) {
    nibble::session session(stories(), {.context = 128});
    expected.push_back(read(session.generate(prompts[i], options[i])));
  }
  CHECK(expected[0].reason == finish::stop_string);
  CHECK(expected[2].reason == finish::max_tokens);

  auto evaluator = batch::try_create(stories(), 3, {.context = 128}).value();
  nibble::sampling_scratch scratch;
  std::vector<nibble::event_builder> builders;
  std::vector<tokens> said;
  std::vector<reply> replies(3);
  std::vector<batch::entry> entries;  // the token that each reply goes on with
  const auto take = [&](std::size_t i, std::span<float> logits) {
    const auto event = builders[i].next(logits, said[i], scratch);
    replies[i].reason = builders[i].reason();
    if (!event) return;
    replies[i].texts.emplace_back(event->text);
    if (event->id == nibble::no_token) return;
    replies[i].ids.push_back(event->id);
    replies[i].logprobs.push_back(event->logprob);
    said[i].push_back(event->id);
    if (builders[i].reason() == finish::none) entries.push_back({i, event->id});
  };
  for (std::size_t i = 0; i < 3; ++i) {
    builders.emplace_back(stories().tokenizer(), options[i]);
    said.push_back(stories().tokenizer().encode(prompts[i]));
    REQUIRE(evaluator.feed(i, said[i]) == nibble::feed_outcome::done);
    take(i, evaluator.logits(0));
  }
  while (!entries.empty()) {
    const auto now = std::exchange(entries, {});
    REQUIRE(evaluator.step(now) == nibble::feed_outcome::done);
    for (std::size_t row = 0; row < now.size(); ++row) take(now[row].sequence, evaluator.logits(row));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(replies[i].ids == expected[i].ids);
    CHECK(replies[i].texts == expected[i].texts);
    CHECK(replies[i].reason == expected[i].reason);
  }
  CHECK(replies[0].logprobs == expected[0].logprobs);  // bit for bit
}
