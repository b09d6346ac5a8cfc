// Prints the bits of some logits of a model: tests/amalgamated.sh compares what headers and their amalgam compute.
#ifdef SINGLE_HEADER
#define NIBBLE_IMPLEMENTATION
#include "nibble.hpp"
#else
#include <nibble/compile.hpp>
#include <nibble/nibble.hpp>
#endif

#include <bit>
#include <cstdint>
#include <cstdio>
#include <vector>

int main(int, char** argv) {
  auto model = nibble::any_model::load(argv[1]);
  auto evaluator = nibble::evaluator::create(model, {.context = 64});
  const auto print = [](std::size_t token, std::span<const float> row) {
    std::uint64_t hash = 14695981039346656037u;
    for (const float logit : row) hash = (hash ^ std::bit_cast<std::uint32_t>(logit)) * 1099511628211u;
    std::printf("%zu %016llx\n", token, static_cast<unsigned long long>(hash));
  };
  const auto ids = model.tokenizer().encode("It is a truth universally acknowledged, that a single man");
  return evaluator.feed_each(ids, print) == nibble::feed_outcome::done ? 0 : 1;
}
