#include "nibble/text/answer/plain_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "nibble/text/json.hpp"
#include "nibble/text/json_pointer.hpp"

using nibble::json;

namespace {

bool is_plain(const std::string& schema, const std::string& root = "{}") {
  return nibble::detail::is_plain_text(json::parse(schema), json::parse(root));
}

}  // namespace

TEST_CASE("a parameter is plain text where its schema allows nothing else, by whatever keyword") {
  CHECK(is_plain(R"({"type": "string", "pattern": "a"})"));
  CHECK(is_plain(R"({"type": ["string"]})"));
  CHECK(is_plain(R"({"enum": ["a", "b"]})"));
  CHECK(is_plain(R"({"const": "a"})"));
  CHECK(is_plain(R"({"anyOf": [{"const": "a"}, {"type": "string"}]})"));
  CHECK(is_plain(R"({"allOf": [{"minLength": 1}, {"type": "string"}]})"));
  CHECK(is_plain(R"({"$ref": "#/$defs/a~1b%20c"})", R"({"$defs": {"a/b c": {"enum": ["x"]}}})"));
  CHECK(is_plain(R"({"$ref": "#/x/1"})", R"({"x": [true, {"type": "string"}]})"));
}

TEST_CASE("a parameter is none where its schema allows others, or where it is not known") {
  for (const char* schema :
       {"{}", "true", "3", R"({"type": ["string", "null"]})", R"({"type": []})", R"({"enum": ["a", 1]})", R"({"enum": []})",
        R"({"const": 1})", R"({"anyOf": [{"type": "string"}, {}]})", R"({"oneOf": []})", R"({"$ref": "#/nowhere"})",
        R"({"$ref": "other"})", R"({"$ref": "#/x/2"})", R"({"$ref": "#/x/y"})"})
    CHECK_FALSE_MESSAGE(is_plain(schema, R"({"x": [true, {"type": "string"}]})"), schema);
}

TEST_CASE("references that lead back end, however often") {
  CHECK_FALSE(is_plain(R"({"$ref": "#/a"})", R"({"a": {"$ref": "#/a"}})"));
  CHECK_FALSE(is_plain(R"({"$ref": "#/a"})", R"({"a": {"oneOf": [{"$ref": "#/b"}, {"$ref": "#/b"}]},
                                                  "b": {"anyOf": [{"allOf": [{"$ref": "#/a"}, {"$ref": "#/a"}]}, {}]}})"));
}

TEST_CASE("steps of a pointer are taken off one by one, unescaped") {
  std::string_view pointer = "/a~0~1%25/%2/x";
  CHECK(nibble::detail::take_pointer_step(pointer) == "a~/%");
  CHECK(nibble::detail::take_pointer_step(pointer) == "%2");
  CHECK(nibble::detail::take_pointer_step(pointer) == "x");
  CHECK(pointer.empty());
}
