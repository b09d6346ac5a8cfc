/// What recurrent layers compute, on every target against its meaning in plain C++.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "kernels/tables.hpp"

using namespace nibble;
using namespace nibble_test;

namespace {
using floats = std::vector<float>;

/// A convolution over some tokens, in pieces of so many: outputs, and the state behind them.
struct convolved {
  floats x, state;
};
convolved convolve(const kernel_table& t, std::size_t tokens, std::size_t channels, std::size_t taps, bool silu,
                   std::size_t piece) {
  const std::size_t stride = channels + 3;
  const auto weight = gaussian(taps * channels, 5), bias = gaussian(channels, 6);
  convolved out{gaussian(tokens * stride, 7), gaussian((taps - 1) * channels, 8)};
  floats after(out.state.size());
  for (std::size_t at = 0; at < tokens; at += piece) {
    t.convolve({out.x.data() + at * stride, stride, std::min(piece, tokens - at), channels, taps, weight.data(), channels,
                silu ? bias.data() : nullptr, out.state.data(), after.data(), channels, silu});
    out.state.swap(after);
  }
  return out;
}

struct scanned {
  floats output, state;
};
scanned scan(const kernel_table& t, std::size_t tokens, std::size_t rows, std::size_t columns, bool delta, std::size_t piece,
             float broken = 0) {
  const std::size_t padded = (columns + 15) / 16 * 16;
  auto key = gaussian(tokens * (rows + 1), 1, 0.2f), query = gaussian(tokens * (rows + 1), 2, 0.2f);
  auto value = gaussian(tokens * (columns + 2), 3), step = gaussian(tokens * 2, 4), decay = step;
  for (float& s : step) s = 1 / (1 + std::exp(s));
  for (float& d : decay) d = 1 / (1 + std::exp(-d));
  if (broken != 0) value[0] = broken;
  scanned out{floats(tokens * (columns + 1)), gaussian(rows * padded, 9)};
  floats after(out.state.size());
  for (std::size_t at = 0; at < tokens; at += piece) {
    const std::size_t halves[] = {0, columns > 16 ? std::size_t{16} : columns, columns};
    for (int part = 0; part < 2; ++part) {  // columns stand each on their own
      if (halves[part] == halves[part + 1]) continue;
      scan_args a{};
      a.before = out.state.data(), a.after = after.data();
      a.rows = rows, a.first = halves[part], a.last = halves[part + 1], a.tokens = std::min(piece, tokens - at);
      a.key = key.data() + at * (rows + 1), a.query = query.data() + at * (rows + 1), a.key_stride = rows + 1;
      a.value = value.data() + at * (columns + 2), a.value_stride = columns + 2;
      a.step = step.data() + at * 2, a.step_stride = 2;
      a.decay = decay.data() + at * 2, a.decay_stride = 2;
      a.output = out.output.data() + at * (columns + 1), a.output_stride = columns + 1;
      a.skip = delta ? 0 : 0.7f, a.delta = delta;
      t.scan(a);
    }
    out.state.swap(after);
  }
  return out;
}
}  // namespace

TEST_CASE("convolutions of every target have the reference's bits, and these do not depend on how tokens are split") {
  for (const std::size_t taps : {1, 2, 3, 4, 9}) {
    for (const std::size_t channels : {1, 15, 16, 33, 64}) {
      for (const bool silu : {false, true}) {
        const auto expected = convolve(reference::table, 13, channels, taps, silu, 13);
        for_each_table([&](const kernel_table& t) {
          const auto found = convolve(t, 13, channels, taps, silu, 13);
          REQUIRE(agree(t, expected.x, found.x));
          REQUIRE(expected.state == found.state);
          for (const std::size_t piece : {1, 2, 5}) {
            const auto pieces = convolve(t, 13, channels, taps, silu, piece);
            REQUIRE(pieces.x == found.x);
            REQUIRE(pieces.state == found.state);
          }
        });
      }
    }
  }
}

TEST_CASE("the last tap of a convolution meets the newest token") {
  for_each_table([](const kernel_table& t) {
    floats x{1, 10, 100}, before{0, 0}, after(2);
    const floats weight{3, 2, 1};
    t.convolve({x.data(), 1, 3, 1, 3, weight.data(), 1, nullptr, before.data(), after.data(), 1, false});
    CHECK(x == floats{1, 12, 123});
    CHECK(after == floats{10, 100});
  });
}

TEST_CASE("recurrences of every target have the reference's bits, and these do not depend on how tokens are split") {
  for (const bool delta : {false, true}) {
    for (const std::size_t rows : {1, 2, 7, 16, 128}) {
      for (const std::size_t columns : {1, 16, 17, 32, 40, 64, 128}) {
        const auto columns_of = [&](floats state) {  // the last strip may be filled up with anything
          for (std::size_t i = 0; i < state.size(); ++i) {
            if (i / (16 * rows) * 16 + i % 16 >= columns) state[i] = 0;
          }
          return state;
        };
        const auto expected = scan(reference::table, 9, rows, columns, delta, 9);
        for_each_table([&](const kernel_table& t) {
          const auto found = scan(t, 9, rows, columns, delta, 9);
          REQUIRE(agree(t, expected.output, found.output));
          REQUIRE(agree(t, columns_of(expected.state), columns_of(found.state)));
          for (const std::size_t piece : {1, 4}) {
            const auto pieces = scan(t, 9, rows, columns, delta, piece);
            REQUIRE(pieces.output == found.output);
            REQUIRE(pieces.state == found.state);
          }
        });
      }
    }
  }
}

TEST_CASE("the delta rule takes back what a key found: the same key again finds the newest value alone") {
  for_each_table([](const kernel_table& t) {
    const floats key{0.6f, 0.8f, 0.6f, 0.8f}, ones{1, 1};
    floats value(16 * 2), before(32), after(32), output(32);
    for (std::size_t i = 0; i < 16; ++i) value[i] = float(i), value[16 + i] = float(100 - i);
    scan_args a{};
    a.before = before.data(), a.after = after.data(), a.rows = 2, a.last = 16, a.tokens = 2;
    a.key = a.query = key.data(), a.key_stride = 2, a.value = value.data(), a.value_stride = 16;
    a.step = a.decay = ones.data(), a.step_stride = a.decay_stride = 1, a.output = output.data(), a.output_stride = 16,
    a.delta = true;
    t.scan(a);
    for (std::size_t i = 0; i < 32; ++i) CHECK(output[i] == doctest::Approx(value[i]).epsilon(1e-5));
  });
}

TEST_CASE("a value that is no number breaks its own column of a state and no other") {
  for_each_table([](const kernel_table& t) {
    for (const float broken : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      for (const bool delta : {false, true}) {
        const auto whole = scan(t, 5, 16, 24, delta, 5), found = scan(t, 5, 16, 24, delta, 5, broken);
        for (std::size_t i = 0; i < whole.output.size(); ++i) {
          if (i % 25 == 0) REQUIRE(!std::isfinite(found.output[i]));
          if (i % 25 != 0) REQUIRE(found.output[i] == whole.output[i]);
        }
      }
    }
  });
}

TEST_CASE("vectors are divided by their length, and short ones by the least") {
  for_each_table([](const kernel_table& t) {
    for (const std::size_t n : {1, 3, 16, 17, 64, 100, 128}) {
      for (const float size : {1.0f, 1e-9f}) {
        const auto x = gaussian(n, 21, size);
        auto expected = x, found = x;
        reference::normalize(expected.data(), 1e-6f, 0.25f, n);
        t.normalize(found.data(), 1e-6f, 0.25f, n);
        REQUIRE(agree(t, expected, found));
        double squares = 0;
        for (const float v : x) squares += double(v) * double(v);
        const double by = 0.25 / std::max(std::sqrt(squares), 1e-6);
        for (std::size_t i = 0; i < n; ++i) REQUIRE(double(found[i]) == doctest::Approx(double(x[i]) * by).epsilon(1e-5));
      }
    }
  });
}

TEST_CASE("products, steps and decays of every target have the reference's bits, far out too") {
  for_each_table([](const kernel_table& t) {
    for (const std::size_t n : {1, 8, 16, 33}) {
      const auto bias = gaussian(n, 31), rate = gaussian(n, 32);
      floats falling = rate, step = gaussian(n, 33, 20), decay(n), expected_step = step, expected_decay(n);
      for (float& r : falling) r = -std::exp(r);
      step[0] = expected_step[0] = 2000;
      reference::step_decay(bias.data(), falling.data(), n, expected_step.data(), expected_decay.data());
      t.step_decay(bias.data(), falling.data(), n, step.data(), decay.data());
      REQUIRE(agree(t, expected_step, step));
      REQUIRE(agree(t, expected_decay, decay));
      auto x = gaussian(n, 34, 30), expected = x;
      reference::multiply(expected.data(), bias.data(), n);
      t.multiply(x.data(), bias.data(), n);
      REQUIRE(x == expected);
    }
  });
}
