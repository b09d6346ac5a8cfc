/// Sessions that share a prefix cache: what one has read, another that begins alike does not read again.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "generate/replies.hpp"
#include "nibble/sample/temperature.hpp"
#include "support/smallest_model.hpp"

using namespace nibble_test;

TEST_CASE("a session begins behind what a fork has read of its text, and says the same as one that is alone") {
  std::vector<nibble::any_model> models{stories(), windowed()};
  for (const char* name : {"qwen35", "mamba2"})
    models.push_back(nibble::any_model::load(smallest_model(name, 32, 4).bytes(), {.threads = 2}));
  for (const auto& model : models) {
    INFO(std::string(model.architecture_name()));
    const nibble::generate_options drawing{.max_tokens = 30, .sampler = nibble::temperature{1.2f}, .seed = 3};
    for (const bool shared : {true, false}) {
      nibble::session first(model, {.context = 400, .forks = 1, .prefix_cache = shared});
      nibble::session second = first.fork();
      for (const std::size_t same : {200, 130, 64, 10}) {
        tokens prompt;
        for (std::size_t i = 0; i < 210; ++i) prompt.push_back(static_cast<token>(3 + (i + (i < same ? 0 : same)) * 13 % 30));
        nibble::session alone(model, {.context = 400});
        const auto expected = read(alone.generate(prompt, drawing));
        second.reset();
        CHECK(read(second.generate(prompt, drawing)).ids == expected.ids);
        CHECK(second.stats().prompt_tokens == 210 - (shared && same < 200 ? same / 64 * 64 : 0));
        first.reset();
        CHECK(read(first.generate(prompt, drawing)).ids == expected.ids);
        CHECK(first.stats().prompt_tokens == (shared ? 210 - 192 : 210));
      }
    }
  }
}
