/// Activation functions: every target computes what the reference does, to the bit, and the reference what mathematics says.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/tables.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity(), no_number = std::numeric_limits<float>::quiet_NaN();

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
/// What each function is, by the C library and in double.
double exactly(activation f, double x) {
  switch (f) {
    case activation::silu:
      return x * sigmoid(x);
    case activation::gelu_tanh:
      return x / 2 * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case activation::gelu:
      return x / 2 * std::erfc(-x / std::sqrt(2.0));
    case activation::silu_clamped:
      return std::min(x, 7.0) * sigmoid(1.702 * std::min(x, 7.0));
    case activation::relu:
      return std::max(x, 0.0);
    case activation::relu_squared:
      return std::max(x, 0.0) * std::max(x, 0.0);
    case activation::sigmoid:
      return sigmoid(x);
    case activation::softplus:
      return std::log1p(std::exp(x));
    case activation::tanh:
      return std::tanh(x);
    case activation::exp:
      return std::exp(x);
  }
  return 0;
}

/// Numbers at which something changes: signs, ends of ranges, the smallest and the largest, none at all.
std::vector<float> awkward() {
  std::vector<float> x{0.0f,    -0.0f,  1e-45f, -1e-45f, 1e-38f,   -1e-38f,   1e-20f,   1.0f,  -1.0f,  7.0f,
                       7.1f,    -7.1f,  10.0f,  10.1f,   13.2f,    -13.2f,    20.0f,    20.1f, -20.1f, 86.4f,
                       -86.4f,  -86.5f, -86.6f, 88.0f,   88.7f,    88.74f,    88.8f,    1e6f,  1e12f,  -1e12f,
                       3.4e38f, -3e38f, 0.25f,  -0.25f,  infinity, -infinity, no_number};
  for (int i = -800; i <= 800; ++i) x.push_back(float(i) * 0.0317f);
  return x;
}
}  // namespace

TEST_CASE("activation functions are what mathematics says, to a few of the last bits") {
  for (activation f : every_activation) {
    INFO("function ", int(f));
    double worst = 0;
    for (int i = -8000; i <= 8000; ++i) {
      const float x = float(i) * 0.00217f;
      const double expected = exactly(f, double(x)), found = double(reference::activated(x, f));
      // where large terms cancel out, the error is that of these
      const bool cancels = x < 0 && f == activation::gelu_tanh;
      worst =
          std::max(worst, std::fabs(found - expected) / std::max(std::fabs(expected), cancels ? std::fabs(double(x)) : 1e-30));
    }
    CHECK(worst < 4e-6);
  }
}

TEST_CASE("every target computes activation functions with the reference's bits, of any number") {
  const auto x = awkward();
  for_each_table([&](const kernel_table& t) {
    for (activation f : every_activation) {
      INFO("function ", int(f));
      auto expected = x, found = x;
      reference::table.activate(expected.data(), x.size(), f);
      t.activate(found.data(), x.size(), f);
      REQUIRE(agree(t, expected, found));
      for (float y : {0.7f, -9.0f, 9.0f, infinity, no_number}) {
        const std::vector<float> other(x.size(), y);
        expected = found = x;
        reference::table.gate(expected.data(), other.data(), x.size(), f);
        t.gate(found.data(), other.data(), x.size(), f);
        REQUIRE(agree(t, expected, found));
      }
    }
  });
}

TEST_CASE("activations and gates touch their numbers alone, at any length and alignment, and each as if it were alone") {
  for_each_table([](const kernel_table& t) {
    for (activation f : every_activation) {
      for (std::size_t n = 0; n <= 67; ++n) {
        const auto a = gaussian(n + 2, unsigned(n), 4), b = gaussian(n + 2, unsigned(n) + 100, 6);
        auto expected = a, found = a;
        for (std::size_t i = 1; i <= n; ++i) t.activate(expected.data() + i, 1, f);
        t.activate(found.data() + 1, n, f);
        REQUIRE(agree(t, expected, found));
        expected = found = a;
        for (std::size_t i = 1; i <= n; ++i) t.gate(expected.data() + i, b.data() + i, 1, f);
        t.gate(found.data() + 1, b.data() + 1, n, f);
        REQUIRE(agree(t, expected, found));
      }
    }
  });
}

TEST_CASE("the clamped gate bounds both of its factors") {
  for_each_table([](const kernel_table& t) {
    std::vector<float> x{3, 9, -9, 3, 3}, y{0.5f, 0.5f, 0.5f, 100, -100};
    t.gate(x.data(), y.data(), x.size(), activation::silu_clamped);
    const auto expected = [](double g, double u) { return doctest::Approx(g * sigmoid(1.702 * g) * (u + 1)); };
    CHECK(x[0] == expected(3, 0.5));
    CHECK(x[1] == expected(7, 0.5));
    CHECK(x[2] == expected(-9, 0.5));
    CHECK(x[3] == expected(3, 7));
    CHECK(x[4] == expected(3, -7));
  });
}

TEST_CASE("xIELU is what its four numbers say, with the same bits on every target") {
  for (const xielu_numbers& k : {xielu_numbers{0.3f, 0.7f, 0.5f, -1e-6f}, {-4, 5, 0.5f, -1e-6f}, {60, -90, -1, 0.25f}}) {
    const double p = std::log1p(std::exp(double(k.alpha_p))), m = double(k.beta) + std::log1p(std::exp(double(k.alpha_n)));
    auto x = gaussian(1000, 7, 3);
    x[3] = 0, x[4] = -1e-9f, x[5] = -100;
    auto expected = x;
    reference::table.xielu(expected.data(), x.size(), k);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = double(x[i]), below = m * (std::expm1(std::min(v, double(k.eps))) - v) + double(k.beta) * v;
      CHECK(double(expected[i]) == doctest::Approx(v > 0 ? v * (p * v + double(k.beta)) : below).epsilon(2e-5));
    }
    for (float v : awkward()) x.push_back(v);
    expected = x;
    reference::table.xielu(expected.data(), x.size(), k);
    for_each_table([&](const kernel_table& t) {
      auto found = x;
      t.xielu(found.data(), x.size(), k);
      const std::size_t count = fuses(t) ? x.size() : 1000;  // what is infinite has no difference
      REQUIRE(agree(t, std::span(expected).first(count), std::span(found).first(count)));
    });
  }
}
