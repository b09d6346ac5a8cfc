#include "nibble/tensor/tensor.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "support/sanitized.hpp"

static_assert(!std::is_copy_constructible_v<nibble::tensor<float, 2>>);

TEST_CASE("a new tensor is zeroed, aligned and dense") {
  auto made = nibble::tensor<float, 3>::try_create({3, 5, 7});
  REQUIRE(made);
  CHECK(made->size() == 105);
  CHECK(reinterpret_cast<std::uintptr_t>(made->data()) % nibble::cache_line == 0);
  for (const float x : made->elements()) CHECK(x == 0);
  made->at(2, 4, 6) = 1;
  CHECK(made->elements().back() == 1);
  CHECK(made->row(2).at(4, 6) == 1);
  CHECK(std::as_const(*made).at(2, 4, 6) == 1);
}

TEST_CASE("extents whose product overflows, or that memory cannot hold, are an error that names them") {
  const std::size_t huge = ~std::size_t{0};
  const auto overflow = nibble::tensor<float, 2>::try_create({huge, 2});
  REQUIRE_FALSE(overflow);
  CHECK(overflow.failure().code() == nibble::errc::out_of_memory);
  const auto bytes_overflow = nibble::tensor<float, 1>::try_create({huge / 2});
  REQUIRE_FALSE(bytes_overflow);
  CHECK(bytes_overflow.failure().code() == nibble::errc::out_of_memory);
#if !NIBBLE_TEST_SANITIZED
  const auto refused = nibble::tensor<std::uint8_t, 1>::try_create({huge / 4});
  REQUIRE_FALSE(refused);
  CHECK(std::string(refused.failure().what()).find("tensor (4611686018427387903)") == 0);
#endif
}

TEST_CASE("moving leaves an empty tensor, cloning an independent one") {
  auto first = nibble::tensor<int, 2>::create({2, 2});
  first.at(1, 1) = 5;
  auto clone = first.clone();
  auto second = std::move(first);
  CHECK(first.empty());
  CHECK(first.extents() == nibble::shape<2>{0, 0});
  second.at(1, 1) = 6;
  CHECK(clone.at(1, 1) == 5);
  clone = std::move(second);
  CHECK(clone.at(1, 1) == 6);
  CHECK(nibble::tensor<int, 2>::create({0, 4}).clone().extents() == nibble::shape<2>{0, 4});
}

TEST_CASE("a tensor passes as a view") {
  auto matrix = nibble::tensor<float, 2>::create({2, 3});
  const auto last = [](nibble::tensor_view<const float, 2> v) { return v.at(1, 2); };
  matrix.at(1, 2) = 7;
  CHECK(last(matrix) == 7);
}
