/// Sessions beside each other, and models that come and go.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "nibble/generate/session.hpp"
#include "nibble/model/arch/llama.hpp"
#include "nibble/model/model.hpp"
#include "nibble/sample/temperature.hpp"
#include "support/files.hpp"

namespace {
std::string say(nibble::session& session, std::uint64_t seed) {
  std::string text;
  for (const auto& event :
       session.generate("Once upon a time", {.max_tokens = 24, .sampler = nibble::temperature{1.0f}, .seed = seed})) {
    text += event.text;
  }
  return text;
}
}  // namespace

TEST_CASE("eight threads, each with sessions of its own on one model, say what one thread says") {
  for (const std::size_t threads : {1, 2}) {  // of the model's own pool
    const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = threads});
    std::vector<std::string> expected;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      nibble::session session(model, {.context = 64});
      expected.push_back(say(session, seed));
    }
    std::vector<std::string> said(8);
    std::vector<std::thread> speakers;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      speakers.emplace_back([&said, model, seed] {
        for (int again = 0; again < 3; ++again) {
          nibble::session session(model, {.context = 64});
          said[seed] = say(session, seed);
        }
      });
    }
    for (auto& speaker : speakers) speaker.join();
    CHECK(said == expected);
  }
}

TEST_CASE("500 models are loaded, speak, and are gone") {
  const auto bytes = nibble_test::read_all(nibble_test::golden("models/stories260K-q8_0.gguf"));
  const auto path = nibble_test::golden("models/stories260K-q8_0.gguf");
  std::string first;
  for (int i = 0; i < 500; ++i) {
    const nibble::load_options options{.threads = 1 + std::size_t(i % 2)};
    const auto model = i % 3 == 0 ? nibble::any_model::load(path, options) : nibble::any_model::load(bytes, options);
    nibble::session session(model, {.context = 32, .prefill_chunk = 8});
    std::string text;
    for (const auto& event : session.generate("Once", {.max_tokens = 2})) text += event.text;
    if (i == 0) first = text;
    REQUIRE(text == first);
  }
}

TEST_CASE("a session keeps its model alive") {
  auto session = [] {
    const auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 1});
    return nibble::session(model, {.context = 64});
  }();
  CHECK(!say(session, 1).empty());
  CHECK(session.model().architecture_name() == "llama");
}

TEST_CASE("a handle that was moved from still has its model") {
  auto model = nibble::any_model::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 1});
  const auto moved = std::move(model);
  CHECK(model.vocabulary() == moved.vocabulary());  // NOLINT: on purpose
  nibble::session session(model, {.context = 64});
  CHECK(!say(session, 1).empty());
  auto typed = nibble::model<nibble::arch::llama>::load(nibble_test::golden("models/stories260K-q8_0.gguf"), {.threads = 1});
  const auto taken = std::move(typed);
  CHECK(typed.config().layers == taken.config().layers);  // NOLINT: on purpose
}
