#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/matcher.hpp"
#include "nibble/text/json.hpp"

using nibble::grammar;
using nibble::grammar_parser;

namespace {

/// One schema, and what becomes of values.
struct schema {
  explicit schema(std::string_view text) : g(grammar::from_schema(text)) {}
  bool takes(std::string_view text) const {
    grammar_parser parser(g);
    return parser.accept(text) && parser.may_end();
  }
  bool begins(std::string_view text) const { return grammar_parser(g).accept(text); }
  grammar g;
};
std::string refusal(std::string_view text) {
  const auto made = grammar::try_from_schema(text);
  return made ? std::string() : made.failure().what();
}
std::string times(std::size_t n, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += text;
  return out;
}

}  // namespace

TEST_CASE("members come in any order, each once, the required ones all") {
  const schema s(R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
                     "required": ["a"], "additionalProperties": false})");
  CHECK(s.takes(R"({"a":1,"b":"x"})"));
  CHECK(s.takes("{ \"b\" : \"x\",\n  \"a\": -20 }"));
  CHECK(s.takes(R"({"a":1})"));
  CHECK_FALSE(s.begins(R"({"b":"x"})"));
  CHECK_FALSE(s.begins(R"({"a":1,"a)"));
  CHECK_FALSE(s.begins(R"({"c)"));
  CHECK_FALSE(s.begins(R"({"a":1.5)"));
  CHECK_FALSE(s.begins(R"({"a":1,"b":"x",)"));
  CHECK_FALSE(s.begins(R"( {"a":1})"));
}

TEST_CASE("names that a schema does not know are taken where it allows them, those that it knows once") {
  const schema s(R"({"properties": {"a": {"type": "null"}}, "patternProperties": {"^x_": {"type": "integer"}},
                     "additionalProperties": {"type": "string"}, "maxProperties": 3, "minProperties": 2, "type": "object"})");
  CHECK(s.takes(R"({"a":null,"x_1":2,"other":"s"})"));
  CHECK_FALSE(s.begins(R"({"a":null,"a":)"));
  CHECK_FALSE(s.begins(R"({"x_1":")"));
  CHECK_FALSE(s.begins(R"({"y":1)"));
  CHECK_FALSE(s.begins(R"({"a":null})"));
  CHECK_FALSE(s.begins(R"({"a":null,"b":"","c":"",)"));
}

TEST_CASE("a member that cannot be there is not begun") {
  CHECK_FALSE(schema(R"({"type":"object","properties":{"a":false}})").begins(R"({"a":)"));
  CHECK_FALSE(schema(R"({"type":"object","properties":{"a":{"minimum":2,"maximum":1,"type":"number"}}})").begins(R"({"a":)"));
  CHECK(schema(R"({"type":"object","properties":{"a":false}})").takes(R"({"ab":1})"));
  CHECK(refusal(R"({"type":"object","properties":{"a":false},"required":["a"]})") == "schema: no value is valid");
  CHECK(
      refusal(
          R"({"$defs":{"n":{"type":"object","properties":{"n":{"$ref":"#/$defs/n"}},"required":["n"]}},"$ref":"#/$defs/n"})") ==
      "schema: no value is valid");
}

TEST_CASE("numbers are compared by their digits") {
  const schema range(R"({"type":"number","minimum":-1.5,"exclusiveMaximum":12.25})");
  for (const char* good : {"-1.5", "0", "-0.0", "12.2499999", "12.24", "3", "-1"}) CHECK_MESSAGE(range.takes(good), good);
  for (const char* bad : {"-1.51", "12.25", "13", "100", "-2", "1e1", "01"}) CHECK_FALSE_MESSAGE(range.takes(bad), bad);
  CHECK_FALSE(range.begins("2000"));
  const schema tenths(R"({"multipleOf":0.01,"type":"number"})");
  CHECK(tenths.takes("4.02"));
  CHECK_FALSE(tenths.takes("0.001"));
  const schema sevens(R"({"multipleOf":7,"minimum":10})");
  CHECK(sevens.takes("14"));
  CHECK(sevens.takes("700.0"));
  CHECK_FALSE(sevens.takes("7"));
  CHECK_FALSE(sevens.takes("15"));
  CHECK(schema(R"({"type":"number"})").takes("-1.5E+20"));
  CHECK(schema(R"({"const":100})").takes("100"));
  CHECK(schema(R"({"const":1e2})").takes("100"));
  CHECK_FALSE(schema(R"({"const":100})").takes("1000"));
  CHECK(schema(R"({"type":"integer","maximum":98765432109876543210})").takes("98765432109876543210"));
  CHECK_FALSE(schema(R"({"type":"integer","maximum":98765432109876543210})").takes("98765432109876543211"));
}

TEST_CASE("strings are counted and matched as what they mean, however they are escaped") {
  const schema two(R"({"type":"string","minLength":2,"maxLength":2})");
  for (const char* good : {R"("ab")", R"("\n\u0000")", R"("é日")", R"("\ud83d\udc32x")", R"("\u00e9\"")"})
    CHECK_MESSAGE(two.takes(good), good);
  for (const char* bad : {R"("a")", R"("abc")", R"("\ud83dx")", R"("\udc32a")", "\"a\nb\"", R"("\u0041b")", R"("\x")"})
    CHECK_FALSE_MESSAGE(two.takes(bad), bad);
  const schema word(R"({"pattern":"^[a-zé]+$","maxLength":3})");
  CHECK(word.takes(R"("aé")"));
  CHECK(word.takes(R"("a\u00e9")"));
  CHECK_FALSE(word.begins(R"("A)"));
  CHECK_FALSE(word.begins(R"("abcd)"));
  CHECK_FALSE(word.begins(R"("\u00e8)"));
  CHECK(word.takes("12"));
  CHECK(schema(R"({"pattern":"b"})").takes(R"("abc")"));
  CHECK_FALSE(schema(R"({"type":"string"})").begins("\"\xC0\x80"));
  CHECK_FALSE(schema(R"({"type":"string"})").begins("\"\xED\xA0"));
}

TEST_CASE("formats of the standard are demanded, others are not") {
  const auto takes = [](const char* format, const char* text) {
    return schema(std::string(R"({"type":"string","format":")") + format + "\"}").takes(std::string("\"") + text + "\"");
  };
  CHECK(takes("date-time", "2024-02-29T23:59:59.5Z"));
  CHECK_FALSE(takes("date-time", "2023-02-29T23:59:59Z"));
  CHECK(takes("time", "08:30:06+02:00"));
  CHECK_FALSE(takes("time", "24:30:06Z"));
  CHECK(takes("uuid", "2EB8AA08-AA98-11EA-B4AA-73B441D16380"));
  CHECK(takes("ipv4", "192.168.0.255"));
  CHECK_FALSE(takes("ipv4", "256.1.1.1"));
  CHECK(takes("ipv6", "::1"));
  CHECK(takes("email", "joe.bloggs@example.com"));
  CHECK_FALSE(takes("email", "2962"));
  CHECK(takes("hostname", "www.example.com"));
  CHECK(takes("uri", "http://foo.bar/?baz=qux#quux"));
  CHECK_FALSE(takes("uri", "//foo.bar"));
  CHECK(takes("duration", "P4DT12H30M5S"));
  CHECK(takes("json-pointer", "/foo/bar~0"));
  CHECK(takes("color-of-mine", "anything"));
}

TEST_CASE("arrays have places, items behind them, counts, and what they must contain") {
  const schema tuple(R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,"minItems":1})");
  CHECK(tuple.takes("[1]"));
  CHECK(tuple.takes("[1, \"a\"]"));
  CHECK_FALSE(tuple.begins("[]"));
  CHECK_FALSE(tuple.begins("[1,\"a\","));
  const schema contains(R"({"contains":{"const":"x"},"minContains":2,"maxContains":2,"maxItems":3,"type":"array"})");
  CHECK(contains.takes(R"(["x",1,"x"])"));
  CHECK_FALSE(contains.begins(R"([1,2,)"));
  CHECK_FALSE(contains.begins(R"(["x","x","x"])"));
  CHECK_FALSE(contains.begins(R"(["x","y"])"));
  CHECK(refusal(R"({"type":"array","minItems":1000000000})") ==
        "schema: /minItems: more items than a text could have: at most 200000");
  CHECK(schema(R"({"maxItems":1000000000})").takes("[1,2,3]"));
  const schema set(R"({"type":"array","uniqueItems":true,"items":{"enum":["a","b",1,1.0]},"minItems":2})");
  CHECK(set.takes(R"(["b",1,"a"])"));
  CHECK_FALSE(set.begins(R"(["b","b)"));
  CHECK_FALSE(set.begins(R"(["b",1,"a",)"));
  CHECK(refusal(R"({"type":"array","uniqueItems":true})") ==
        "schema: the schema itself: uniqueItems is supported for strings, for items of up to 31 values, and for one item");
}

TEST_CASE("what applies to one value is multiplied out") {
  CHECK_FALSE(schema(R"({"not":{"type":"string"}})").begins("\""));
  CHECK(schema(R"({"not":{"required":["a"],"type":"object"}})").takes(R"({"b":1})"));
  CHECK_FALSE(schema(R"({"not":{"required":["a"],"type":"object"}})").begins(R"({"a":)"));
  const schema one(R"({"oneOf":[{"type":"integer"},{"minimum":2}]})");
  CHECK(one.takes("1"));
  CHECK(one.takes("2.5"));
  CHECK_FALSE(one.takes("3"));
  const schema all(
      R"({"allOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"a":{"minimum":3}},"required":["a"]}],"type":"object"})");
  CHECK(all.takes(R"({"a":3})"));
  CHECK_FALSE(all.begins(R"({"a":2})"));
  const schema kind(R"({"type":"object","properties":{"kind":{"enum":["a","b"]}},"required":["kind"],
    "if":{"properties":{"kind":{"const":"a"}}},"then":{"required":["x"]},"else":{"properties":{"x":false}}})");
  CHECK(kind.takes(R"({"kind":"a","x":1})"));
  CHECK(kind.takes(R"({"x":1,"kind":"a"})"));
  CHECK(kind.takes(R"({"kind":"b"})"));
  CHECK_FALSE(kind.takes(R"({"kind":"a"})"));
  CHECK_FALSE(kind.begins(R"({"x":1,"kind":"b)"));
  const schema depends(R"({"type":"object","dependentRequired":{"a":["b"]}})");
  CHECK_FALSE(depends.begins(R"({"a":1})"));
  CHECK(depends.takes(R"({"b":1,"a":2})"));
  const schema rest(R"({"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false,"type":"object"})");
  CHECK(rest.takes(R"({"a":1})"));
  CHECK_FALSE(rest.begins(R"({"b)"));
}

TEST_CASE("references may be within each other without end") {
  const schema tree(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{
    "children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"additionalProperties":false}}})");
  CHECK(tree.takes(R"({"children":[{},{"children":[{"children":[]}]}]})"));
  CHECK_FALSE(tree.begins(R"({"children":[1)"));
  CHECK(refusal(R"({"$ref":"#"})") == "schema: /$ref: it leads back to itself, before any value is read");
  CHECK(refusal(R"({"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"$ref":"#/$defs/a"}}})") ==
        "schema: #/$defs/a/$ref: it leads back to itself, before any value is read");
  CHECK(refusal(R"({"$ref":"http://example.com/a.json"})") ==
        "schema: /$ref: \"http://example.com/a.json\" is not in this document, and nothing is fetched");
  CHECK(refusal(R"({"$ref":"#/nowhere"})") == "schema: /$ref: \"#/nowhere\" names nothing in this document");
}

TEST_CASE("the opposite of an expression is exact, whatever assertions it has") {
  CHECK_FALSE(schema(R"({"type":"string","not":{"pattern":"^^a"}})").takes("\"abc\""));
  CHECK(schema(R"({"type":"string","not":{"pattern":"^^a"}})").takes("\"bc\""));
  CHECK_FALSE(schema(R"({"type":"string","not":{"pattern":"$^"}})").takes("\"\""));
  CHECK_FALSE(schema(R"x({"type":"object","patternProperties":{"^(^x)":false}})x").begins(R"({"x")"));
}

TEST_CASE("the opposite of a format is only what is surely not of it") {
  CHECK_FALSE(schema(R"({"type":"string","not":{"format":"email"}})").takes(R"("\"a b\"@example.com")"));
  CHECK(schema(R"({"type":"string","not":{"format":"email"}})").takes(R"("none")"));
  CHECK_FALSE(schema(R"({"type":"string","not":{"format":"hostname"}})").takes(R"("a.b.c.d.example.com")"));
  CHECK_FALSE(schema(R"({"oneOf":[{"format":"hostname"},{"type":"string"}]})").takes(R"("a.b.c.d.example.com")"));
  CHECK(schema(R"({"type":"string","not":{"format":"ipv4"}})").takes(R"("256.1.1.1")"));
  CHECK_FALSE(schema(R"({"type":"string","not":{"format":"ipv4"}})").takes(R"("25.1.1.1")"));
  CHECK(refusal(R"({"properties":{"a":{"not":{"format":"regex"}}}})") ==
        "schema: /properties/a/not/format: the opposite of \"regex\" is not supported");
}

TEST_CASE("names that must not be valid are those that surely are not") {
  const schema s(R"({"type":"object","not":{"propertyNames":{"format":"email"}}})");
  CHECK_FALSE(s.takes(R"({"\"a b\"@example.com":1})"));
  CHECK(s.takes(R"({"none":1})"));
}

TEST_CASE("members of one name are one member, wherever members count") {
  const schema two(R"({"type":"object","minProperties":2})");
  CHECK_FALSE(two.takes(R"({"x":1,"x":1})"));
  CHECK_FALSE(two.begins(R"({"x":1,"\u0078":)"));
  CHECK(two.takes(R"({"x":1,"xx":1})"));
  CHECK(two.takes(R"({"x":1,"y":1,"xy":2})"));
  CHECK_FALSE(two.takes(R"({"x":1})"));
  const schema other(R"({"type":"object","not":{"additionalProperties":{"type":"string"}}})");
  CHECK(other.takes(R"({"x":"a","y":1})"));
  CHECK_FALSE(other.begins(R"({"x":1,"x":)"));
  const schema kinds(R"({"type":"object","properties":{"id":{"type":"integer"}},"patternProperties":{"^n_":{"type":"null"}},
                         "additionalProperties":{"type":"string"},"minProperties":4,"maxProperties":5})");
  CHECK(kinds.takes(R"({"n_a":null,"a":"","id":1,"n_b":null})"));
  CHECK_FALSE(kinds.begins(R"({"n_a":null,"a":"","n_a")"));
  CHECK_FALSE(kinds.begins(R"({"n_a":null,"a":"","a")"));
  CHECK_FALSE(kinds.begins(R"({"a":"","b":"","c":"","d":"","e":"",)"));
  CHECK(schema(R"({"type":"object","minProperties":1})").takes(R"({"x":1})"));
  CHECK(refusal(R"({"type":"object","patternProperties":{"^[ab]$":true},"additionalProperties":false,"minProperties":2})") ==
        "schema: the schema itself: minProperties, or members that must be otherwise, are not supported beside names of few "
        "kinds");
}

TEST_CASE("what only is not known to have values is not said to have none") {
  CHECK(schema(R"({"type":"array","prefixItems":[{"enum":[1,2]}],"items":{"enum":[1,2,3]},"uniqueItems":true})").takes("[1]"));
  CHECK(
      refusal(R"({"type":"array","prefixItems":[{"enum":[1,2]}],"items":{"enum":[1,2,3]},"uniqueItems":true,"minItems":1})") ==
      "schema: the schema itself: uniqueItems is supported for strings, for items of up to 31 values, and for one item");
  CHECK(refusal(R"({"type":"array","maxItems":1,"allOf":[{"contains":{"minimum":1}},{"contains":{"maximum":5}}]})") ==
        "schema: the schema itself: contains: several in as few items as maxItems allows are not supported");
  const std::string some =
      R"({"not":{"additionalProperties":{"type":"string"}}},{"not":{"additionalProperties":{"type":"null"}}})";
  CHECK(
      refusal(R"({"type":"object","maxProperties":1,"allOf":[)" + some + "]}") ==
      "schema: the schema itself: maxProperties: beside as many members that must be there, or otherwise, it is not supported");
  CHECK(refusal(R"({"type":"object","maxProperties":1,"required":["a"],"properties":{"a":{"type":"string"}},
                    "not":{"additionalProperties":{"type":"integer"}}})") != "");
}

TEST_CASE("keywords count in the drafts that know them") {
  const auto in = [](const char* draft, const char* rest) {
    return std::string(R"({"$schema":")") + draft + "\"," + rest + "}";
  };
  const char* draft4 = "http://json-schema.org/draft-04/schema#";
  const char* draft7 = "http://json-schema.org/draft-07/schema#";
  const char* draft2019 = "https://json-schema.org/draft/2019-09/schema";
  const char* draft2020 = "https://json-schema.org/draft/2020-12/schema";
  CHECK(refusal(in(draft7, R"("not":{"dependentRequired":{"a":["b"]}})")) == "schema: no value is valid");
  CHECK(schema(in(draft2020, R"("not":{"dependentRequired":{"a":["b"]}})")).takes(R"({"a":1})"));
  CHECK(refusal(in(draft2020, R"("not":{"dependencies":{"a":["b"]}})")) == "schema: no value is valid");
  CHECK(schema(in(draft7, R"("not":{"dependencies":{"a":["b"]}})")).takes(R"({"a":1})"));
  CHECK(refusal(R"({"not":{"dependencies":{"a":["b"]}}})") == "schema: no value is valid");  // not known: it may not count
  CHECK_FALSE(schema(R"({"type":"object","dependencies":{"a":["b"]}})").takes(R"({"a":1})"));
  CHECK(schema(in(draft4, R"("const":1)")).takes("2"));
  CHECK_FALSE(schema(in(draft7, R"("const":1)")).takes("2"));
  CHECK(refusal(in(draft4, R"("oneOf":[{"const":1},{"const":2}])")) == "schema: no value is valid");
  CHECK(schema(in(draft7, R"("prefixItems":[{"type":"null"}])")).takes("[1]"));
  CHECK(schema(in(draft2019, R"("prefixItems":[{"type":"null"}])")).takes("[1]"));
  CHECK_FALSE(schema(in(draft2020, R"("prefixItems":[{"type":"null"}])")).takes("[1]"));
  CHECK(schema(in(draft7, R"("contains":{"const":1},"minContains":2)")).takes("[1]"));
  CHECK_FALSE(schema(in(draft2019, R"("contains":{"const":1},"minContains":2)")).takes("[1]"));
}

TEST_CASE("values that are listed are not looked at by it") {
  CHECK_FALSE(schema(R"({"const":{"a":1},"minProperties":0})").takes(R"({"a":2})"));
  for (const char* text :
       {R"({"const":{"a":1},"unevaluatedProperties":false})", R"({"enum":[{"a":1},[]],"unevaluatedProperties":false})",
        R"({"enum":[{"a":1}],"unevaluatedProperties":{"type":"string"}})",
        R"({"allOf":[{"const":{"a":1}}],"unevaluatedProperties":false})",
        R"({"if":{"const":{"a":1}},"unevaluatedProperties":false})"}) {
    CAPTURE(text);
    const auto made = grammar::try_from_schema(text);
    if (!made) continue;  // no value is valid
    grammar_parser parser(*made);
    CHECK_FALSE((parser.accept(R"({"a":1})") && parser.may_end()));
  }
  CHECK(refusal(R"({"const":[1],"unevaluatedItems":false})") == "schema: no value is valid");
  CHECK_FALSE(schema(R"({"enum":[[1],[]],"unevaluatedItems":{"type":"string"}})").takes("[1]"));
  CHECK(schema(R"({"enum":[[1],[]],"unevaluatedItems":{"type":"string"}})").takes("[]"));
  CHECK(refusal(R"({"not":{"unevaluatedProperties":false,"enum":[{"b":1}]}})").find("not supported") != std::string::npos);
}

TEST_CASE("what stands beside a reference says nothing of it in old drafts") {
  const std::string draft = R"({"$schema":"http://json-schema.org/draft-07/schema#",)";
  const auto kind = [](const char* name) {
    return std::string(R"({"type":"object","properties":{"t":{"$ref":"#/definitions/s","const":")") + name +
           R"("}},"required":["t"]})";
  };
  const auto made = grammar::try_from_schema(draft + R"("oneOf":[)" + kind("a") + "," + kind("b") +
                                             R"(],"definitions":{"s":{"type":"string"}}})");
  if (made) CHECK_FALSE(grammar_parser(*made).accept(R"({"t":"a"})"));
  std::string chain;
  for (const char letter : {'a', 'b'}) {
    for (int i = 0; i < 9; ++i) {
      chain += '"' + (letter + std::to_string(i)) + R"(":{"$ref":"#/definitions/)" + letter + std::to_string(i + 1) +
               R"(","type":")" + (letter == 'a' ? "string" : "number") + R"("},)";
    }
  }
  const auto far = grammar::try_from_schema(draft + R"("oneOf":[{"$ref":"#/definitions/a0"},{"$ref":"#/definitions/b0"}],)" +
                                            R"("definitions":{)" + chain + R"("a9":{"type":"integer"},"b9":{"minimum":0}}})");
  if (far) {
    grammar_parser parser(*far);
    CHECK_FALSE((parser.accept("5") && parser.may_end()));
  }
}

TEST_CASE("draft 2019-09 has items that are lists, and references that recur") {
  const std::string draft = R"("$schema":"https://json-schema.org/draft/2019-09/schema",)";
  const schema pair("{" + draft + R"("type":"array","items":[{"type":"integer"},{"type":"string"}],"additionalItems":false})");
  CHECK(pair.takes(R"([1,"a"])"));
  CHECK_FALSE(pair.begins(R"([1,1)"));
  CHECK_FALSE(pair.begins(R"([1,"a",)"));
  const schema rest("{" + draft + R"("type":"array","items":[{"type":"integer"}],"unevaluatedItems":{"type":"null"}})");
  CHECK(rest.takes("[1,null]"));
  CHECK_FALSE(rest.begins("[1,2"));
  // contains looks at nothing, in this draft
  CHECK(refusal("{" + draft + R"("type":"array","contains":{"type":"string"},"unevaluatedItems":false})") ==
        "schema: no value is valid");
  const schema tree("{" + draft +
                    R"("type":"object","properties":{"child":{"$recursiveRef":"#"}},"unevaluatedProperties":false})");
  CHECK(tree.takes(R"({"child":{"child":{}}})"));
  CHECK_FALSE(tree.begins(R"({"child":{"other")"));
  const schema depends("{" + draft + R"("type":"object","dependentSchemas":{"a":{"required":["b"]}}})");
  CHECK_FALSE(depends.takes(R"({"a":1})"));
  CHECK(depends.takes(R"({"a":1,"b":1})"));
  const schema anchored("{" + draft + R"("$ref":"#it","type":"number","$defs":{"x":{"$anchor":"it","minimum":2}}})");
  CHECK(anchored.takes("2"));
  CHECK_FALSE(anchored.takes("1"));
}

TEST_CASE("items that something contains are looked at, where it stands in another resource too") {
  const schema s(R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"array","$ref":"other",
    "unevaluatedItems":false,"$defs":{"x":{"$id":"other","contains":{"$ref":"#/$defs/item"},"$defs":{"item":{"const":"in"}}},
    "item":{"const":"out"}}})");
  CHECK(s.takes(R"(["in","in"])"));
  CHECK_FALSE(s.takes(R"(["in","out"])"));
  CHECK_FALSE(s.takes(R"(["out"])"));
}

TEST_CASE("what is no schema, or one for nothing, is refused") {
  CHECK(refusal("{") == "schema: line 1, column 2: expected a key in double quotes, found the end of the text");
  CHECK(refusal("false") == "schema: no value is valid");
  CHECK(refusal(R"x({"properties":{"a":{"pattern":"(?=x)"}}})x") ==
        "schema: /properties/a/pattern: the expression (?=x): line 1, column 1: an assertion that looks ahead or behind is not "
        "supported");
  CHECK(refusal(R"({"type":"integer","minimum":2,"maximum":1})") == "schema: no value is valid");
  CHECK(refusal(R"({"type":"string","minLength":2,"maxLength":1})") == "schema: no value is valid");
  CHECK(refusal(R"({"type":"string","enum":[1]})") == "schema: no value is valid");
}

TEST_CASE("schemas cost no more than the limits") {
  CHECK(refusal(times(10'000, R"({"not":)") + "{}" + times(10'000, "}")).find("100") != std::string::npos);
  CHECK(schema(R"({"pattern":"(a+)+$"})").takes("\"" + std::string(10'000, 'a') + "\""));
  CHECK(refusal(R"({"multipleOf":123456789})").starts_with("schema: the schema itself: the numbers of multipleOf"));
  std::string many = R"({"oneOf":[)";
  for (int i = 0; i < 12; ++i)
    many += std::string(i ? "," : "") + R"({"properties":{"a)" + std::to_string(i) + R"(":{"type":"string"},"b":{"minimum":)" +
            std::to_string(i) + "}}}";
  CHECK(refusal(many + "]}") == "schema: the schema itself: more than 2000 alternatives");
}

TEST_CASE("spaces in a row are as many as the limits say") {
  const auto accepts = [](std::uint32_t spaces, std::string_view text) {
    nibble::grammar_parser parser(nibble::grammar::from_schema("{}", {.json_spaces = spaces}));
    return parser.accept(text) && parser.may_end();
  };
  CHECK(accepts(80, "{\"a\":\n\n  [1,  2]}"));
  CHECK(accepts(1, "{\"a\": [1, 2] }"));
  CHECK_FALSE(accepts(1, "{\"a\":  [1]}"));
  CHECK_FALSE(accepts(1, "[1,  2]"));
  CHECK(accepts(0, "{\"a\":[1,2]}"));
  CHECK_FALSE(accepts(0, "[1, 2]"));
  CHECK_FALSE(accepts(0, "{\"a\": 1}"));
}
