/// Pools of sequences that take one step each: room for a step, in one layer.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "nibble/kv/sequence.hpp"

namespace {
using namespace nibble;

kv_room one_step_of(std::size_t tokens, std::size_t sequences) {
  return {.context = tokens, .prefill_chunk = tokens, .sequences = sequences, .one_step = true};
}
}  // namespace

TEST_CASE("layers of a pool for single steps share one memory, as large as that of the largest") {
  const std::vector<kv_shape> layers{{2, 16, 16}, {1, 64, 32}, {2, 16, 16, 5}, {4, 16, 16}};
  std::size_t most = 0;
  for (const kv_shape& s : layers) most = std::max(most, kv_pool::planned_bytes({&s, 1}, one_step_of(100, 3)).pages);
  CHECK(kv_pool::planned_bytes(layers, one_step_of(100, 3)).pages == most);
  auto pool = kv_pool::create(layers, one_step_of(100, 3));
  CHECK(pool->bytes() == most);
  auto s = sequence::create(*pool);
  REQUIRE(s.begin(70));
  for (std::size_t i = 1; i < layers.size(); ++i) CHECK(s.layer(i).pages == s.layer(0).pages);
}

TEST_CASE(
    "layers do not share where one keeps nothing of its own, for it may read another's, nor where steps follow each other") {
  const std::vector<kv_shape> layers{{2, 16, 16}, {}, {2, 16, 16}};
  const std::size_t one = kv_pool::planned_bytes({layers.data(), 1}, one_step_of(64, 1)).pages;
  CHECK(kv_pool::planned_bytes(layers, one_step_of(64, 1)).pages == 2 * one);
  kv_room follow = one_step_of(64, 1);
  follow.one_step = false;
  const std::vector<kv_shape> same{layers[0], layers[0]};
  CHECK(kv_pool::planned_bytes(same, follow).pages == 2 * kv_pool::planned_bytes({same.data(), 1}, follow).pages);
  auto pool = kv_pool::create(layers, one_step_of(64, 1));
  auto s = sequence::create(*pool);
  REQUIRE(s.begin(1));
  CHECK(s.layer(0).pages != s.layer(2).pages);
}

TEST_CASE("however a step is shared out between sequences, there are pages for it, and after it again") {
  const std::vector<kv_shape> layers{{1, 16, 16}};
  for (const std::size_t tokens : {1u, 63u, 64u, 65u, 200u}) {
    for (const std::size_t sequences : {1u, 2u, 3u, 7u}) {
      auto pool = kv_pool::create(layers, one_step_of(tokens, sequences));
      std::vector<sequence> all;
      for (std::size_t i = 0; i < sequences; ++i) all.push_back(sequence::create(*pool));
      for (std::size_t first = 1; first <= tokens; ++first) {  // tokens of the first, the others have equal parts of the rest
        std::size_t left = tokens;
        bool begun = true;
        for (std::size_t i = 0; i < sequences; ++i) {
          const std::size_t count = i == 0 ? first : std::min(left, (tokens - first) / (sequences - 1) + 1);
          begun = begun && all[i].begin(count);
          left -= count;
        }
        CHECK(begun);
        for (sequence& s : all) s.commit(), s.truncate(0);
      }
    }
  }
}
