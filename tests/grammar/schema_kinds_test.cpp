/// Keywords of JSON Schema that are given what they are not for: each a refusal that says which, and where.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/keyword_values.hpp"
#include "nibble/text/json.hpp"

using nibble::detail::keyword_value;

namespace {

std::string refusal(std::string_view schema) {
  const auto made = nibble::grammar::try_from_schema(schema);
  if (made) return {};
  CHECK(made.failure().code() == nibble::errc::bad_value);
  return made.failure().what();
}

/// Where a schema may stand.
struct surrounding {
  std::string_view before, behind, place;
};
constexpr surrounding surroundings[] = {{"", "", ""},
                                        {R"({"properties": {"a~/": )", "}}", "/properties/a~0~1"},
                                        {R"({"allOf": [true, {"items": )", "}]}", "/allOf/1/items"},
                                        {R"({"not": )", "}", "/not"},
                                        {R"({"$ref": "#/$defs/x", "$defs": {"x": )", "}}", "#/$defs/x"}};

std::vector<std::string_view> wrong_values(keyword_value wanted) {
  switch (wanted) {
    case keyword_value::schema:
      return {"3", "\"x\"", "null", "[]", "[{}]"};
    case keyword_value::items:
      return {"3", "\"x\"", "null", "[3]", "[{}, null]"};
    case keyword_value::schemas:
      return {"{}", "3", "true", "null", "[3]", "[{}, \"x\"]"};
    case keyword_value::named_schemas:
      return {"[]", "3", "true", "\"x\"", R"({"b": 3})", R"({"b": {}, "c": "string"})"};
    case keyword_value::definitions:
      return {"[]", "3", "true", "\"x\""};
    case keyword_value::names:
      return {"\"a\"", "3", "{}", "true", "null", R"(["a", 3])"};
    case keyword_value::lists_of_names:
      return {"[]", "\"a\"", R"({"b": "c"})", R"({"b": ["c", 3]})"};
    case keyword_value::dependencies:
      return {"[]", "\"a\"", R"({"b": "c"})", R"({"b": ["c", 3]})"};
    case keyword_value::types:
      return {"\"strng\"", "3", "[]", "{}", "null", R"(["string", "strng"])", R"(["string", 3])"};
    case keyword_value::values:
      return {"5", "{}", "\"a\"", "null"};
    case keyword_value::count:
      return {"-1", "\"x\"", "1.5", "null", "true", "1e999"};
    case keyword_value::number:
      return {"\"1\"", "null", "true", "[]", "1e999"};
    case keyword_value::step:
      return {"0", "-1", "\"x\"", "true"};
    case keyword_value::exclusive_bound:
      return {"\"1\"", "null", "[]", "true", "false"};  // these two say nothing without a bound
    case keyword_value::flag:
      return {"1", "\"true\"", "null", "{}"};
    case keyword_value::text:
      return {"3", "null", "[]", "{}", "true"};
    default:
      return {};
  }
}

}  // namespace

TEST_CASE("each keyword that is given what it is not for is named, with its place") {
  std::size_t refused = 0;
  for (const nibble::detail::schema_keyword& k : nibble::detail::schema_keywords) {
    for (const std::string_view value : wrong_values(k.value)) {
      const std::string wrong = "{\"" + std::string(k.name) + "\": " + std::string(value) + "}";
      CAPTURE(wrong);
      const std::string key = "/" + std::string(k.name);
      for (const surrounding& around : surroundings) {
        const std::string said = refusal(std::string(around.before) + wrong + std::string(around.behind));
        const std::string where = "schema: " + std::string(around.place) + key;
        CHECK_MESSAGE(said.starts_with(where), said);
        CHECK((said.size() > where.size() && (said[where.size()] == ':' || said[where.size()] == '/')));
        ++refused;
      }
    }
    CHECK((k.value == keyword_value::anything || !wrong_values(k.value).empty()));
  }
  CHECK(refused > 1'000);
}

TEST_CASE("what a keyword is for is said in words, and what was found in its place") {
  CHECK(refusal(R"({"type": "strng"})") ==
        "schema: /type: 'strng' is no type: expected one of null, boolean, integer, number, string, array, object");
  CHECK(refusal(R"({"type": ["string", 3]})") ==
        "schema: /type/1: expected the name of a type: null, boolean, integer, number, string, array, object; found the number "
        "3");
  CHECK(refusal(R"({"required": "a"})") == "schema: /required: expected an array of names, found the text 'a'");
  CHECK(refusal(R"({"required": true})") == "schema: /required: expected an array of names, found true");
  CHECK(refusal(R"({"properties": {"a": "string"}})") ==
        "schema: /properties/a: expected a schema: an object, true or false; found the text 'string'");
  CHECK(refusal(R"({"enum": 5})") == "schema: /enum: expected an array of values, found the number 5");
  CHECK(refusal(R"({"minLength": -1})") ==
        "schema: /minLength: expected a whole number that is not negative, found the number -1");
  CHECK(refusal(R"({"multipleOf": 0})") == "schema: /multipleOf: expected a number above 0, found the number 0");
  CHECK(refusal(R"({"maximum": 1e999})") == "schema: /maximum: a number with an exponent beyond 400");
  CHECK(refusal(R"({"exclusiveMaximum": true})") == "schema: /exclusiveMaximum: true or false says nothing without maximum");
  CHECK(refusal("[]") == "schema: the schema itself: expected a schema: an object, true or false; found an array");
}

TEST_CASE("what no keyword is, or none of the draft, and what is only beside a reference may be anything") {
  CHECK(refusal(R"({"typ": "strng", "title": 3, "default": {"required": "a"}, "enum": [{"type": 3}]})") == "");
  const std::string draft7 = R"({"$schema": "http://json-schema.org/draft-07/schema#", )";
  CHECK(refusal(draft7 + R"("prefixItems": 3, "minContains": "x"})") == "");
  CHECK(refusal(draft7 + R"("$ref": "#/definitions/x", "type": 3, "definitions": {"x": {}}})") == "");
  CHECK(refusal(R"({"$ref": "#/$defs/x", "type": 3, "$defs": {"x": {}}})") != "");
  CHECK(refusal(R"({"$defs": {"$comment": "what nothing refers to"}, "properties": {"type": {"type": "string"}}})") == "");
  CHECK(refusal(R"({"minimum": 1, "exclusiveMinimum": true, "minLength": 2.0, "items": [{"type": "null"}]})") == "");
}

TEST_CASE("what is refused for what it asks is refused with its place, too") {
  CHECK(refusal(R"({"properties": {"a": {"type": "array", "uniqueItems": true}}})") ==
        "schema: /properties/a: uniqueItems is supported for strings, for items of up to 31 values, and for one item");
  CHECK(refusal(R"({"properties": {"a": {"type": "array", "maxItems": 1, "allOf": [{"contains": {"minimum": 1}},
                                         {"contains": {"maximum": 5}}]}}})") ==
        "schema: /properties/a: contains: several in as few items as maxItems allows are not supported");
  CHECK(refusal(R"({"items": {"type": "object", "patternProperties": {"^[ab]$": true}, "additionalProperties": false,
                              "minProperties": 2}})") ==
        "schema: /items: minProperties, or members that must be otherwise, are not supported beside names of few kinds");
  std::string many = R"({"items": {"oneOf": [)";
  for (int i = 0; i < 12; ++i)
    many += std::string(i ? "," : "") + R"({"properties": {"a)" + std::to_string(i) +
            R"(": {"type": "string"}, "b": {"minimum": )" + std::to_string(i) + "}}}";
  const auto made = nibble::grammar::try_from_schema(many + "]}}");
  REQUIRE(!made);
  CHECK(std::string(made.failure().what()) == "schema: /items: more than 2000 alternatives");
}
