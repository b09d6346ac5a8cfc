/// Decoders whose files say that tokens see what is behind them: they make vectors, as encoders do.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "model/small_embedder.hpp"
#include "nibble/generate/session.hpp"
#include "nibble/model/embedder.hpp"

namespace {
using namespace nibble;
using namespace nibble_test;

std::vector<token> letters(std::size_t n) {
  auto ids = some_tokens(n);
  for (token& id : ids) id %= 40;
  return ids;
}
floats rows_of(small_embedder file, std::size_t tokens = 12) {
  const auto model = file.load({.threads = 1});
  return embedder::create(model, {.pooling = pooling::none}).embed(letters(tokens));
}
small_embedder seeing_ahead(std::string_view name) { return small_embedder(name).set("attention.causal", false); }
}  // namespace

TEST_CASE("a decoder that is not causal is the encoder that it has become") {
  CHECK(rows_of(seeing_ahead("llama")) == rows_of(small_embedder("llama-embed")));
  for (const int window : {0, 5}) {
    CHECK(rows_of(seeing_ahead("gemma3").set("attention.sliding_window", window)) ==
          rows_of(small_embedder("gemma-embedding").set("attention.sliding_window", window)));
  }
  CHECK(rows_of(small_embedder("qwen3").set("attention.causal", true)) == rows_of(small_embedder("qwen3")));
}

TEST_CASE("its tokens see what is behind them, and it is no use to a session") {
  for (const char* name : {"qwen2", "qwen3", "qwen3moe", "deepseek2", "mistral3", "gemma"}) {
    INFO(std::string(name));
    const auto ahead = rows_of(seeing_ahead(name)), back = rows_of(small_embedder(name));
    const floats of_first(ahead.begin(), ahead.begin() + 32);
    CHECK(of_first != floats(back.begin(), back.begin() + 32));
    const auto shorter = rows_of(seeing_ahead(name), 11);
    CHECK(of_first != floats(shorter.begin(), shorter.begin() + 32));
    const auto model = seeing_ahead(name).load();
    CHECK(model.makes_vectors());
    CHECK(!session::try_create(model));
  }
}

TEST_CASE("what its output would be made of is passed over") {
  auto file = seeing_ahead("qwen3");
  const auto tied = rows_of(file);
  CHECK(rows_of(file.add("output.weight", {32, 40})) == tied);
}

TEST_CASE("layers that look back alone are refused where a file says that tokens see what is behind them") {
  for (const std::string name : {"gemma2", "cohere2", "gpt-oss"}) {
    CHECK(seeing_ahead(name).set("attention.sliding_window", 5).refusal() ==
          "key '" + name +
              ".attention.causal': expected true, for layers see a window, and it is not known how far they look "
              "ahead, found false");
  }
  for (const char* name : {"lfm2", "mamba2", "qwen35", "falcon-h1"}) {
    CHECK_SAYS(seeing_ahead(name).refusal(),
               "expected a mixer that sees what is behind a token, for attention.causal is false");
  }
}
