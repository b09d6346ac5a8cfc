#include "nibble/tensor/map.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "nibble/tensor/tensor.hpp"

TEST_CASE("map visits every element once, for every length and wherever the row begins") {
  for (std::size_t n = 0; n < 70; ++n)
    for (std::size_t offset = 0; offset < 3; ++offset) {
      std::vector<float> x(n + offset + 1, 1.0f);
      nibble::map(nibble::tensor_view<float, 1>(x.data() + offset, {n}), [](auto v) { return v + 1.0f; });
      bool right = x.back() == 1.0f;
      for (std::size_t i = 0; i < n + offset; ++i) right = right && x[i] == (i < offset ? 1.0f : 2.0f);
      CHECK(right);
    }
}

TEST_CASE("functions found by argument serve batches and numbers alike") {
  auto x = nibble::tensor<float, 2>::create({3, 21}), y = nibble::tensor<float, 2>::create({3, 21});
  for (std::size_t i = 0; i < x.size(); ++i) x.elements()[i] = 0.1f * float(i) - 3;
  nibble::map(x.view(), y.view(), [](auto v) {
    using std::exp;
    return exp(v) * 0.5f;
  });
  for (std::size_t i = 0; i < x.size(); ++i)
    CHECK(y.elements()[i] == doctest::Approx(0.5 * std::exp(double(x.elements()[i]))).epsilon(1e-6));
}

TEST_CASE("zip honours the strides of every operand, at any rank") {
  auto a = nibble::tensor<int, 3>::create({4, 9, 5});
  for (std::size_t i = 0; i < a.size(); ++i) a.elements()[i] = int(i);
  auto out = nibble::tensor<int, 3>::create({5, 9, 4});
  const auto turned = a.view().transposed();  // innermost stride 45
  nibble::zip(turned, out.view(), out.view(), [](auto p, auto q) { return p * 2 + q; });
  auto wide = nibble::tensor<int, 3>::create({4, 9, 5});
  nibble::zip(a.view().slice(1, 2, 6), a.view().slice(1, 3, 6), wide.view().slice(1, 0, 6),
              [](auto p, auto q) { return q - p; });
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 9; ++j)
      for (std::size_t k = 0; k < 5; ++k) {
        CHECK(out.at(k, j, i) == 2 * a.at(i, j, k));
        CHECK(wide.at(i, j, k) == (j < 6 ? 5 : 0));
      }
}

TEST_CASE("element types without batches, and operands of different types, go one at a time") {
  auto in = nibble::tensor<std::int32_t, 1>::create({19});
  auto out = nibble::tensor<double, 1>::create({19});
  for (std::size_t i = 0; i < 19; ++i) in.at(i) = int(i);
  nibble::map(in.view(), out.view(), [](auto v) { return v * 0.5; });
  CHECK(out.at(18) == 9.0);
  nibble::map<xsimd::default_arch>(out.view(), [](auto v) { return v + v; });
  CHECK(out.at(18) == 18.0);
}

TEST_CASE("empty views are left alone") {
  int calls = 0;
  nibble::map(nibble::tensor_view<float, 2>(nullptr, {0, 4}), [&](auto v) { return ++calls, v; });
  nibble::map(nibble::tensor_view<float, 2>(nullptr, {4, 0}), [&](auto v) { return ++calls, v; });
  CHECK(calls == 0);
}

TEST_CASE("fold finds the greatest wherever it stands") {
  const auto greater = [](auto a, auto b) {
    using std::max;
    using xsimd::max;
    return max(a, b);
  };
  for (std::size_t n = 1; n < 40; ++n)
    for (std::size_t at = 0; at < n; ++at) {
      std::vector<float> x(n, -2.0f);
      x[at] = -1.0f;
      CHECK(nibble::fold(std::span<const float>(x), -std::numeric_limits<float>::infinity(), greater) == -1.0f);
    }
  CHECK(nibble::fold(std::span<const float>(), 3.0f, greater) == 3.0f);
}
