#include "nibble/tensor/eigen.hpp"

#include <doctest/doctest.h>

#include "nibble/tensor/map.hpp"
#include "nibble/tensor/tensor.hpp"

namespace {
nibble::tensor<float, 2> numbers(std::size_t rows, std::size_t columns) {
  auto made = nibble::tensor<float, 2>::create({rows, columns});
  for (std::size_t i = 0; i < made.size(); ++i) made.elements()[i] = float((i * 37 + 11) % 101) - 50;
  return made;
}
}  // namespace

TEST_CASE("Eigen multiplies tensors in place, strided parts and transposes included") {
  auto a = numbers(5, 8), b = numbers(7, 8);
  auto c = nibble::tensor<float, 2>::create({5, 7});
  const auto left = a.view().slice(1, 2, 5), right = b.view().slice(1, 3, 5);
  nibble::as_eigen(c.view()) = nibble::as_eigen(left) * nibble::as_eigen(right).transpose();
  auto turned = nibble::tensor<float, 2>::create({7, 5});
  nibble::as_eigen(turned.view().transposed()) = nibble::as_eigen(c.view());
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 7; ++j) {
      float sum = 0;
      for (std::size_t k = 0; k < 5; ++k) sum += a.at(i, k + 2) * b.at(j, k + 3);
      CHECK(c.at(i, j) == doctest::Approx(sum));
      CHECK(turned.at(j, i) == c.at(i, j));
    }
}

TEST_CASE("a column of a tensor is an Eigen vector, and a const tensor a const one") {
  const auto a = numbers(4, 6);
  const nibble::tensor_view<const float, 1> column(a.data() + 2, {4}, {6});
  const auto v = nibble::as_eigen(column);
  static_assert(std::is_const_v<std::remove_reference_t<decltype(*v.data())>>);
  REQUIRE(v.size() == 4);
  for (Eigen::Index i = 0; i < 4; ++i) CHECK(v(i) == a.at(std::size_t(i), 2));
}

TEST_CASE("Eigen's matrices are seen as tensors, whatever their storage order") {
  Eigen::MatrixXd columns(3, 4);
  Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> rows(3, 4);
  for (Eigen::Index i = 0; i < 3; ++i)
    for (Eigen::Index j = 0; j < 4; ++j) columns(i, j) = rows(i, j) = double(10 * i + j);
  auto block = columns.block(1, 1, 2, 2);
  const auto seen = nibble::view_of(columns);
  const auto& unchanged = rows;
  static_assert(std::is_same_v<decltype(nibble::view_of(unchanged)), nibble::tensor_view<const double, 2>>);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 4; ++j) {
      CHECK(seen.at(i, j) == double(10 * i + j));
      CHECK(nibble::view_of(unchanged).at(i, j) == seen.at(i, j));
    }
  CHECK(nibble::view_of(block).at(1, 1) == 22);
  Eigen::RowVector3f vector(1, 2, 3);
  CHECK(nibble::view_of(vector).extents() == nibble::shape<1>{3});
  nibble::map(nibble::view_of(block), [](auto x) { return -x; });
  CHECK(columns(2, 2) == -22);
  CHECK(columns(0, 0) == 0);
}

TEST_CASE("map and zip agree with Eigen's elementwise arithmetic") {
  auto a = numbers(9, 33), b = numbers(9, 33), out = nibble::tensor<float, 2>::create({9, 33});
  nibble::map(b.view(), [](auto x) { return x * 0.5f + 3.0f; });
  nibble::zip(a.view(), b.view(), out.view(), [](auto p, auto q) { return p * q - q; });
  const auto p = nibble::as_eigen(a.view()).array();
  const auto q = nibble::as_eigen(b.view()).array();
  CHECK((nibble::as_eigen(out.view()).array() - (p * q - q)).abs().maxCoeff() <= 1e-3f);
}

TEST_CASE("empty tensors are empty matrices") {
  auto none = nibble::tensor<float, 2>::create({0, 3});
  CHECK(nibble::as_eigen(none.view()).size() == 0);
  CHECK(nibble::as_eigen(nibble::tensor_view<float, 1>()).size() == 0);
}
