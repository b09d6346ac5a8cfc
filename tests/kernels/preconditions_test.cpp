/// Preconditions of weights, formats and masks, each broken once.
#include <doctest/doctest.h>

#include <vector>

#include "nibble/kernels/attention_mask.hpp"
#include "nibble/kernels/weight.hpp"
#include "support/refused.hpp"

#if NIBBLE_CHECKED && NIBBLE_EXCEPTIONS
using namespace nibble;
using nibble_test::refused;

TEST_CASE("an empty weight has no format, type or input") {
  const weight none;
  CHECK(refused([&] { static_cast<void>(none.format()); }));
  CHECK(refused([&] { static_cast<void>(none.type()); }));
  CHECK(refused([&] { static_cast<void>(none.input()); }));
}

TEST_CASE("rows of a format are whole blocks") {
  CHECK(refused([] { static_cast<void>(format_of<q8_0>.row_bytes(33)); }));
  CHECK(format_of<q8_0>.row_bytes(64) == 68);
}

TEST_CASE("groups that a weight does not have are neither taken nor multiplied") {
  const std::vector<float> numbers(40 * 8), x(8);
  std::vector<float> y(40);
  const weight w = weight::stored(format_of<f32>, reinterpret_cast<const std::byte*>(numbers.data()), 40, 8);
  CHECK(w.row_groups(1, 2).rows() == 24);
  CHECK(refused([&] { static_cast<void>(w.row_groups(1, 3)); }));
  CHECK(refused([&] { static_cast<void>(w.row_groups(4, 0)); }));
  const matmul_args whole{
      .first = 0, .last = 3, .input = x.data(), .input_stride = 8, .tokens = 1, .output = y.data(), .output_stride = 40};
  CHECK(!refused([&] { w.multiply(kernels(), whole); }));
  for (const auto change : {+[](matmul_args& a) { a.last = 4; }, +[](matmul_args& a) { a.first = 4; },
                            +[](matmul_args& a) { a.tokens = 0; }, +[](matmul_args& a) { a.output_stride = 39; }}) {
    matmul_args broken = whole;
    change(broken);
    CHECK(refused([&] { w.multiply(kernels(), broken); }));
  }
}

TEST_CASE("a window has a position, and a position lies among those that are stored") {
  CHECK(refused([] { static_cast<void>(attention_mask::window(0)); }));
  CHECK(refused([] { static_cast<void>(attention_mask::causal().end(3, 3)); }));
}

#endif
