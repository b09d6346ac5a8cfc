/// Preconditions of sequences, each broken once.
#include <doctest/doctest.h>

#include <vector>

#include "nibble/kv/saved_sequence.hpp"
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
  CHECK(refused([&] { s.assign(stranger); }));
  CHECK(refused([&] { s.truncate(1); }));
  REQUIRE(s.begin(3));
  CHECK(refused([&] { static_cast<void>(s.begin(1)); }));
  CHECK(refused([&] { s.truncate(0); }));
  CHECK(refused([&] { s.mark(); }));
  CHECK(refused([&] { s.assign(t); }));
  CHECK(refused([&] { t.assign(s); }));
  CHECK(refused([&] { static_cast<void>(s.try_fork()); }));
  std::vector<std::byte> none;
  nibble::vector_sink sink(none);
  CHECK(refused([&] { static_cast<void>(nibble::saved_sequence::try_save(s, sink)); }));
  s.rollback();
  std::vector<std::byte> saved(nibble::saved_sequence::bytes(s, 0) + 1);
  CHECK(refused([&] { nibble::saved_sequence::save(s, saved); }));
  CHECK(refused([&] { static_cast<void>(nibble::saved_sequence::try_load(s, 0, saved)); }));
  CHECK(refused([&] { static_cast<void>(nibble::saved_sequence::try_load(s, 1001, saved)); }));
  for (int i = 0; i < 10; ++i) s.begin(64), s.commit();
  CHECK(refused([&] { s.truncate(100); }));
  const std::vector<nibble::token> text(639, 1);
  CHECK(refused([&] { s.recall(text); }));
  CHECK(refused([&] { s.remember(text); }));
}

TEST_CASE("fewer sums than a page has positions are reported") {
  const std::vector<float> few(63);
  CHECK(refused([&] { static_cast<void>(nibble::lightest(few)); }));
}

TEST_CASE("numbers that have owners report that none is free") {
  nibble::detail::shared_numbers one(1);
  CHECK(one.take() == 0);
  CHECK(refused([&] { one.take(); }));
}

#endif
