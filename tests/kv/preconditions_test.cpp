/// Preconditions of sequences, each broken once.
#include <doctest/doctest.h>

#include <vector>

#include "nibble/kv/sequence.hpp"
#include "support/refused.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS

using nibble_test::refused;

TEST_CASE("sequences report what they cannot be asked") {
  const std::vector<nibble::kv_shape> shapes{{1, 32, 32, 100}};
  const nibble::kv_room room{0, 1000, 64, 2};
  const auto pool = nibble::kv_pool::try_create(shapes, room).value(),
             other = nibble::kv_pool::try_create(shapes, room).value();
  auto s = nibble::sequence::try_create(*pool).value(), t = nibble::sequence::try_create(*pool).value();
  auto stranger = nibble::sequence::try_create(*other).value();
  CHECK(refused([&] { static_cast<void>(s.begin(65)); }));
  CHECK(refused([&] { static_cast<void>(s.assign(stranger)); }));
  CHECK(refused([&] { s.truncate(1); }));
  REQUIRE(s.begin(3));
  CHECK(refused([&] { static_cast<void>(s.begin(1)); }));
  CHECK(refused([&] { s.truncate(0); }));
  CHECK(refused([&] { s.mark(); }));
  CHECK(refused([&] { static_cast<void>(s.assign(t)); }));
  CHECK(refused([&] { static_cast<void>(t.assign(s)); }));
  s.rollback();
  for (int i = 0; i < 10; ++i) s.begin(64), s.commit();
  CHECK(refused([&] { s.truncate(100); }));
}

#endif
