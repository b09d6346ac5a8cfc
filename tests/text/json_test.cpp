#include "nibble/text/json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "support/sanitized.hpp"
#include "vocabularies.hpp"

using nibble::errc;
using nibble::json;
using nibble::json_kind;

namespace {

std::string refusal(std::string_view text, const nibble::limits& limits = {}) {
  const auto read = json::try_parse(text, limits);
  return read ? "read: " + read->text() : read.failure().what();
}
std::string again(std::string_view text) {
  const auto read = json::try_parse(text);
  return read ? read->text() : std::string("refused: ") + read.failure().what();
}

}  // namespace

TEST_CASE("the published cases of JSON are read and refused as they are meant") {
  const auto cases = nibble_test::split(nibble_test::text_of(nibble_test::golden("text/json_suite.txt")), "\x1e");
  REQUIRE(cases.size() > 300);
  for (const std::string& one : cases) {
    const std::size_t bar = one.find('\x1f');
    const std::string name = one.substr(0, bar);
    CAPTURE(name);
    const auto read = json::try_parse(std::string_view(one).substr(bar + 1));
    if (name[0] == 'i') {  // left open by the standard: numbers of any size are read, what is no UTF-8 or half a pair is not
      CHECK(static_cast<bool>(read) == (name.find("number") != name.npos));
    } else {
      CHECK(static_cast<bool>(read) == (name[0] == 'y'));
    }
    if (read) {
      CHECK(again(read->text()) == read->text());
    } else {
      const bool deep = name.find("500_nested") != name.npos;
      CHECK(read.failure().code() == (deep ? errc::limit_exceeded : errc::malformed));
      CHECK(std::string_view(read.failure().what()).find("line ") == 0);
    }
  }
}

TEST_CASE("every byte is missed: no beginning of a document is one") {
  const std::string text = R"({"a": [1, -2.5e+3, "x\u00e9\ud834\udd1e\n", true, false, null, {}, []], "b": {"c": "d"}})";
  REQUIRE(json::try_parse(text));
  for (std::size_t size = 0; size < text.size(); ++size) {
    CAPTURE(size);
    const auto read = json::try_parse(text.substr(0, size));
    REQUIRE_FALSE(read);
    CHECK(read.failure().code() == errc::malformed);
  }
}

TEST_CASE("what is wrong in JSON is said with its line and column") {
  struct row {
    std::string_view text, says;
  };
  const row rows[] = {
      {"", "line 1, column 1: expected a value, found the end of the text"},
      {"[1,\n \"\u00e4\", x]", "line 2, column 7: expected a value, found 'x'"},
      {"[1 2]", "line 1, column 4: expected ',' or ']' in an array, found '2'"},
      {"{\"a\" 1}", "line 1, column 6: expected ':' behind a key, found '1'"},
      {"{\"a\": 1, }", "line 1, column 10: expected a key in double quotes, found '}'"},
      {"{\"a\": 1]", "line 1, column 8: expected ',' or '}' in an object, found ']'"},
      {"1 2", "line 1, column 3: expected the end of the text, found '2'"},
      {"\"a\nb\"", "line 1, column 3: a control character in a string, which has to be escaped"},
      {"\"\\x\"", "line 1, column 3: expected one of \"\\/bfnrtu behind a backslash, found 'x'"},
      {"\"\\u12g4\"", "line 1, column 6: expected four hexadecimal digits behind \\u, found 'g'"},
      {"\"\\ud800\"", "line 1, column 8: half of a surrogate pair"},
      {"\"\\ud800\\ud800\"", "line 1, column 14: half of a surrogate pair"},
      {"\"\\udc00\"", "line 1, column 8: half of a surrogate pair"},
      {"\"a\xff\"", "line 1, column 3: a string with bytes that are no UTF-8"},
      {"[\xff]", "line 1, column 2: expected a value, found a byte that is no UTF-8"},
      {"\"abc", "line 1, column 5: a string that does not end"},
      {"-", "line 1, column 1: a number that does not end"},
      {"\xEF\xBB\xBF{}", "line 1, column 1: a byte order mark has no place in JSON"},
  };
  for (const row& r : rows) {
    CAPTURE(r.text);
    CHECK(refusal(r.text) == r.says);
  }
}

TEST_CASE("limits of JSON are limits: the last that fits is read, one more is not") {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(json::try_parse(nested(100)));
  CHECK(refusal(nested(101)) == "line 1, column 101: arrays and objects too deep inside of each other, the limit is 100");
  CHECK(json::try_parse(nested(1000), {.json_depth = 1'000'000}));
  CHECK(json::try_parse(nested(1001), {.json_depth = 1'000'000}).failure().code() == errc::limit_exceeded);
  CHECK(json::try_parse(std::string(100'000, '[')).failure().code() == errc::limit_exceeded);
  CHECK(json::try_parse(std::string(100'000, '{')).failure().code() == errc::malformed);
  CHECK(json::try_parse("[1,2,3]", {.json_values = 4}));
  CHECK(refusal("[1,2,3]", {.json_values = 3}) == "line 1, column 6: too many values, the limit is 3");
  CHECK(json::try_parse("[1]", {.json_bytes = 3}));
  CHECK(refusal("[12]", {.json_bytes = 3}) == "a text of 4 bytes, the limit is 3");
}

TEST_CASE("of a key that an object has twice the last value counts, in the place of the first") {
  CHECK(again(R"({"b":1,"a":2,"b":3,"c":4,"a":5,"b":6})") == R"({"b":6,"a":5,"c":4})");
  CHECK(again(R"({"":1,"\u0000":2,"":3})") == "{\"\":3,\"\\u0000\":2}");
  CHECK(json::try_parse(R"({"\u0061":1,"a":2})")->members().size() == 1);
}

TEST_CASE("numbers stay as they are written, and tell their value") {
  for (const char* text : {"0", "-0", "1.10", "1E400", "123456789012345678901234567890", "-1.5e-3"}) CHECK(again(text) == text);
  CHECK(json::try_parse("9223372036854775807")->integer() == std::numeric_limits<std::int64_t>::max());
  CHECK(json::try_parse("-9223372036854775808")->integer() == std::numeric_limits<std::int64_t>::min());
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "1.5", "1e-1", "1e19", "1e99999999999999999999",
                           "1e-99999999999999999999", "92233720368547758080e-2", "\"1\"", "null"})
    CHECK_FALSE(json::try_parse(text)->integer());
  CHECK(json::try_parse("30.0")->integer() == 30);
  CHECK(json::try_parse("-3.0e1")->integer() == -30);
  CHECK(json::try_parse("0.00120e+5")->integer() == 120);
  CHECK(json::try_parse("1200e-2")->integer() == 12);
  CHECK(json::try_parse("-0")->integer() == 0);
  CHECK(json::try_parse("0.0e99999999999999999999")->integer() == 0);
  CHECK(json::try_parse("9.223372036854775807e18")->integer() == std::numeric_limits<std::int64_t>::max());
  CHECK(json::try_parse("-9223372036854775808.000")->integer() == std::numeric_limits<std::int64_t>::min());
  CHECK(json::try_parse("1.5e2")->real() == 150.0);
  CHECK(json::try_parse("1e400")->real() == std::numeric_limits<double>::infinity());
  CHECK(json::try_parse("-1e99999999999999999999")->real() == -std::numeric_limits<double>::infinity());
  CHECK(json::try_parse("-1e-400")->real() == 0.0);
  CHECK(std::signbit(*json::try_parse("-1e-99999999999999999999")->real()));
  CHECK(json::try_parse("0." + std::string(400, '0') + "1e300")->real() == doctest::Approx(1e-101));
  CHECK(json::try_parse("1" + std::string(400, '0'))->real() == std::numeric_limits<double>::infinity());
  CHECK(json::try_parse("0." + std::string(400, '0') + "1")->real() == 0.0);
  CHECK_FALSE(json::try_parse("\"1\"")->real());
  for (const char* text : {"", "01", "1.", "+1", "1 ", "NaN", "0x1"}) CHECK_FALSE(json::try_number(text));
  CHECK(json::try_number("1e5")->digits() == "1e5");
}

TEST_CASE("values are made by hand, looked at and written") {
  json call = json::object({{"name", "weather"}, {"arguments", json::object({{"city", std::string("Ulm \"x\"\n\x7f")}})}});
  call.set("days", json::array({1, 2.5, true, nullptr, -7LL, 1e300}));
  call.set("name", std::string_view("forecast"));
  CHECK(call.text() ==
        "{\"name\":\"forecast\",\"arguments\":{\"city\":\"Ulm \\\"x\\\"\\n\x7f\"},\"days\":[1,2.5,true,null,-7,1e+300]}");
  CHECK(call.find("name")->string() == "forecast");
  CHECK(call.find("arguments")->find("city")->string().size() == 9);
  CHECK(call.find("nothing") == nullptr);
  CHECK(call.find("name")->find("x") == nullptr);
  CHECK(call.find("days")->items()[2].boolean());
  CHECK(call.find("days")->items()[3].is(json_kind::null));
  CHECK(call.items().empty());
  CHECK(call.string().empty());
  json list;
  list.push_back(1);
  list.push_back(json::array());
  CHECK(list.text() == "[1,[]]");
  CHECK(json(std::nan("")).is(json_kind::null));
  CHECK(json(std::numeric_limits<double>::infinity()).is(json_kind::null));
  CHECK(json("\xff\x01").text() == "\"\uFFFD\\u0001\"");
  std::string ascii;
  nibble::detail::append_json_string("\u00e9\U0001D11E\x7f\"", ascii, true);
  CHECK(ascii == R"("\u00e9\ud834\udd1e\u007f\"")");
}

TEST_CASE("JSON of a megabyte is read in one pass, whatever is in it") {
  if (NIBBLE_TEST_SANITIZED) return;
  std::string keys = "{", same = "{", text = "\"", numbers = "[";
  for (std::size_t i = 0; keys.size() < 1'000'000; ++i) keys += "\"" + std::string(50, 'k') + std::to_string(i) + "\":1,";
  while (same.size() < 1'000'000) same += "\"\":1,";
  while (text.size() < 1'000'000) text += "\\u00e9\u00e9\\n";
  while (numbers.size() < 1'000'000) numbers += "1e5,";
  for (const std::string& document :
       {keys + "\"\":1}", same + "\"\":1}", text + "\"", numbers + "1]", "[" + std::string(1'000'000, '1') + "]"}) {
    const std::clock_t begin = std::clock();
    CHECK(json::try_parse(document));
    CHECK(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC < 0.5);
  }
}

#if NIBBLE_EXCEPTIONS
TEST_CASE("the throwing twins of JSON give the same values and throw the same errors") {
  CHECK(json::parse("[1]").text() == "[1]");
  CHECK(json::number("1e5").text() == "1e5");
  CHECK_THROWS_AS(static_cast<void>(json::parse("[")), nibble::error);
  CHECK_THROWS_AS(static_cast<void>(json::number("x")), nibble::error);
}
#endif
