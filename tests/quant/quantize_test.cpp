/// Matrices into formats and back: shapes are checked, and the executor does not matter.
#include "nibble/quant/quantize.hpp"

#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "nibble/core/thread_pool.hpp"
#include "nibble/quant/registry.hpp"
#include "support/files.hpp"

namespace {

/// Runs the tasks last to first.
struct backward_executor {
  std::size_t concurrency() const noexcept { return 5; }
  template <class F>
  void run(std::size_t n, F&& f) const {
    while (n > 0) f(--n);
  }
};

template <class T>
void check_refused(const nibble::result<T>& outcome, nibble::errc code, const std::string& part) {
  REQUIRE_FALSE(outcome.has_value());
  CHECK(outcome.failure().code() == code);
  CAPTURE(outcome.failure().what());
  CHECK(std::string(outcome.failure().what()).find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("rows quantize to the same bytes on every executor, and as their blocks do one by one") {
  const auto input = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  const auto importance = nibble_test::read_all<float>(nibble_test::golden("quant/imatrix_1024.f32"));
  REQUIRE(input.size() == 6 * 1024);
  nibble::thread_pool pool(3);
  backward_executor backward;
  nibble::any_type(nibble::quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
    constexpr auto type = Q::type;
    CAPTURE(nibble::name_of(type));
    for (const bool weighted : {false, true}) {
      const auto weights = weighted ? std::span<const float>(importance) : std::span<const float>();
      std::vector<std::byte> alone(*nibble::try_quantized_bytes(type, 6, 1024)), pooled(alone.size()), reversed(alone.size());
      REQUIRE(nibble::try_quantize_rows(type, input, 6, 1024, weights, alone).has_value());
      REQUIRE(nibble::try_quantize_rows(type, input, 6, 1024, weights, pooled, pool).has_value());
      REQUIRE(nibble::try_quantize_rows(type, input, 6, 1024, weights, reversed, backward).has_value());
      CHECK(alone == pooled);
      CHECK(alone == reversed);
      std::vector<float> values(6 * 1024), values_pooled(6 * 1024);
      REQUIRE(nibble::try_dequantize_rows(type, alone, 6, 1024, values).has_value());
      REQUIRE(nibble::try_dequantize_rows(type, alone, 6, 1024, values_pooled, pool).has_value());
      CHECK(values == values_pooled);
      if (type == nibble::tensor_type::f32) CHECK(values == input);
    }
    return false;
  });
}

TEST_CASE("a row's importance is used column by column") {
  const auto input = nibble_test::read_all<float>(nibble_test::golden("quant/input_6x1024.f32"));
  std::vector<float> importance(1024, 1.0f);
  std::vector<std::byte> plain(6 * 576), weighted(6 * 576);
  REQUIRE(nibble::try_quantize_rows(nibble::tensor_type::q4_k, input, 6, 1024, {}, plain).has_value());
  for (std::size_t i = 768; i < 1024; ++i) importance[i] = i % 2 ? 1.0f : 0.001f;
  REQUIRE(nibble::try_quantize_rows(nibble::tensor_type::q4_k, input, 6, 1024, importance, weighted).has_value());
  CHECK(std::memcmp(plain.data() + 3 * 144, weighted.data() + 3 * 144, 144) != 0);
}

TEST_CASE("sizes that do not fit together are told, and nothing is written") {
  using enum nibble::tensor_type;
  std::vector<float> values(512);
  std::vector<std::byte> out(288, std::byte{7});
  const auto untouched = out;
  const auto invalid = nibble::errc::invalid_argument;
  check_refused(nibble::try_quantize_rows(q4_k, values, 2, 255, {}, out), invalid,
                "rows of 255 are no multiple of the 256 of Q4_K");
  check_refused(nibble::try_quantize_rows(q4_k, values, 1, 256, {}, out), invalid, "values: expected 256, found 512");
  check_refused(nibble::try_quantize_rows(q6_k, values, 2, 256, {}, out), invalid, "bytes: expected 420, found 288");
  check_refused(nibble::try_quantize_rows(q4_k, values, 2, 256, std::vector<float>(512), out), invalid,
                "importance weights: expected 256, found 512");
  check_refused(nibble::try_quantize_rows(static_cast<nibble::tensor_type>(4), values, 2, 256, {}, out),
                nibble::errc::unknown_format, "(4)");
  check_refused(nibble::try_quantize_rows(static_cast<nibble::tensor_type>(15), values, 2, 256, {}, out),
                nibble::errc::unknown_format, "Q8_K");
  CHECK(out == untouched);
  check_refused(nibble::try_dequantize_rows(q4_k, out, 3, 256, values), invalid, "bytes: expected 432, found 288");
  check_refused(nibble::try_dequantize_rows(q4_k, out, 2, 256, std::span(values).first(511)), invalid,
                "values: expected 512, found 511");
  const std::size_t huge = std::size_t{1} << 60;
  check_refused(nibble::try_quantized_bytes(q8_0, huge, huge), invalid, "address space");
  check_refused(nibble::try_quantized_bytes(q4_0, 32, huge), invalid, "address space");
  CHECK(*nibble::try_quantized_bytes(q4_0, 0, 32) == 0);
  CHECK(nibble::try_quantize_rows(q4_0, {}, 0, 32, {}, {}).has_value());
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("the throwing twins throw the same error") {
  std::vector<float> values(32);
  std::vector<std::byte> out(18);
  CHECK_NOTHROW(nibble::quantize_rows(nibble::tensor_type::q4_0, values, 1, 32, {}, out));
  CHECK_NOTHROW(nibble::dequantize_rows(nibble::tensor_type::q4_0, out, 1, 32, values));
  CHECK_THROWS_AS(nibble::quantize_rows(nibble::tensor_type::q4_0, values, 1, 31, {}, out), nibble::error);
}
#endif

TEST_CASE("a value that is no number, or beyond the range of the format, is refused by its row") {
  nibble::thread_pool pool(3);
  nibble::any_type(nibble::quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
    constexpr auto type = Q::type;
    CAPTURE(nibble::name_of(type));
    const float huge = 3.4028235e38f;
    const bool exact = type == nibble::tensor_type::f32;
    const float off =
        sizeof(typename Q::block) * 8 < 3 * Q::block_size ? 1.0f : 0.3f;  // a few bits meet a lone value as they can
    std::vector<std::byte> packed(*nibble::try_quantized_bytes(type, 9, 256));
    const auto refusal = [&](float value, std::size_t row, std::size_t column) -> std::string {
      std::vector<float> values(9 * 256, 0.5f);
      values[row * 256 + column] = value;
      const auto outcome = nibble::try_quantize_rows(type, values, 9, 256, {}, packed, pool);
      if (outcome) {
        std::vector<float> back(values.size());
        REQUIRE(nibble::try_dequantize_rows(type, packed, 9, 256, back));
        for (const float v : back) CHECK(std::isfinite(v));
        CHECK(std::abs(back[row * 256 + column] - value) <= off * std::abs(value));
        return {};
      }
      CHECK(outcome.failure().code() == nibble::errc::invalid_argument);
      return outcome.failure().what();
    };
    const std::string name(nibble::name_of(type));
    CHECK(refusal(std::nanf(""), 8, 255) == "row 8, column 255: nan is no weight, and cannot be " + name);
    CHECK(refusal(INFINITY, 0, 0) == "row 0, column 0: inf is no weight, and cannot be " + name);
    CHECK(refusal(-INFINITY, 3, 7) == "row 3, column 7: -inf is no weight, and cannot be " + name);
    CHECK(refusal(huge, 4, 100) == (exact ? "" : "row 4, column 100: 3.4028235e+38 is beyond the range of " + name));
    float reach = 65519;
    if constexpr (requires { Q::largest_value; }) reach = Q::largest_value;
    for (const float fine : {-1024.0f, 2600.0f, -60000.0f, 65519.0f})
      CHECK((refusal(fine, 5, 31) == "") == (std::abs(fine) <= reach));
    if (type == nibble::tensor_type::f16) {
      CHECK(refusal(65520, 2, 1) == "row 2, column 1: 65520 is beyond the range of F16");
      CHECK(refusal(-2.05e5f, 2, 1) == "row 2, column 1: -205000 is beyond the range of F16");
    }
    return false;
  });
}

TEST_CASE("a value is beyond the range of a format where no scale and no offset reach it") {
  nibble::any_type(nibble::quant_formats{}, [&]<class Q>(std::type_identity<Q>) {
    CAPTURE(Q::name);
    if constexpr (nibble::integer_format<Q>) {
      constexpr bool offset = Q::scales::has_offset;
      constexpr float scales = [] {
        if constexpr (Q::scales::super_block) return std::max(float(Q::scales::most_scale), -float(Q::scales::least_scale));
        return 1.0f;
      }();
      float most = 0;
      for (unsigned code = 0; code < (1u << Q::code_bits); ++code)
        most = std::max(most, std::abs(float(nibble::level_of<Q>(std::uint8_t(code)))));
      const auto fits = [](float a, float b) {
        std::vector<float> values(256);
        values[3] = a, values[5] = b;
        std::vector<std::byte> packed(*nibble::try_quantized_bytes(Q::type, 1, values.size()));
        return bool(nibble::try_quantize_rows(Q::type, values, 1, values.size(), {}, packed));
      };
      const float deepest = 65504 * scales;  // an offset, to one side
      float end = deepest * most;
      if constexpr (requires { Q::largest_value; }) end = Q::largest_value;
      for (const float sign : {1.0f, -1.0f}) {
        CHECK(fits(sign * end, 0));
        CHECK_FALSE(fits(sign * end * 1.01f, 0));
        if (!offset) continue;
        CHECK(fits(sign * 2 * deepest, sign * -deepest));
        CHECK_FALSE(fits(sign * 2 * deepest, sign * -1.01f * deepest));
      }
    }
    return false;
  });
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("what an executor throws reaches who quantizes") {
  struct closed_executor {
    std::size_t concurrency() const noexcept { return 2; }
    void run(std::size_t, nibble::executor_task) const { throw std::bad_alloc(); }
  } closed;
  const std::vector<float> values(64);
  std::vector<std::byte> packed(2 * 34);
  std::vector<float> out(64);
  CHECK_THROWS_AS(nibble::quantize_rows(nibble::tensor_type::q8_0, values, 2, 32, {}, packed, closed), std::bad_alloc);
  CHECK_THROWS_AS(nibble::dequantize_rows(nibble::tensor_type::q8_0, packed, 2, 32, out, closed), std::bad_alloc);
}
#endif
