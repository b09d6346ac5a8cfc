#include "nibble/core/fused.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>

using nibble::fused;

namespace {
template <class T>
using bits_of = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// A number of any mantissa, whose exponent is between -range and range.
template <class T>
T number(std::mt19937_64& random, int range) {
  const auto mantissa = T(std::int64_t(random() >> 11) - (std::int64_t{1} << 52)) / T(std::int64_t{1} << 52);
  return std::ldexp(mantissa, int(random() % unsigned(2 * range + 1)) - range);
}
}  // namespace

TEST_CASE("a fused product and sum is rounded once, where the C library rounds it twice, too") {
  // the product is 1 + 2^-29 + 2^-60: in two roundings the last part is lost
  CHECK(fused(1 + 0x1p-30, 1 + 0x1p-30, -1.0) == 0x1p-29 + 0x1p-60);
  CHECK(fused(1 + 0x1p-13f, 1 + 0x1p-13f, -1.0f) == 0x1p-12f + 0x1p-26f);
  // half way between two floats, but for what is far below
  CHECK(fused(1 + 0x1p-23f, 1 + 0x1p-23f, 0x1p-80f) == 1 + 0x1p-22f);
  CHECK(fused(1 + 0x1p-12f, 1 + 0x1p-12f, 0x1p-100f) == 1 + 0x1p-11f + 0x1p-23f);
  CHECK(fused(1 + 0x1p-12f, 1 + 0x1p-12f, -0x1p-100f) == 1 + 0x1p-11f);
}

#if !defined(__FMA__) && !defined(__ARM_FEATURE_FMA) && !defined(__MINGW32__)  // or compilers fuse parts of it
TEST_CASE("what stands in for the instruction has its bits") {
  std::mt19937_64 random(5);
  for (int range : {0, 3, 30, 60}) {
    for (int i = 0; i < 20000; ++i) {
      const double a = number<double>(random, range), b = number<double>(random, range), c = number<double>(random, range);
      REQUIRE(std::bit_cast<std::uint64_t>(nibble::detail::emulated_fused(a, b, c)) ==
              std::bit_cast<std::uint64_t>(std::fma(a, b, c)));
      const double near = -a * b;  // what is left is the product's error
      REQUIRE(nibble::detail::emulated_fused(a, b, near) == std::fma(a, b, near));
      const float x = float(a), y = float(b), z = float(c);
      REQUIRE(std::bit_cast<std::uint32_t>(nibble::detail::emulated_fused(x, y, z)) ==
              std::bit_cast<std::uint32_t>(std::fma(x, y, z)));
      REQUIRE(nibble::detail::emulated_fused(x, y, -x * y) == std::fma(x, y, -x * y));
    }
  }
  for (const float x : {0x1p-140f, -0x1.8p-130f, 3e38f, -3e38f}) {
    for (const float y : {0x1.234568p-3f, 0.0f, -0.0f, 1e30f, std::numeric_limits<float>::infinity()}) {
      for (const float z : {0x1p-149f, -0.0f, 3e38f, -std::numeric_limits<float>::infinity()}) {
        const float expected = std::fma(x, y, z), found = nibble::detail::emulated_fused(x, y, z);
        CHECK((std::bit_cast<std::uint32_t>(found) == std::bit_cast<std::uint32_t>(expected) ||
               (std::isnan(found) && std::isnan(expected))));
        const double wide = std::fma(double(x), double(y), double(z)),
                     wide_found = nibble::detail::emulated_fused(double(x), double(y), double(z));
        CHECK((wide == wide_found || (std::isnan(wide) && std::isnan(wide_found))));
      }
    }
  }
}
#endif
