#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "nibble/quant/activation.hpp"

using namespace nibble;

TEST_CASE("the blocks of a step's tokens fill their memory, and those of up to eight tokens stand side by side") {
  constexpr std::size_t blocks = 3;
  for (std::size_t tokens = 1; tokens <= 20; ++tokens) {
    std::vector<int> taken(tokens * blocks, 0);
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto [first, step] = place_of(t, tokens, blocks);
      for (std::size_t b = 0; b < blocks; ++b) ++taken.at(first + b * step);
      if (t % activation_bundle > 0) {
        const auto left = place_of(t - 1, tokens, blocks);
        CHECK(first == left.first + 1);
        CHECK(step == left.step);
      } else {
        CHECK(first == t * blocks);
      }
    }
    CHECK(std::all_of(taken.begin(), taken.end(), [](int n) { return n == 1; }));
  }
}
