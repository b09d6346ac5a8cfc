#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/tables.hpp"
#include "nibble/quant/activation.hpp"

using namespace nibble;
using namespace nibble_test;

TEST_CASE("the first table is the one in use, and it has a name") {
  REQUIRE(kernels_at(0) == &kernels());
  for_each_table([](const kernel_table& t) { CHECK(std::string(t.target).size() > 2); });
}

TEST_CASE("every target quantizes activations as well as the reference, and states sums that are true") {
  for_each_table([](const kernel_table& t) {
    for (std::size_t columns : {32, 64, 576}) {
      auto x = gaussian(columns, 17, 3);
      if (columns > 32) std::fill_n(x.data(), 32, 0.0f);  // a block of zeros stays one
      std::vector<activation_block> expected(columns / 32), found(columns / 32);
      reference::quantize(x.data(), columns, expected.data(), 1);
      t.quantize(x.data(), columns, found.data(), 1);
      const auto error_of = [&](const activation_block& b, std::size_t at) {
        double squares = 0;
        for (std::size_t i = 0; i < 32; ++i) squares += std::pow(double(b.scale) * b.code[i] - x[at * 32 + i], 2);
        return squares;
      };
      if (fuses(t)) REQUIRE(std::memcmp(found.data(), expected.data(), found.size() * sizeof found[0]) == 0);
      for (std::size_t b = 0; b < found.size(); ++b) {
        REQUIRE(error_of(found[b], b) <= error_of(expected[b], b) * 1.0001);
        int sums[2] = {};
        for (std::size_t i = 0; i < 32; ++i) {
          REQUIRE(std::abs(int(found[b].code[i])) <= 127);
          sums[i / 16] += found[b].code[i];
        }
        REQUIRE(found[b].half_sums[0] == sums[0]);
        REQUIRE(found[b].half_sums[1] == sums[1]);
        REQUIRE(found[b].sum == found[b].scale * float(sums[0] + sums[1]));
      }
      std::vector<activation_block> apart(columns / 32 * 3);
      t.quantize(x.data(), columns, apart.data(), 3);
      const activation_block untouched{};
      for (std::size_t b = 0; b < apart.size(); ++b) {
        REQUIRE(std::memcmp(&apart[b], b % 3 == 0 ? &found[b / 3] : &untouched, sizeof(activation_block)) == 0);
      }
    }
  });
}

namespace {
/// A number as a super-block holds it.
double value_of(const activation_super_block& b, std::size_t i) {
  return std::ldexp(double(b.scale) * b.code[i], b.exponent[i / 32] / activation_super_block::one);
}
double error_of(const activation_super_block& b, const float* x) {
  double squares = 0;
  for (std::size_t i = 0; i < 256; ++i) squares += std::pow(value_of(b, i) - x[i], 2);
  return squares;
}
}  // namespace

TEST_CASE("every target quantizes super-blocks as well as the reference, and states sums and exponents that are true") {
  using super = activation_super_block;
  for_each_table([](const kernel_table& t) {
    auto x = gaussian(256 * 3, 19, 3);
    std::fill_n(x.data(), 256, 0.0f);       // a super-block of zeros stays one
    std::fill_n(x.data() + 256, 32, 0.0f);  // and so does a part
    const float unlike[] = {0, 1, 0.3f, 1e-2f, 1e-6f, 40, 40, 5};
    for (std::size_t i = 256; i < 512; ++i) x[i] *= unlike[i / 32 - 8];
    std::vector<super> expected(3), found(3);
    reference::quantize_super(x.data(), x.size(), expected.data(), 1);
    t.quantize_super(x.data(), x.size(), found.data(), 1);
    if (fuses(t)) REQUIRE(std::memcmp(found.data(), expected.data(), found.size() * sizeof found[0]) == 0);
    for (std::size_t b = 0; b < found.size(); ++b) {
      const super& s = found[b];
      REQUIRE(error_of(s, x.data() + b * 256) <= error_of(expected[b], x.data() + b * 256) * 1.0001);
      for (std::size_t g = 0; g < 8; ++g) {
        int sum = 0, largest = 0;
        for (std::size_t i = g * 32; i < g * 32 + 32; ++i) {
          sum += s.code[i];
          largest = std::max(largest, std::abs(int(s.code[i])));
        }
        const int exponent = s.exponent[g] / super::one;
        REQUIRE(exponent * super::one == s.exponent[g]);
        REQUIRE(exponent >= 0);
        REQUIRE(exponent <= super::largest);
        REQUIRE(largest <= 127);
        if (exponent > 0 && b > 0) REQUIRE(largest >= 63);  // no power of two is given away
        REQUIRE(s.half_sums[2 * g] + s.half_sums[2 * g + 1] == sum);
        REQUIRE(s.sums[g] == std::nearbyint(std::ldexp(sum, exponent - super::sum_exponent)));
      }
    }
    CHECK(found[0].scale == 0);
    CHECK(found[1].exponent[5] == super::largest * super::one);
    CHECK(found[1].exponent[4] == 0);
    std::vector<super> apart(9);
    t.quantize_super(x.data(), x.size(), apart.data(), 3);
    const super untouched{};
    for (std::size_t b = 0; b < apart.size(); ++b) {
      REQUIRE(std::memcmp(&apart[b], b % 3 == 0 ? &found[b / 3] : &untouched, sizeof(super)) == 0);
    }
  });
}

TEST_CASE("small activations keep their precision beside large ones of the same super-block") {
  for_each_table([](const kernel_table& t) {
    auto x = gaussian(256, 31);
    x[200] = 100;
    activation_super_block b;
    t.quantize_super(x.data(), x.size(), &b, 1);
    for (std::size_t i = 0; i < 192; ++i) CHECK(std::fabs(value_of(b, i) - x[i]) < 0.04);  // 100 / 127 / 2 without powers
  });
}

TEST_CASE("activations near the smallest floats become zeros or keep their precision") {
  for_each_table([](const kernel_table& t) {
    for (float size : {1e-42f, 1e-36f, 9e-31f, 2e-30f, 1e-29f, 1e-28f, 1e-27f, 1e-20f, 1e30f, 3e38f}) {
      const float unlike[] = {1, 0.3f, 1e-2f, 1e-3f, 1e-4f, 0, 1, 1};
      auto x = gaussian(256, 37);
      for (std::size_t i = 0; i < 256; ++i) x[i] = std::clamp(x[i], -1.0f, 1.0f) * size * unlike[i / 32];
      x[7] = size;
      activation_super_block b, expected;
      t.quantize_super(x.data(), x.size(), &b, 1);
      reference::quantize_super(x.data(), x.size(), &expected, 1);
      if (fuses(t)) CHECK(std::memcmp(&b, &expected, sizeof b) == 0);
      double squares = 0;
      for (float v : x) squares += double(v) * double(v);
      if (size < activation_super_block::least) {
        CHECK(b.scale == 0);
      } else {
        CHECK(error_of(b, x.data()) < squares * 1e-4);
      }
    }
  });
}

TEST_CASE("activations that are not finite spoil no block but their own") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for_each_table([&](const kernel_table& t) {
    const auto x = gaussian(32 * 5, 29);
    std::vector<activation_block> expected(5), found(5);
    t.quantize(x.data(), x.size(), expected.data(), 1);
    auto broken = x;
    std::fill_n(broken.data(), 32, infinity), std::fill_n(broken.data() + 64, 32, -nan);
    broken[4 * 32 + 3] = -infinity, broken[4 * 32 + 20] = nan;
    t.quantize(broken.data(), broken.size(), found.data(), 1);
    for (std::size_t b : {1, 3}) CHECK(std::memcmp(&expected[b], &found[b], sizeof(activation_block)) == 0);
    for (std::size_t b : {0, 2, 4}) CHECK(std::isnan(found[b].scale));  // and nobody takes a product for a number

    const auto y = gaussian(256 * 3, 41);
    for (float bad : {infinity, nan, -infinity}) {
      std::vector<activation_super_block> whole(3), spoilt(3);
      t.quantize_super(y.data(), y.size(), whole.data(), 1);
      auto hurt = y;
      hurt[256 + 70] = bad;
      t.quantize_super(hurt.data(), hurt.size(), spoilt.data(), 1);
      for (std::size_t b : {0, 2}) CHECK(std::memcmp(&whole[b], &spoilt[b], sizeof(activation_super_block)) == 0);
      CHECK(std::isnan(spoilt[1].scale));
    }
  });
}

TEST_CASE("trying several scales takes a tenth off the error of one") {
  const auto x = gaussian(32 * 512, 23);
  std::vector<activation_block> blocks(512);
  kernels().quantize(x.data(), x.size(), blocks.data(), 1);
  double ours = 0, plain = 0;
  for (std::size_t b = 0; b < 512; ++b) {
    float peak = 0;
    for (std::size_t i = 0; i < 32; ++i) peak = std::max(peak, std::fabs(x[b * 32 + i]));
    for (std::size_t i = 0; i < 32; ++i) {
      const double v = x[b * 32 + i], step = double(peak) / 127;
      ours += std::pow(double(blocks[b].scale) * blocks[b].code[i] - v, 2);
      plain += std::pow(std::nearbyint(v / step) * step - v, 2);
    }
  }
  CHECK(std::sqrt(ours / plain) < 0.91);
}

TEST_CASE("every target computes norms, sums and caps like the reference at any length and alignment") {
  for_each_table([](const kernel_table& t) {
    for (std::size_t n = 1; n <= 67; ++n) {
      const auto a = gaussian(n + 1, unsigned(n), 4), b = gaussian(n + 1, unsigned(n) + 100);
      const auto check = [&](auto&& run) {
        auto expected = a, found = a;
        run(reference::table, expected.data() + 1);
        run(t, found.data() + 1);
        REQUIRE(agree(t, expected, found));
        REQUIRE(found[0] == a[0]);
      };
      check([&](const kernel_table& k, float* x) { k.rms_norm(x, b.data() + 1, 1e-5f, n, x); });
      check([&](const kernel_table& k, float* x) { k.add(x, b.data() + 1, n); });
      check([&](const kernel_table& k, float* x) { k.scale(x, 0.37f, n); });
      check([&](const kernel_table& k, float* x) { k.softcap(x, 3.0f, n); });
    }
  });
}

TEST_CASE("every target rotates both kinds of pairs like the reference") {
  for_each_table([](const kernel_table& t) {
    for (std::size_t pairs : {1, 4, 8, 16, 20, 64}) {
      for (rope_pairs order : {rope_pairs::halves, rope_pairs::interleaved}) {
        const auto head = gaussian(2 * pairs + 3, 5);
        std::vector<float> c(pairs), s(pairs);
        for (std::size_t i = 0; i < pairs; ++i) c[i] = std::cos(float(i)), s[i] = std::sin(float(i));
        auto expected = head, found = head;
        reference::rope(expected.data(), c.data(), s.data(), pairs, order);
        t.rope(found.data(), c.data(), s.data(), pairs, order);
        REQUIRE(agree(t, expected, found));
        REQUIRE(std::memcmp(found.data() + 2 * pairs, head.data() + 2 * pairs, 3 * sizeof(float)) ==
                0);  // the rest of a head stays
      }
    }
  });
}

TEST_CASE("sums of numbers and of their squares, and scaled sums, have the reference's bits, and are right") {
  for_each_table([](const kernel_table& t) {
    for (std::size_t n = 0; n <= 67; ++n) {
      const auto all = gaussian(n + 1, 41, 1e15f), more = gaussian(n + 1, 42);
      const float* x = all.data() + 1;  // not aligned
      REQUIRE(t.sum(x, n) == reference::sum(x, n));
      REQUIRE(t.squared_length(x, n) == reference::squared_length(x, n));
      double sum = 0, squares = 0;
      for (std::size_t i = 0; i < n; ++i) sum += double(x[i]), squares += double(x[i]) * double(x[i]);
      REQUIRE(t.sum(x, n) == doctest::Approx(sum).epsilon(1e-12));
      REQUIRE(t.squared_length(x, n) == doctest::Approx(squares).epsilon(1e-12));
      auto expected = more, found = more;
      reference::add_scaled(expected.data() + 1, x, 0.3f, n);
      t.add_scaled(found.data() + 1, x, 0.3f, n);
      REQUIRE(agree(t, expected, found));
    }
  });
}
