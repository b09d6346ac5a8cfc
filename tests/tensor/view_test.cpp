#undef NIBBLE_CHECKED
#define NIBBLE_CHECKED 1
#include "nibble/tensor/view.hpp"

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

using nibble::tensor_view;

static_assert(std::is_convertible_v<tensor_view<float, 2>, tensor_view<const float, 2>>);
static_assert(!std::is_convertible_v<tensor_view<const float, 2>, tensor_view<float, 2>>);

TEST_CASE("the example of the documentation does what it says") {
  std::array<float, 6> numbers{0, 1, 2, 3, 4, 5};
  tensor_view<float, 2> matrix(numbers.data(), {2, 3});
  matrix.at(1, 2) = 7;
  CHECK(numbers[5] == 7);
  auto column = matrix.slice(1, 0, 1);
  CHECK(column.extents() == nibble::shape<2>{2, 1});
  CHECK(column.at(1, 0) == 3);
  for (float& x : matrix.row(0).elements()) x *= 2;
  CHECK(numbers[2] == 4);
}

TEST_CASE("rows, slices and transposes of rank three see the elements they should") {
  std::vector<int> numbers(2 * 3 * 4);
  std::iota(numbers.begin(), numbers.end(), 0);
  const tensor_view<int, 3> all(numbers.data(), {2, 3, 4});
  const auto part = all.slice(1, 1, 2).slice(2, 1, 2);
  CHECK(part.extents() == nibble::shape<3>{2, 2, 2});
  const auto turned = part.transposed();
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 2; ++j)
      for (std::size_t k = 0; k < 2; ++k) {
        CHECK(part.at(i, j, k) == int(12 * i + 4 * (j + 1) + k + 1));
        CHECK(turned.at(k, j, i) == part.at(i, j, k));
        CHECK(part.row(i).row(j).at(k) == part.at(i, j, k));
      }
}

TEST_CASE("a view knows whether its elements lie side by side") {
  std::array<float, 24> numbers{};
  const tensor_view<float, 3> all(numbers.data(), {2, 3, 4});
  CHECK(all.dense());
  CHECK(all.slice(0, 1, 1).dense());
  CHECK(all.row(1).slice(0, 1, 2).dense());
  CHECK_FALSE(all.slice(2, 0, 3).dense());
  CHECK_FALSE(all.transposed().dense());
  CHECK(all.slice(2, 0, 0).dense());
  CHECK(all.elements().size() == 24);
  CHECK(tensor_view<float, 2>().empty());
  CHECK(tensor_view<float, 1>(std::span<float>(numbers)).extent(0) == 24);
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("under NIBBLE_CHECKED every index out of range is reported") {
  std::array<float, 6> numbers{};
  const tensor_view<float, 2> matrix(numbers.data(), {2, 3});
  CHECK_NOTHROW(static_cast<void>(matrix.at(1, 2)));
  CHECK_THROWS_AS(static_cast<void>(matrix.at(2, 0)), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(matrix.at(0, 3)), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(matrix.at(-1, 0)), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(matrix.row(2)), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(matrix.slice(0, 1, 2)), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(matrix.slice(0, 3, ~std::size_t{0})), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(matrix.slice(2, 0, 0)), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(matrix.slice(1, 0, 2).elements()), nibble::error);
}
#endif
