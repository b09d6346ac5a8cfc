/// Schemas, expressions and rules that ask for far more than they are long: each is refused, or compiled, in bounded time.
#include <doctest/doctest.h>

#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "support/sanitized.hpp"

using nibble::grammar;

namespace {

// Of the CPU; without its guard each takes minutes, or gigabytes.
constexpr double most_seconds = NIBBLE_TEST_SANITIZED ? 120 : 8;

/// What is said of a schema, in time.
template <class Compile>
std::string in_time(Compile compile) {
  const std::clock_t begin = std::clock();
  const auto made = compile();
  CHECK(double(std::clock() - begin) / CLOCKS_PER_SEC < most_seconds);
  return made ? std::string() : std::string(made.failure().what());
}
std::string schema(const std::string& text) {
  return in_time([&] { return grammar::try_from_schema(text); });
}
std::string rules(const std::string& text) {
  return in_time([&] { return grammar::try_from_gbnf(text); });
}
std::string expression(const std::string& text) {
  return in_time([&] { return grammar::try_from_regex(text); });
}
/// Parts with a comma between them.
template <class Part>
std::string list(std::size_t n, Part part) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += (i ? "," : "") + part(std::to_string(i));
  return out;
}

}  // namespace

TEST_CASE("schemas that meet again and again are multiplied out once") {
  const auto diamond = [](const std::string& key) {
    return R"({"$ref":"#/$defs/a0","$defs":{)" +
           list(60,
                [&](const std::string& i) {
                  const std::string next = R"({"$ref":"#/$defs/a)" + std::to_string(std::stoi(i) + 1) + "\"}";
                  return "\"a" + i + "\":{\"" + key + "\":[" + next + "," + next + "]}";
                }) +
           R"(,"a60":{"type":"string"}}})";
  };
  CHECK(schema(diamond("allOf")) == "");
  CHECK(schema(R"({"not":)" + diamond("anyOf") + "}").find("is not in") == std::string::npos);
  CHECK(schema(diamond("anyOf")).find("alternatives") != std::string::npos);
}

TEST_CASE("combinations of many parts are counted, those that come to nothing too") {
  const std::string one_string =
      R"({"anyOf":[{"type":"string"},)" + list(1'900, [](const std::string& i) { return R"({"const":)" + i + "}"; }) + "]}";
  const std::string strings = list(1'900, [](const std::string& i) { return R"({"type":"string","maxLength":)" + i + "}"; });
  CHECK(schema(R"({"allOf":[{"anyOf":[)" + strings + "]}," +
               list(100, [](const std::string&) { return std::string(R"({"$ref":"#/$defs/one"})"); }) + R"(],"$defs":{"one":)" +
               one_string + "}}") != "");
  CHECK(schema(R"({"oneOf":[)" + list(1'000, [](const std::string& i) { return R"({"required":["k)" + i + "\"]}"; }) + "]}") !=
        "");
  CHECK(schema(R"({"required":[)" + list(100'000, [](const std::string& i) { return "\"n" + i + "\""; }) + "]}") != "");
}

TEST_CASE("what a schema lists costs no more than its states") {
  const std::string long_text(2'000'000, 'x');
  CHECK(schema(R"({"const":")" + long_text + "\"}") == "schema: /const: more than 200000 states");
  CHECK(schema(R"({"enum":[)" + list(100'000, [](const std::string& i) { return "\"word" + i + "\""; }) + "]}") == "");
  CHECK(schema(R"({"enum":[)" + list(100'000, [](const std::string& i) { return "1" + i + "99887766"; }) + "]}")
            .find("more than 200000 states") != std::string::npos);
  CHECK(schema(R"({"const":{)" + list(60'000, [](const std::string& i) { return "\"k" + i + "\":1"; }) + "}}") != "");
  CHECK(schema(R"({"allOf":[)" +
               list(100,
                    [](const std::string& i) {
                      return R"({"propertyNames":{"maxLength":)" + std::to_string(199'000 - std::stoi(i)) + "}}";
                    }) +
               "]}")
            .find("more than 200000 states") != std::string::npos);
  CHECK(schema(R"({"type":"string","minLength":4000000000})") ==
        "schema: /minLength: more characters than a text could have: at most 200000");
}

TEST_CASE("a name is kept once, however many schemas stand below it") {
  const std::string name(1'000'000, 'n');
  CHECK(schema(R"({"properties":{")" + name + R"(":{"properties":{)" +
               list(2'000, [](const std::string& i) { return "\"a" + i + R"(":{"type":"null"})"; }) + "}}}}")
            .find("more than 200000 states") != std::string::npos);
}

TEST_CASE("values that need each other are found in any order") {
  const auto needs = [](const std::string& i) {
    if (i == "0") return std::string(R"({"type":"null"})");
    const std::string other = std::to_string((std::stoul(i) + 9'900 - 6'337) % 9'900);
    return R"({"type":"object","required":["p"],"properties":{"p":{"$ref":"#/prefixItems/)" + other + "\"}}}";
  };
  CHECK(schema(R"({"type":"array","minItems":1,"prefixItems":[)" + list(9'900, needs) + "]}") == "");
  CHECK(schema(R"({"prefixItems":[)" + list(300'000, [](const std::string& i) { return R"({"minimum":)" + i + "}"; }) + "]}") ==
        "schema: more than 20000 different sets of values");
  CHECK(schema(R"({"type":"array","uniqueItems":true,"items":{"enum":[)" +
               list(60'000, [](const std::string& i) { return i; }) + "]}}") != "");
  CHECK(schema(R"({"allOf":[)" + list(60'000, [](const std::string& i) { return R"({"$ref":"#/$defs/x)" + i + "\"}"; }) +
               R"(],"$defs":{)" + list(60'000, [](const std::string& i) { return "\"x" + i + "\":{}"; }) + "}}") != "");
}

TEST_CASE("objects of many names are read in time") {
  const std::string many = list(3'000, [](const std::string& i) { return "\"name" + i + R"(":{"type":"integer"})"; });
  for (const char* more : {"", R"(,"maxProperties":2000)", R"(,"minProperties":1500,"additionalProperties":false)"}) {
    CAPTURE(more);
    const auto made = grammar::try_from_schema("{\"properties\":{" + many + "},\"type\":\"object\"" + more + "}");
    REQUIRE(made);
    nibble::grammar_parser parser(*made);
    const std::clock_t begin = std::clock();
    CHECK(parser.accept("{\"name2999\": 1, \"name17\": 2, \"name1"));
    CHECK(double(std::clock() - begin) / CLOCKS_PER_SEC < 1);
  }
}

TEST_CASE("a long text is read in time that grows with it") {
  const grammar any = grammar::from_schema(R"({"type":"array"})");
  std::string text = "[\"\"";
  for (int i = 0; i < 20000; ++i) text += ",\"twenty letters in one\"";
  const std::clock_t begin = std::clock();
  CHECK(nibble::grammar_parser(any).accept(text + "]"));
  CHECK(double(std::clock() - begin) / CLOCKS_PER_SEC < most_seconds);
}

TEST_CASE("one state that leads to very many is refused before they are made") {
  std::string wide, rule;
  for (int i = 0; i < 20'000; ++i) {
    char set[48];
    std::snprintf(set, sizeof set, "[\\u%04x-\\u%04x]", 0x20, 0x101 + i);
    wide += (i ? "|" : "") + std::string(set) + "x";
    rule += (i ? "|" : "") + std::string(set) + "\"x\"";
  }
  CHECK(expression(wide) == "expression: more than 25000 states");
  CHECK(rules("root ::= " + rule) == "grammar: rule \"root\": more than 25000 states");
  std::string same = "a";
  for (int i = 0; i < 40'000; ++i) same += "|a";
  CHECK(expression(same) == "");
}

TEST_CASE("sets of characters are made once, in any order") {
  std::string set;
  for (int i = 100'000; i > 0; --i) {
    char one[16];
    std::snprintf(one, sizeof one, "\\U%08x", 0x10000 + 2 * i);
    set += one;
  }
  CHECK(rules("root ::= [" + set + "]") == "");
  std::string letters;
  for (int i = 0; i < 4'000; ++i) letters += "\\p{L}";
  CHECK(expression(letters).find("is not supported") == std::string::npos);
  CHECK(schema(R"({"allOf":[)" + list(2'000, [](const std::string& i) { return R"({"pattern":"^\\p{L}{)" + i + "}\"}"; }) +
               "]}") != "");
}

TEST_CASE("the text of rules and expressions is bounded by its parts") {
  const std::string long_text(3'000'000, 'x');
  CHECK(rules("root ::= \"" + long_text + "\"").find("more than 200000 parts") != std::string::npos);
  CHECK(expression(long_text).find("more than 200000 parts") != std::string::npos);
  CHECK(in_time([&] { return grammar::try_from_choices(std::vector<std::string>{long_text}); }) ==
        "choices: more than 200000 states");
}
