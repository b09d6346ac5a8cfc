// A model whose file names a pre-tokenizer that is not known can be loaded by one who knows it.
#include <doctest/doctest.h>

#include <string>

#include "nibble/generate/session.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"
#include "support/smallest_model.hpp"

TEST_CASE("a model loads by the pre-tokenizer that load_options names, and never by a guess") {
  nibble_test::smallest_model small("llama");
  small.meta.set("tokenizer.ggml.pre", nibble::value("a new one"));
  const auto bytes = small.bytes();
  const auto load = [&](const std::string& pre) {
    return nibble::any_model::try_load(nibble::gguf_file::parse(bytes), {.threads = 1, .pre_tokenizer = pre});
  };
  const auto refused = load("");
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code() == nibble::errc::unknown_tokenizer);
  CHECK(std::string(refused.failure().what()).find("'a new one' is not known") != std::string::npos);
  CHECK_FALSE(load("another new one"));
  CHECK(load("gpt-2"));
}

TEST_CASE("a model whose file says that it has no tokenizer takes tokens, and makes no text") {
  for (const char* none : {"none", "no_vocab"}) {
    nibble_test::smallest_model small("llama");
    small.meta.set("tokenizer.ggml.model", nibble::value(none));
    const auto bytes = small.bytes();
    const auto model = nibble::any_model::try_load(nibble::gguf_file::parse(bytes), {.threads = 1});
    if (!model) FAIL(std::string(model.failure().what()));
    CHECK_FALSE(model->has_tokenizer());
    CHECK(nibble::evaluator::try_create(*model));
    const auto refused = nibble::session::try_create(*model);
    REQUIRE_FALSE(refused);
    CHECK(refused.failure().code() == nibble::errc::unknown_tokenizer);
    CHECK(std::string(refused.failure().what()).find("the file has no tokenizer") != std::string::npos);
  }
}
