#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "nibble/generate/session.hpp"
#include "support/model_parts.hpp"

using nibble::token;

namespace {
nibble::any_model small_model(bool with_marks) {
  nibble_test::model_parts parts(nibble_test::golden("models/stories260K-q8_0.gguf"));
  if (with_marks) {
    const auto texts = *parts.meta.try_get_array<std::string_view>("tokenizer.ggml.tokens");
    std::vector<std::string> pieces(texts.begin(), texts.end());
    auto types = *parts.meta.try_get_array<std::int32_t>("tokenizer.ggml.token_type");
    pieces[500] = "<|fim_prefix|>", pieces[501] = "<|fim_suffix|>", pieces[502] = "<|fim_middle|>";
    types[500] = types[501] = types[502] = 3;
    parts.meta.set("tokenizer.ggml.tokens", nibble::value(pieces));
    parts.meta.set("tokenizer.ggml.token_type", nibble::value(types));
  }
  return nibble::any_model::load(parts.bytes(), {.threads = 1});
}
}  // namespace

TEST_CASE("a session fills a gap, and reads the beginning of the next prompt no second time") {
  const auto model = small_model(true);
  nibble::session session(model, {.context = 128});
  std::string text;
  auto reply = session.infill("Once upon a time", " and they were happy.", {}, {.max_tokens = 5});
  for (const auto& event : reply) text += event.text;
  CHECK(!text.empty());
  const auto prompt = nibble::infill_prompt(model.tokenizer(), "Once upon a time", " and they were happy.");
  REQUIRE(session.position() >= prompt.size());
  CHECK(std::equal(prompt.begin(), prompt.end(), session.tokens().begin()));
  for (const auto& event : session.infill("Once upon a time", " and they were sad.", {}, {.max_tokens = 5})) text += event.text;
  CHECK(session.stats().prompt_tokens < prompt.size() - 4);
}

TEST_CASE("a model that fills no gaps says so") {
  const auto model = small_model(false);
  nibble::session session(model, {.context = 64});
  const auto reply = session.try_infill("a", "b");
  REQUIRE_FALSE(reply);
  CHECK(reply.failure().code() == nibble::errc::missing_key);
  CHECK(session.position() == 0);
}

TEST_CASE("Qwen2.5-Coder fills a gap") {
  const char* folder = std::getenv("NIBBLE_MODELS");
  const auto path = std::filesystem::path(folder ? folder : "") / "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf";
  if (!folder || !std::filesystem::exists(path)) {
    MESSAGE("skipped: needs Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf in the folder that NIBBLE_MODELS names");
    return;
  }
  const auto model = nibble::any_model::load(path, {.threads = 1});
  nibble::session session(model, {.context = 256});
  std::string text;
  auto reply =
      session.infill("def add(a, b):\n    return ", "\n\n\nprint(add(1, 2))\n", {.file = "add.py"}, {.max_tokens = 16});
  for (const auto& event : reply) text += event.text;
  CHECK(text.find("a + b") != text.npos);
}
