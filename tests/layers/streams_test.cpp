#include "nibble/layers/streams.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/samples.hpp"
#include "support/layer_room.hpp"

using namespace nibble;

TEST_CASE("a row is given the length of another, and a row of zeros stays") {
  nibble_test::layer_room room;
  std::vector<float> x{3, 4, 0, 0}, like{0, 10, 6, 8};
  scale_to_length_of(room.c, {like.data(), 2, 2}, {x.data(), 2, 2});
  CHECK(x[0] == doctest::Approx(6));
  CHECK(x[1] == doctest::Approx(8));
  CHECK(x[2] == 0);
  CHECK(x[3] == 0);
}

TEST_CASE("numbers stay by how far they are above the mean and some deviations, and equal ones do not") {
  nibble_test::layer_room room;
  auto x = nibble_test::gaussian(301, 7, 2.0f);
  double sum = 0, squares = 0;
  for (const float v : x) sum += double(v);
  const double mean = sum / 301;
  for (const float v : x) squares += (double(v) - mean) * (double(v) - mean);
  const double least = mean + 1.5 * std::sqrt(squares / 300);
  const auto before = x;
  keep_largest(room.c, {x.data(), 1, 301}, 1.5);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(x[i] == doctest::Approx(std::max(0.0, double(before[i]) - least)).epsilon(1e-5).scale(1));
    kept += x[i] > 0;
  }
  CHECK(kept > 5);
  CHECK(kept < 60);
  std::vector<float> equal(64, 0.1f);
  keep_largest(room.c, {equal.data(), 1, 64}, 1);
  for (const float v : equal) CHECK(v <= 1e-6f);
}
