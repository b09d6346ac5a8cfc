/// Another reply to a prompt, on a model with windows.
#include <doctest/doctest.h>

#include <vector>

#include "generate/replies.hpp"
#include "nibble/sample/temperature.hpp"
#include "support/model_parts.hpp"

using namespace nibble_test;

namespace {
tokens prompt_of(std::size_t size) {
  tokens prompt(size);
  for (std::size_t i = 0; i < size; ++i) prompt[i] = token(259 + i * 7 % 200);
  return prompt;
}
/// The golden's windows of four positions made as wide as a page and a half.
nibble::any_model wide_windows() {
  model_parts parts(golden("models/gemma3.gguf"));
  parts.meta.set("gemma3.attention.sliding_window", nibble::value(std::uint32_t{96}));
  return nibble::any_model::load(parts.bytes(), {.threads = 2});
}
}  // namespace

TEST_CASE(
    "another reply to a prompt reads one token again, however long the one before was; the bits are those of a fresh one") {
  for (const nibble::any_model& model : {windowed(), wide_windows()}) {
    const tokens prompt = prompt_of(150);
    const auto options = [](std::size_t length, std::uint64_t seed) {
      return nibble::generate_options{
          .max_tokens = length, .sampler = nibble::temperature{1.5f}, .seed = seed, .stop_tokens = {}, .logprobs = true};
    };
    nibble::session session(model, {.context = 400, .prefill_chunk = 16});
    nibble::session fresh(model, {.context = 400, .prefill_chunk = 16, .marks = false});
    const auto expected = read(fresh.generate(prompt, options(12, 99)));
    read(session.generate(prompt, {.max_tokens = 0}));
    for (std::size_t length = 1; length <= 200; length += length < 130 ? 3 : 17) {
      CAPTURE(length);
      read(session.generate("", options(length, length)));
      CHECK(session.stats().prompt_tokens <= 1);
      session.truncate(prompt.size());
    }
    const auto again = read(session.generate("", options(12, 99)));
    CHECK(session.stats().prompt_tokens <= 1);
    CHECK(again.ids == expected.ids);
    CHECK(again.logprobs == expected.logprobs);
  }
}

TEST_CASE("the same conversation again, and a reply that is cut in its middle, read no more than what lies behind the prompt") {
  const std::vector<nibble::chat_message> talk{{"user", std::string(300, 'x')}};
  const auto form = nibble::chat_template::chatml();
  nibble::session session(windowed(), {.context = 1000, .prefill_chunk = 16});
  const auto first = read(session.chat(talk, form, {.max_tokens = 200}));
  const std::size_t prompt = session.position() - first.ids.size();
  for (int i = 0; i < 3; ++i) {
    CHECK(read(session.chat(talk, form, {.max_tokens = 200})).ids == first.ids);
    CHECK(session.stats().prompt_tokens == 1);
  }
  // going on moves no mark
  read(session.generate("", {.max_tokens = 100}));
  session.truncate(prompt + 50);
  const auto rest = read(session.generate("", {.max_tokens = 150}));
  CHECK(session.stats().prompt_tokens == 50);
  CHECK(rest.ids == tokens(first.ids.begin() + 50, first.ids.end()));
}

TEST_CASE("without room for marks the prompt is read again; the room is planned") {
  const auto& model = windowed();
  nibble::session session(model, {.context = 400, .prefill_chunk = 16, .marks = false});
  const tokens prompt = prompt_of(150);
  read(session.generate(prompt, {.max_tokens = 150}));
  session.truncate(prompt.size());
  read(session.generate("", {.max_tokens = 1}));
  CHECK(session.stats().prompt_tokens == prompt.size());
  CHECK(model.plan({.context = 400, .marks = true}).kv > model.plan({.context = 400, .marks = false}).kv);
  CHECK(stories().plan({.marks = true}).kv == stories().plan({.marks = false}).kv);  // no windows, no room
}
