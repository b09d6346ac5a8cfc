/// Published models of the folder that NIBBLE_MODELS names, filled by examples/fetch.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nibble/core/checksum.hpp"
#include "nibble/model/any_model.hpp"
#include "nibble/model/evaluator.hpp"

using namespace nibble;

TEST_CASE("published models give the same bits of all logits on any threads and in any chunks") {
  for (const std::string name : {"SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf",
                                 "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf", "Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf"}) {
    const char* folder = std::getenv("NIBBLE_MODELS");
    const auto path = std::filesystem::path(folder ? folder : "") / name;
    if (!folder || !std::filesystem::exists(path)) {
      MESSAGE("skipped: needs " << name << " in the folder that NIBBLE_MODELS names");
      continue;
    }
    INFO(name);
    std::string text;
    for (int i = 0; i < 40; ++i) text += "for (int i = " + std::to_string(i) + "; i < n; ++i) sum += x[i];  // and so on\n";
    std::optional<std::uint64_t> expected;
    for (const std::size_t threads : {1, 2, 3}) {
      const auto model = any_model::load(path, {.threads = threads});
      auto ids = model.tokenizer().encode(text);
      ids.resize(130);
      for (const std::size_t chunk : {1, 7, 64, 130}) {
        auto e = evaluator::create(model, {.context = 130, .prefill_chunk = chunk, .output_rows = chunk});
        std::uint64_t sum = 0;
        REQUIRE(e.feed_each(ids, [&](std::size_t, std::span<const float> row) {
          sum = nibble::detail::checksum(std::as_bytes(row), sum);
        }) == feed_outcome::done);
        CHECK(sum == expected.value_or(sum));
        expected = sum;
      }
    }
  }
}
