#include "nibble/generate/generate_each.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/generate/prompt_lookup.hpp"
#include "nibble/sample/temperature.hpp"
#include "nibble/sample/top_k.hpp"
#include "support/model_parts.hpp"

using namespace nibble_test;
using nibble::token_event;

namespace {
const std::vector<std::string> prompts{"Once upon a time", "", "Lily and Tom", "One day, a big dog", "One day, a big dog"};

nibble::generate_options options(std::uint64_t seed) {
  return {.max_tokens = 60,
          .sampler = nibble::temperature{1.0f} | nibble::top_k{40},
          .seed = seed,
          .stop = {"was a", "park"},
          .logprobs = true};
}
/// All replies, as they come.
std::vector<reply> read_each(nibble::generate_options options, nibble::session_options room) {
  std::vector<reply> replies(prompts.size());
  const auto reasons = nibble::generate_each(
      stories(), prompts, options,
      [&](std::size_t i, const token_event& event) {
        replies[i].texts.emplace_back(event.text);
        if (event.id == nibble::no_token) return;
        replies[i].ids.push_back(event.id);
        replies[i].logprobs.push_back(event.logprob);
      },
      room);
  for (std::size_t i = 0; i < reasons.size(); ++i) replies[i].reason = reasons[i];
  return replies;
}
void check_alone(const std::vector<reply>& replies, nibble::generate_options options, nibble::session_options room) {
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    nibble::session session(stories(), room);
    const auto alone = read(session.generate(prompts[i], options));
    CHECK(replies[i].ids == alone.ids);
    CHECK(replies[i].texts == alone.texts);
    CHECK(replies[i].logprobs == alone.logprobs);  // bit for bit
    CHECK(replies[i].reason == alone.reason);
    ++options.seed;
  }
}
}  // namespace

TEST_CASE("each reply is that of a session of its own") {
  const auto replies = read_each(options(7), {.context = 128});
  check_alone(replies, options(7), {.context = 128});
  CHECK(replies[3].ids != replies[4].ids);  // their seeds differ
  const auto greedy = read_each({.max_tokens = 9, .logprobs = true}, {.context = 128});
  check_alone(greedy, {.max_tokens = 9, .logprobs = true}, {.context = 128});
  check_alone(read_each({.max_tokens = 0}, {}), {.max_tokens = 0}, {});
}

TEST_CASE("a context that is full ends a reply and no other") {
  for (const std::size_t context : {1, 5, 6, 7, 20}) {
    CAPTURE(context);
    check_alone(read_each({.max_tokens = 12, .logprobs = true}, {.context = context}), {.max_tokens = 12, .logprobs = true},
                {.context = context});
  }
}

TEST_CASE("a callback ends its reply; a request to stop ends all") {
  std::vector<std::size_t> events(prompts.size());
  auto reasons = nibble::generate_each(stories(), prompts, {.max_tokens = 10},
                                       [&](std::size_t i, const token_event&) { return ++events[i] < 3 || i != 2; });
  CHECK(events == std::vector<std::size_t>{10, 10, 3, 10, 10});
  CHECK(reasons[2] == finish::cancelled);
  CHECK(reasons[1] == finish::max_tokens);

  nibble::stop_source stop;
  std::size_t all = 0;
  reasons = nibble::generate_each(stories(), prompts, {.max_tokens = 10, .cancel = stop.get_token()},
                                  [&](std::size_t, const token_event&) { ++all == 8 ? stop.request_stop() : false, void(); });
  CHECK(reasons == std::vector<finish>(prompts.size(), finish::cancelled));
  CHECK(all == 2 * prompts.size());  // the step that was under way is shown
}

TEST_CASE("no prompts, too many of them, and rooms that cannot be") {
  const auto ignore = [](std::size_t, const token_event&) {};
  CHECK(nibble::generate_each(stories(), {}, {}, ignore).empty());
  const std::vector<std::string> many(nibble::most_sequences + 1);
  CHECK(nibble::try_generate_each(stories(), many, {}, ignore).failure().code() == nibble::errc::invalid_argument);
  CHECK(nibble::try_generate_each(stories(), prompts, {}, ignore, {.kv = nibble::tensor_type::q6_k}).failure().code() ==
        nibble::errc::invalid_argument);
  CHECK(nibble::try_generate_each(stories(), prompts, {}, ignore, {.speculation = nibble::prompt_lookup{}}).failure().code() ==
        nibble::errc::invalid_argument);
  CHECK_THROWS_AS(nibble::generate_each(stories(), prompts, {}, ignore, {.output = nibble::step_output::hidden}),
                  nibble::error);
  CHECK_THROWS_AS(
      nibble::generate_each(stories(), prompts, {}, [](std::size_t, const token_event&) { throw std::runtime_error("no"); }),
      std::runtime_error);
}

TEST_CASE("a reply ends as a session's does, whatever ends it, and whatever else could") {
  // An empty text begins with a token; or is given one by whoever generates; or there is none.
  model_parts parts(golden("models/stories260K-q8_0.gguf"));
  parts.meta.set("tokenizer.ggml.add_bos_token", nibble::value(false));
  const auto unmarked = nibble::any_model::load(parts.bytes(), {.threads = 2});
  const model_parts words(golden("text/bytes.gguf"));
  for (const auto& entry : words.meta) parts.meta.set(std::string(entry.key), entry.value);
  for (const char* name : {"bos_token_id", "eos_token_id"}) parts.meta.erase("tokenizer.ggml." + std::string(name));
  for (auto& t : parts.tensors) {
    if (t.dims.size() != 2 || t.dims[1] != 512) continue;  // a row for each token
    t.data.resize(t.data.size() / 512 * 860), t.dims[1] = 860;
  }
  const auto endless = nibble::any_model::load(parts.bytes(), {.threads = 2});
  REQUIRE(unmarked.tokenizer().encode("").empty());
  REQUIRE(!endless.tokenizer().bos());
  REQUIRE(!endless.tokenizer().eos());
  std::vector<std::size_t> seen(8);
  for (const nibble::any_model* model : {&stories(), &unmarked, &endless})
    for (const std::string prompt : {"", "a", "One day, a big dog"})
      for (const std::size_t context : {1, 2, 3, 5, 40})
        for (const std::size_t most : {0, 1, 2, 5})
          for (const std::size_t shown : {1, 2, 5, 100})  // events, of which the last is refused
            for (const bool cancelled : {false, true}) {
              CAPTURE(prompt);
              CAPTURE(context);
              CAPTURE(most);
              CAPTURE(shown);
              CAPTURE(cancelled);
              nibble::stop_source stop;
              if (cancelled) stop.request_stop();
              const nibble::generate_options options{.max_tokens = most, .cancel = stop.get_token()};
              std::size_t left = shown, events = 0;
              const auto alone =
                  nibble::session(*model, {.context = context}).generate(prompt, options, [&](const token_event&) {
                    return ++events, left-- > 1;
                  });
              std::size_t left_beside = shown, events_beside = 0;
              const auto beside = nibble::generate_each(
                  *model, std::vector{prompt}, options,
                  [&](std::size_t, const token_event&) { return ++events_beside, left_beside-- > 1; }, {.context = context});
              CHECK(beside[0] == alone);
              CHECK(events_beside == events);
              ++seen.at(std::size_t(alone));
            }
  for (const auto reason : {finish::max_tokens, finish::context_full, finish::end_of_text, finish::cancelled})
    CHECK(seen[std::size_t(reason)] > 5);
}
