/// What layers ask of their callers is reported under NIBBLE_CHECKED.
#include "nibble/config.hpp"
#if !NIBBLE_CHECKED  // a namespace of its own, so it needs definitions of its own
#undef NIBBLE_CHECKED
#define NIBBLE_CHECKED 1
#include "nibble/core/aligned-impl.hpp"
#include "nibble/error-impl.hpp"
#endif

#include <doctest/doctest.h>

#include <vector>

#include "nibble/attention/attention.hpp"
#include "nibble/core/executor.hpp"
#include "nibble/layers/embedding.hpp"
#include "nibble/layers/experts.hpp"
#include "nibble/layers/feed_forward.hpp"
#include "nibble/layers/linear.hpp"

#if NIBBLE_EXCEPTIONS
using namespace nibble;

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
template <class F>
bool reported(F&& f) {
  try {
    f();
  } catch (const error& e) {
    return e.code() == errc::precondition;
  }
  return false;
}
}  // namespace

TEST_CASE("an id that is no row of the table is reported") {
  room r;
  for (const token id : {token{-1}, token{32}, token{1 << 30}}) {
    CHECK(reported([&] { embed(r.c, r.w, std::vector<token>{3, id}, r.y(2, 64)); }));
  }
  CHECK(!reported([&] { embed(r.c, r.w, std::vector<token>{0, 31}, r.y(2, 64)); }));
}

TEST_CASE("operands of products that do not fit are reported") {
  room r;
  CHECK(!reported([&] { linear(r.c, r.x, {{r.w, r.y(2, 32)}}); }));
  CHECK(reported([&] { linear(r.c, r.x, {{r.w, r.y(2, 31)}}); }));
  CHECK(reported([&] { linear(r.c, r.x, {{r.w, r.y(3, 32)}}); }));
  CHECK(reported([&] { linear(r.c, activations{r.numbers.data(), 2, 63}, {{r.w, r.y(2, 32)}}); }));
  const auto coded = weight::stored(format_of<q8_0>, reinterpret_cast<const std::byte*>(r.numbers.data()), 32, 48);
  CHECK(reported([&] { linear(r.c, activations{r.numbers.data(), 2, 48}, {{coded, r.y(2, 32)}}); }));
  CHECK(reported([&] { feed_forward(r.c, r.x, r.w, r.w, glu::silu, r.w, r.y(2, 32)); }));  // down takes 32 columns
}

TEST_CASE("more experts a token than there are, and none, are reported") {
  room r;
  for (const std::size_t used : {0, 33}) {
    CHECK(reported([&] { experts(r.c, r.x, {.used = used}, {r.w, r.w, r.w, r.w}, glu::silu, r.y(2, 32)); }));
  }
}

TEST_CASE("positions that a sequence has no room for are reported") {
  room r;
  const attention_spec spec{1, 1, 64, 64};
  const token_run runs[] = {{0, 2, 7, 0}};
  kv_layer layer{};
  layer.positions = 8;
  CHECK(reported([&] {
    store_kv(
        r.c, spec, runs, [&](std::size_t) { return layer; }, r.x, r.x);
  }));
  CHECK(reported([&] {
    attend(
        r.c, spec, runs, [&](std::size_t) { return layer; }, r.x, r.y(2, 64));
  }));
  CHECK(reported([&] {
    attend(
        r.c, spec, runs, [&](std::size_t) { return layer; }, r.y(2, 63), r.y(2, 64));
  }));
}
#endif
