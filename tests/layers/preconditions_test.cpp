/// Preconditions of layers, each broken once.
#include <doctest/doctest.h>

#include <span>
#include <vector>

#include "nibble/layers/embedding.hpp"
#include "nibble/layers/experts.hpp"
#include "nibble/layers/feed_forward.hpp"
#include "nibble/layers/gates.hpp"
#include "nibble/layers/linear.hpp"
#include "support/layer_room.hpp"
#include "support/refused.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
using namespace nibble;
using nibble_test::refused;

namespace {
struct room : nibble_test::layer_room {
  weight w = weight::stored(format_of<f32>, reinterpret_cast<const std::byte*>(numbers.data()), 32, 64);
  weight down = weight::stored(format_of<f32>, reinterpret_cast<const std::byte*>(numbers.data()), 32, 32);
};
}  // namespace

TEST_CASE("an id that is no row of the table is reported") {
  room r;
  for (const token id : {token{-1}, token{32}, token{1 << 30}}) {
    CHECK(refused([&] { embed(r.c, r.w, std::vector<token>{3, id}, r.y(2, 64)); }));
  }
  CHECK(!refused([&] { embed(r.c, r.w, std::vector<token>{0, 31}, r.y(2, 64)); }));
}

TEST_CASE("a position that is no row of the table is reported") {
  room r;
  CHECK(refused([&] { embed_positions(r.c, r.w, std::vector<std::uint32_t>{3, 32}, r.y(2, 64)); }));
  CHECK(!refused([&] { embed_positions(r.c, r.w, std::vector<std::uint32_t>{0, 31}, r.y(2, 64)); }));
}

TEST_CASE("a norm of heads with a gain that is neither one head's nor all heads' is reported") {
  room r;
  const std::vector<float> ones(64, 1.0f);
  const auto run = [&](std::size_t gain) {
    return refused([&] { apply_to_heads(r.c, {std::span(ones).first(gain), {}, 1e-5f}, r.y(2, 32), 16); });
  };
  for (const std::size_t gain : {16, 32}) CHECK(!run(gain));
  for (const std::size_t gain : {0, 8, 48}) CHECK(run(gain));
}

TEST_CASE("gates that heads cannot share evenly are reported") {
  room r;
  CHECK(refused([&] { close_gates(r.c, r.y(2, 3), activation::sigmoid, r.x); }));
  CHECK(refused([&] { close_gates(r.c, r.y(2, 0), activation::sigmoid, r.x); }));
  CHECK(!refused([&] { close_gates(r.c, r.y(2, 4), activation::sigmoid, r.x); }));
}

TEST_CASE("operands of plain feed-forwards that do not fit are reported") {
  room r;
  const std::vector<float> zeros(33);
  const auto run = [&](const weight& down, const feed_forward_biases& b, std::size_t rows) {
    return refused([&] {
      plain_feed_forward(
          r.c, r.x, r.w, [](float*, std::size_t) {}, down, b, r.y(2, rows));
    });
  };
  CHECK(!run(r.down, {}, 32));
  CHECK(!run(r.down, {.gate = {}, .up = std::span(zeros).first(32), .down = std::span(zeros).first(32)}, 32));
  CHECK(run(r.w, {}, 32));
  CHECK(run(r.down, {}, 33));
  CHECK(run(r.down, {.gate = std::span(zeros).first(32)}, 32));
  CHECK(run(r.down, {.up = zeros}, 32));
  CHECK(run(r.down, {.down = zeros}, 32));
}

TEST_CASE("operands of products that do not fit are reported") {
  room r;
  CHECK(!refused([&] { linear(r.c, r.x, {{r.w, r.y(2, 32)}}); }));
  CHECK(refused([&] { linear(r.c, r.x, {{r.w, r.y(2, 31)}}); }));
  CHECK(refused([&] { linear(r.c, r.x, {{r.w, r.y(3, 32)}}); }));
  CHECK(refused([&] { linear(r.c, activations{r.numbers.data(), 2, 63}, {{r.w, r.y(2, 32)}}); }));
  CHECK(refused([&] { feed_forward(r.c, r.x, r.w, r.w, activation::silu, r.w, r.y(2, 32)); }));  // down takes 32 columns
}

TEST_CASE("biases of other sizes than their products are reported") {
  room r;
  const std::vector<float> zeros(33);
  const auto bias = [&](std::size_t n) { return std::span(zeros).first(n); };
  const auto square = weight::stored(format_of<f32>, reinterpret_cast<const std::byte*>(r.numbers.data()), 64, 64);
  const auto run = [&](const feed_forward_biases& b) {
    return refused([&] { feed_forward(r.c, r.x, r.w, r.w, activation::silu, r.down, b, r.y(2, 32)); });
  };
  CHECK(!run({}));
  CHECK(!run({.gate = bias(32), .up = bias(32), .down = bias(32)}));
  CHECK(run({.gate = bias(33)}));
  CHECK(run({.up = bias(31)}));
  CHECK(run({.down = bias(33)}));
  for (const std::size_t n : {0, 32}) {  // and what the products themselves want
    CHECK(refused([&] { feed_forward(r.c, r.x, r.w, r.w, activation::silu, r.w, {.gate = bias(n)}, r.y(2, 32)); }));
    CHECK(refused([&] { feed_forward(r.c, r.x, r.w, square, activation::silu, r.down, {.gate = bias(n)}, r.y(2, 32)); }));
  }
}

TEST_CASE("more scratch than there is is reported, by whoever asks for it") {
  room r;
  CHECK(!refused([&] { static_cast<void>(r.c.scratch(128, 64)); }));
  CHECK(refused([&] { static_cast<void>(r.c.scratch(1024, 64)); }));
  r.c.scratch_memory().rewind(0);
  static_cast<void>(r.c.scratch(256, 63));
  const auto tall = weight::stored(format_of<q8_0>, reinterpret_cast<const std::byte*>(r.numbers.data()), 32, 64);
  CHECK(refused([&] { linear(r.c, activations{r.numbers.data(), 64, 64}, {{tall, r.y(64, 32)}}); }));
}

TEST_CASE("more experts a token than there are, and none, are reported") {
  room r;
  for (const std::size_t used : {0, 33}) {
    CHECK(refused([&] { experts(r.c, r.x, r.w, {.used = used}, {r.w, r.w, r.w, {}, {}, {}}, activation::silu, r.y(2, 32)); }));
  }
}

#endif
