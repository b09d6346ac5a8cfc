/// Preconditions of layers, each broken once.
#include <doctest/doctest.h>

#include <vector>

#include "nibble/core/executor.hpp"
#include "nibble/layers/embedding.hpp"
#include "nibble/layers/experts.hpp"
#include "nibble/layers/feed_forward.hpp"
#include "nibble/layers/linear.hpp"
#include "support/refused.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
using namespace nibble;
using nibble_test::refused;

namespace {
struct room {
  inline_executor executor;
  scratch_arena arena = *scratch_arena::try_create(1 << 16);
  compute c{kernels(), executor, arena};
  std::vector<float> numbers = std::vector<float>(64 * 64);
  weight w = weight::stored(format_of<f32>, reinterpret_cast<const std::byte*>(numbers.data()), 32, 64);
  activations x{numbers.data(), 2, 64};
  std::vector<float> out = std::vector<float>(4096);
  activations y(std::size_t tokens, std::size_t width) { return {out.data(), tokens, width}; }
};
}  // namespace

TEST_CASE("an id that is no row of the table is reported") {
  room r;
  for (const token id : {token{-1}, token{32}, token{1 << 30}}) {
    CHECK(refused([&] { embed(r.c, r.w, std::vector<token>{3, id}, r.y(2, 64)); }));
  }
  CHECK(!refused([&] { embed(r.c, r.w, std::vector<token>{0, 31}, r.y(2, 64)); }));
}

TEST_CASE("operands of products that do not fit are reported") {
  room r;
  CHECK(!refused([&] { linear(r.c, r.x, {{r.w, r.y(2, 32)}}); }));
  CHECK(refused([&] { linear(r.c, r.x, {{r.w, r.y(2, 31)}}); }));
  CHECK(refused([&] { linear(r.c, r.x, {{r.w, r.y(3, 32)}}); }));
  CHECK(refused([&] { linear(r.c, activations{r.numbers.data(), 2, 63}, {{r.w, r.y(2, 32)}}); }));
  CHECK(refused([&] { feed_forward(r.c, r.x, r.w, r.w, glu::silu, r.w, r.y(2, 32)); }));  // down takes 32 columns
}

TEST_CASE("more experts a token than there are, and none, are reported") {
  room r;
  for (const std::size_t used : {0, 33}) {
    CHECK(refused([&] { experts(r.c, r.x, {.used = used}, {r.w, r.w, r.w, r.w}, glu::silu, r.y(2, 32)); }));
  }
}

#endif
