/// Encoders: no worse than published ones, and a defined outcome for every input.
#include "nibble/quant/encode.hpp"

#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include "nibble/quant/registry.hpp"
#include "support/files.hpp"
#include "support/quant_goldens.hpp"

namespace {

using nibble_test::for_each_integer_format;
using nibble_test::for_each_rounding_format;

constexpr std::size_t rows = 6, cols = 1024;
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Whether scales have few bits, or are powers of two: values are as near as others only after being multiplied by one.
template <class Q>
constexpr bool coarse_scales = std::is_same_v<Q, nibble::mxfp4> || std::is_same_v<Q, nibble::nvfp4>;

/// A row of Q, encoded and decoded again.
template <class Q>
std::vector<float> round_trip(const std::vector<float>& row, const float* importance = nullptr) {
  const float mean_square = std::inner_product(row.begin(), row.end(), row.begin(), 0.0f) / float(row.size());
  std::vector<float> out(row.size());
  for (std::size_t at = 0; at < row.size(); at += Q::block_size) {
    typename Q::block block;
    Q::encode(std::span<const float, Q::block_size>(&row[at], Q::block_size),
              {importance ? importance + at : nullptr, importance ? mean_square : 0}, block);
    Q::decode(block, std::span<float, Q::block_size>(&out[at], Q::block_size));
  }
  return out;
}

double squared_error(const float* x, const float* y, const float* importance = nullptr) {
  double total = 0;
  for (std::size_t i = 0; i < cols; ++i) {
    total += (importance ? importance[i] : 1) * (double(x[i]) - double(y[i])) * (double(x[i]) - double(y[i]));
  }
  return total;
}

}  // namespace

TEST_CASE("no row comes out worse than from the published encoder, with importance or without") {
  const auto input = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  const auto importance = nibble_test::read_all<float>(nibble_test::golden("quant/imatrix_1024.f32"));
  REQUIRE(input.size() == rows * cols);
  REQUIRE(importance.size() == cols);
  for_each_rounding_format([&]<class Q>(std::type_identity<Q>) {
    for (const bool weighted : {false, true}) {
      CAPTURE(weighted);
      auto published = nibble_test::published_floats<Q>(weighted ? "imatrix" : "plain");
      if (published.empty() && weighted) published = nibble_test::published_floats<Q>("plain");
      if (published.empty()) continue;  // published encoders want importance there
      REQUIRE(published.size() == input.size());
      for (std::size_t r = 0; r < rows; ++r) {
        CAPTURE(r);
        const std::vector<float> row(&input[r * cols], &input[r * cols] + cols);
        const auto mine = round_trip<Q>(row, weighted ? importance.data() : nullptr);
        const auto no_worse = [&](const float* by) {
          return squared_error(row.data(), mine.data(), by) <= squared_error(row.data(), &published[r * cols], by);
        };
        CAPTURE(squared_error(row.data(), mine.data(), importance.data()) /
                squared_error(row.data(), &published[r * cols], importance.data()));
        CHECK((no_worse(nullptr) || (weighted && no_worse(importance.data()))));
      }
    }
  });
}

TEST_CASE("importance moves the error away from the columns that matter") {
  const auto input = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  const std::vector<float> row(input.begin(), input.begin() + cols);
  std::vector<float> importance(cols, 0.01f);
  for (std::size_t i = 0; i < cols; i += 4) importance[i] = 1;
  const auto error_where_it_matters = [&](const std::vector<float>& decoded) {
    double total = 0;
    for (std::size_t i = 0; i < cols; i += 4) total += double(row[i] - decoded[i]) * double(row[i] - decoded[i]);
    return total;
  };
  for_each_rounding_format([&]<class Q>(std::type_identity<Q>) {
    const double with = error_where_it_matters(round_trip<Q>(row, importance.data()));
    const double without = error_where_it_matters(round_trip<Q>(row));
    CHECK((coarse_scales<Q> ? with <= without : with < without));
  });
}

TEST_CASE("importance that is infinite, NaN or zero throughout is none") {
  const auto input = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  const std::vector<float> row(input.begin(), input.begin() + 256);
  for_each_rounding_format([&]<class Q>(std::type_identity<Q>) {
    const auto plain = round_trip<Q>(row);
    for (const float bad : {0.0f, -1.0f, infinity, not_a_number})
      CHECK(round_trip<Q>(row, std::vector<float>(256, bad).data()) == plain);
  });
}

TEST_CASE("a block of equal values survives the round trip") {
  for_each_rounding_format([]<class Q>(std::type_identity<Q>) {
    for (const float value : {0.0f, 0.75f, -0.75f, 1.0f, -3.0f, 0.1f, -0.1f, 1000.0f}) {
      CAPTURE(value);
      const auto out = round_trip<Q>(std::vector<float>(256, value));
      for (const float v : out)
        CHECK(std::abs(v - value) <= std::abs(value) * (coarse_scales<Q> ? 0.2f : 0x1p-11f));  // a scale is rounded to half
    }
  });
}

TEST_CASE("values too small for any scale become zero or stay near it") {
  for_each_rounding_format([]<class Q>(std::type_identity<Q>) {
    for (const float size : {1e-45f, 1e-38f, 1e-20f, 1e-8f}) {
      std::vector<float> row(256);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = size * (float(i % 7) - 3);
      for (const float v : round_trip<Q>(row)) CHECK(std::abs(v) <= 6e-8f);
    }
  });
}

namespace {
/// The largest value of a format, with the largest scale that a file can hold.
template <class Q>
float reach_of() {
  constexpr float half = 65504;
  using scales = typename Q::scales;
  if constexpr (coarse_scales<Q>) {
    return nibble::detail::furthest_value;
  } else {
    float level = 0, multiple = 1;
    for (unsigned code = 0; code < 1u << Q::code_bits; ++code) {
      level = std::max(level, std::abs(float(nibble::level_of<Q>(static_cast<std::uint8_t>(code)))));
    }
    if constexpr (scales::super_block) multiple = std::max(float(scales::most_scale), -float(scales::least_scale));
    return half * multiple * (scales::has_offset && !scales::super_block ? level + 1 : level);
  }
}
double error_of(const std::vector<float>& x, const std::vector<float>& y) {
  double total = 0;
  for (std::size_t i = 0; i < x.size(); ++i) total += (double(x[i]) - double(y[i])) * (double(x[i]) - double(y[i]));
  return std::sqrt(total);
}
}  // namespace

TEST_CASE("values beyond the largest half lose no more than others, as far as the largest scale reaches, of either sign") {
  const auto input = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  for_each_integer_format([&]<class Q>(std::type_identity<Q>) {
    if constexpr (requires { Q::largest_value; }) return;  // no further than a scale, or less
    for (const int side : {0, 1, -1}) {                    // both, or one: an offset reaches no further than its own scale
      std::vector<float> row(input.begin(), input.begin() + 256);
      float peak = 0;
      for (float& v : row) v = side == 0 ? v : float(side) * std::abs(v), peak = std::max(peak, std::abs(v));
      const double plain = error_of(row, round_trip<Q>(row)), mirrored = [&] {
        for (float& v : row) v = -v;
        return error_of(row, round_trip<Q>(row));
      }();
      for (float& v : row) v = -v;
      for (const float size : {6e4f, 2e5f, reach_of<Q>() / 2}) {
        CAPTURE(size);
        if (size > reach_of<Q>() / 2 || (Q::scales::has_offset && side == 0 && size > 6e4f)) continue;
        auto large = row;
        for (float& v : large) v *= size / peak;
        const auto out = round_trip<Q>(large);
        for (const float v : out) REQUIRE(std::isfinite(v));
        CHECK(error_of(large, out) <= (coarse_scales<Q> ? 1.5 : 1.05) * std::max(plain, mirrored) * double(size / peak));
      }
    }
  });
}

TEST_CASE("a Q8_0 row of 200000 is as near as with its scale unrounded") {
  std::vector<float> row(256);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = 2.05e5f * std::sin(float(i) * 1.7f);
  const auto out = round_trip<nibble::q8_0>(row);
  for (std::size_t i = 0; i < row.size(); ++i) CHECK(std::abs(row[i] - out[i]) <= 2.05e5f / 127 * 0.55f);
}

TEST_CASE("NaN counts as zero, and what is beyond the reach of a format as the furthest that it reaches") {
  for_each_integer_format([]<class Q>(std::type_identity<Q>) {
    if constexpr (requires { Q::largest_value; }) return;  // no further than a scale, or less
    const float reach = reach_of<Q>();
    std::vector<float> dirty(256), clean(256);
    for (std::size_t i = 0; i < 256; ++i) dirty[i] = clean[i] = float(i % 13) - 6;
    dirty[5] = not_a_number, clean[5] = 0;
    CHECK(round_trip<Q>(dirty) == round_trip<Q>(clean));
    for (const float size : {infinity, 1e30f, 1e9f}) {
      dirty[40] = size, dirty[99] = size;
      const auto up = round_trip<Q>(dirty);
      for (const float v : up) CHECK(std::isfinite(v));
      CHECK(up[40] >= reach * 0.85f);
      for (float& v : dirty) v = -v;
      const auto down = round_trip<Q>(dirty);
      for (const float v : down) CHECK(std::isfinite(v));
      CHECK(down[40] <= -reach * 0.85f);
      for (float& v : dirty) v = -v;
    }
    const auto blank = round_trip<Q>(std::vector<float>(256, not_a_number));
    CHECK(blank == std::vector<float>(256, 0.0f));
    for (const float sign : {1.0f, -1.0f}) {
      for (const float v : round_trip<Q>(std::vector<float>(256, sign * infinity))) CHECK(sign * v >= reach * 0.85f);
    }
  });
}

TEST_CASE("NaN counts as zero to every encoder, and what is beyond its reach becomes a number") {
  for_each_rounding_format([&]<class Q>(std::type_identity<Q>) {
    std::vector<float> dirty(256), clean(256);
    for (std::size_t i = 0; i < 256; ++i) dirty[i] = clean[i] = float(i % 13) - 6;
    dirty[5] = not_a_number, clean[5] = 0;
    CHECK(round_trip<Q>(dirty) == round_trip<Q>(clean));
    CHECK(round_trip<Q>(std::vector<float>(256, not_a_number)) == std::vector<float>(256, 0.0f));
    dirty[40] = infinity, dirty[99] = -1e30f;
    const auto out = round_trip<Q>(dirty);
    for (const float v : out) CHECK(std::isfinite(v));
    CHECK(out[40] > 1000);
    CHECK(out[99] < -1000);
  });
}

TEST_CASE("the same values give the same bytes") {
  const auto input = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  for_each_rounding_format([&]<class Q>(std::type_identity<Q>) {
    const std::span<const float, Q::block_size> values(input.data(), Q::block_size);
    typename Q::block first, second;
    std::memset(&first, 0, sizeof first);
    std::memset(&second, 255, sizeof second);
    Q::encode(values, {}, first);
    Q::encode(values, {}, second);
    CHECK(std::memcmp(&first, &second, sizeof first) == 0);
  });
}
