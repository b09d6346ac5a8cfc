/// The search for scales, against all there is to find.
#include "nibble/quant/search.hpp"

#include <doctest/doctest.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace {

using samples = nibble::detail::samples<32>;
constexpr auto as_it_is = [](nibble::detail::line y) { return y; };

/// Values with heavier tails than a gaussian, some of them weighted.
template <class Random>
samples draw(Random&& uniform, float low, float top) {
  samples s;
  s.low = low, s.top = top;
  for (std::size_t i = 0; i < 32; ++i) {
    const float u = uniform() * 2 - 1;
    s.x[i] = u * u * u + 0.2f * u;
    s.w[i] = 0.1f + uniform();
  }
  return s;
}

}  // namespace

TEST_CASE("a scale is found within 1% of the best of 20,000") {
  unsigned state = 7;
  const auto uniform = [&] { return float((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-24f; };
  for (int trial = 0; trial < 20; ++trial) {
    const samples s = draw(uniform, -8, 15);
    float least = std::numeric_limits<float>::infinity();
    for (int k = -10000; k <= 10000; ++k) {
      const nibble::detail::line y = s.regress_scale(s.nearest({0.3f * float(k) / 10000, 0})).y;
      least = std::min(least, s.error(y, s.nearest(y)));
    }
    const auto found = nibble::detail::best_scale(s, as_it_is);
    CHECK(std::sqrt(found.error) <= 1.01f * std::sqrt(least));
    CHECK(found.error == doctest::Approx(s.error(found.y, s.nearest(found.y))));
  }
}

TEST_CASE("a scale and an offset are found within 3% of the best of 40,000, and the offset keeps its bound") {
  unsigned state = 11;
  const auto uniform = [&] { return float((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-24f; };
  for (int trial = 0; trial < 10; ++trial) {
    const samples s = draw(uniform, 0, 15);
    float least = std::numeric_limits<float>::infinity();
    for (int k = 1; k <= 200; ++k)
      for (int m = 0; m < 200; ++m) {
        const auto level = s.nearest({0.25f * float(k) / 200, -1.5f + 2 * float(m) / 200});
        const nibble::detail::line y = s.regress(level, std::numeric_limits<float>::infinity()).y;
        least = std::min(least, s.error(y, s.nearest(y)));
      }
    const auto found = nibble::detail::best_scale_min(s, std::numeric_limits<float>::infinity(), as_it_is);
    CHECK(std::sqrt(found.error) <= 1.03f * std::sqrt(least));
    samples above = s;
    for (float& v : above.x) v += 5;
    CHECK(nibble::detail::best_scale_min(above, 0, as_it_is).y.offset <= 0);
  }
}

TEST_CASE("lines are judged as they will be stored") {
  samples s{};
  s.low = 0, s.top = 15;
  for (std::size_t i = 0; i < 32; ++i) s.x[i] = 0.3f * float(i % 16), s.w[i] = 1;
  const auto eighths = [](nibble::detail::line y) {
    return nibble::detail::line{std::round(y.scale * 8) / 8, std::round(y.offset * 8) / 8};
  };
  const auto found = nibble::detail::best_scale_min(s, 0, eighths);
  CHECK(found.y.scale * 8 == std::round(found.y.scale * 8));
  CHECK(found.error == doctest::Approx(s.error(found.y, s.nearest(found.y))));
}

TEST_CASE("what has no weight, no size or no spread has a line all the same") {
  samples s{};
  s.low = -8, s.top = 15;
  CHECK(nibble::detail::best_scale(s, as_it_is).error == 0);
  CHECK(nibble::detail::best_scale_min(s, 0, as_it_is).error == 0);
  s.x.fill(3);
  CHECK(nibble::detail::best_scale(s, as_it_is).error == 0);
  s.w.fill(1);
  CHECK(nibble::detail::best_scale(s, as_it_is).error < 1e-10f);
  s.low = 0;
  CHECK(nibble::detail::best_scale_min(s, 0, as_it_is).error < 1e-10f);
  CHECK(nibble::detail::best_scale_min(s, std::numeric_limits<float>::infinity(), as_it_is).error == 0);
}
