/// Preconditions of attention, each broken once.
#include <doctest/doctest.h>

#include <vector>

#include "nibble/attention/weigh.hpp"
#include "support/layer_room.hpp"
#include "support/refused.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
using namespace nibble;
using nibble_test::refused;

using room = nibble_test::layer_room;

TEST_CASE("positions that a sequence has no room for are reported") {
  room r;
  const attention_spec spec{1, 1, 64, 64};
  const token_run runs[] = {{0, 2, 7, 0}};
  kv_layer layer{};
  layer.positions = 8;
  CHECK(refused([&] {
    store_kv(
        r.c, spec, runs, [&](std::size_t) { return layer; }, r.x, r.x);
  }));
  CHECK(refused([&] {
    attend(
        r.c, spec, runs, [&](std::size_t) { return layer; }, r.x, {}, r.y(2, 64));
  }));
  CHECK(refused([&] {
    attend(
        r.c, spec, runs, [&](std::size_t) { return layer; }, r.y(2, 63), {}, r.y(2, 64));
  }));
  const auto weigh_with = [&](const attention_spec& of, activations q) {
    return refused([&] {
      weigh(
          r.c, of, runs, [&](std::size_t) { return layer; }, [](const token_run&) { return sequence::state(); }, 64, q);
    });
  };
  CHECK(weigh_with(spec, r.x));
  layer.positions = 9;
  CHECK(weigh_with(spec, r.y(2, 63)));
  CHECK(weigh_with({1, 1, 64, 64, attention_mask::window(3)}, r.x));
}

#endif
