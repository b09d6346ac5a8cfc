#include "nibble/core/decimal.hpp"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>

#include "nibble/core/rng.hpp"

using namespace nibble;

namespace {

/// What a reader makes of a text: the bits of the number, the characters it took, and whether it failed.
struct reading {
  std::uint64_t bits = 0;
  std::ptrdiff_t taken = 0;
  std::errc failed{};
  bool operator==(const reading&) const = default;
};
template <class T>
reading read(const std::string& text) {
  T value = T(0.25);
  const auto done = detail::read_decimal(text.data(), text.data() + text.size(), value);
  return {std::bit_cast<std::uint64_t>(double(value)), done.ptr - text.data(), done.ec};
}
double number(const std::string& text) { return std::bit_cast<double>(read<double>(text).bits); }

}  // namespace

TEST_CASE("decimal numbers are read as the nearest ones, to even between two") {
  CHECK(number("0") == 0.0);
  CHECK(std::signbit(number("-0.000")));
  CHECK(number("1") == 1.0);
  CHECK(number("-12.5e1") == -125.0);
  CHECK(number(".5") == 0.5);
  CHECK(number("5.") == 5.0);
  CHECK(number("0.1") == 0.1);
  CHECK(number("9007199254740993") == 9007199254740992.0);          // half way
  CHECK(number("9007199254740993.0000001") == 9007199254740994.0);  // and a little more
  CHECK(number("9007199254740993" + std::string(2000, '0') + "e-2000") == 9007199254740992.0);
  CHECK(number("9007199254740993." + std::string(2000, '0') + "1") == 9007199254740994.0);  // more than digits are kept
  CHECK(number("1.7976931348623157e308") == std::numeric_limits<double>::max());
  CHECK(number("4.9e-324") == std::numeric_limits<double>::denorm_min());
  CHECK(number("2.4703282292062328e-324") == std::numeric_limits<double>::denorm_min());  // just above the half of it
  CHECK(number("2.2250738585072011e-308") == 2.2250738585072011e-308);
  CHECK(number("0." + std::string(400, '0') + "1e401") == 1.0);
  CHECK(number("1" + std::string(400, '0') + "e-400") == 1.0);
  CHECK(read<float>("0.1").bits == std::bit_cast<std::uint64_t>(double(0.1f)));
  CHECK(read<float>("1.00000017881393432617187499").bits ==
        std::bit_cast<std::uint64_t>(double(1.00000011920928955f)));  // no double between
}

TEST_CASE("decimal numbers that fit no float leave it as it was") {
  for (const char* text : {"1e309", "1.7976931348623159e308", "2.4703282292062327e-324", "1e-400", "1e999999999999999999999",
                           "1e-99999999999999999999"}) {
    CAPTURE(text);
    CHECK(read<double>(text).failed == std::errc::result_out_of_range);
    CHECK(number(text) == 0.25);
  }
  CHECK(read<float>("3.5e38").failed == std::errc::result_out_of_range);
  CHECK(read<double>("0e999999999999999999999").failed == std::errc());
}

TEST_CASE("what is no decimal number is refused, and what follows one is left") {
  for (const char* text : {"", "-", ".", "-.", "e5", "+1", " 1", "x"}) {
    CAPTURE(text);
    CHECK(read<double>(text).failed == std::errc::invalid_argument);
  }
  CHECK(read<double>("1e").taken == 1);
  CHECK(read<double>("1e+").taken == 1);
  CHECK(read<double>("1e+-2").taken == 1);
  CHECK(read<double>("1.5.2").taken == 3);
  CHECK(number("Inf") == std::numeric_limits<double>::infinity());
  CHECK(number("-infinity") == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(number("nan")));
}

#if defined(__cpp_lib_to_chars)
TEST_CASE("decimal numbers are read as the standard library reads them") {
  rng draw(7);
  const std::string signs = "0123456789.e-+";
  const auto check = [](const std::string& text) {
    double theirs = 0.25;
    const auto done = std::from_chars(text.data(), text.data() + text.size(), theirs);
    const reading expected{std::bit_cast<std::uint64_t>(theirs), done.ptr - text.data(), done.ec};
    CAPTURE(text);
    CHECK(read<double>(text) == expected);
  };
  for (int i = 0; i < 3000; ++i) {
    const auto any = std::bit_cast<double>(draw());
    std::array<char, 64> written;
    const int digits = int(draw() % 24);
    const auto end =
        std::to_chars(written.data(), written.data() + written.size(), any, std::chars_format::scientific, digits).ptr;
    if (std::isfinite(any)) check(std::string(written.data(), end));
    std::string text;
    for (auto left = draw() % 30; left > 0; --left) text += signs[draw() % signs.size()];
    check(text);
  }
}
#endif
