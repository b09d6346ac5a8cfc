/// Replies that call tools: what their grammar writes is read as calls that fit, and what templates write is what it allows.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/two_tools.hpp"
#include "nibble/core/rng.hpp"
#include "nibble/grammar/grammar.hpp"
#include "nibble/grammar/parser.hpp"
#include "nibble/grammar/tools.hpp"
#include "nibble/text/answer/formats.hpp"
#include "nibble/text/answer/parser.hpp"
#include "nibble/text/chat.hpp"
#include "support/files.hpp"
#include "text/vocabularies.hpp"

using nibble::answer_syntax;
using nibble::grammar;
using nibble::json;
using nibble::tool_choice;
using nibble_test::letters_and;
using nibble_test::two_tools;

namespace {

bool fits(const nibble::tool_call& call) {
  for (const json& tool : two_tools.items()) {
    const json& function = *tool.find("function");
    if (function.find("name")->string() != call.name) continue;
    json schema = *function.find("parameters");
    schema.set("additionalProperties", false);
    nibble::grammar_parser parser(grammar::from_schema(schema));
    return parser.accept(call.arguments) && parser.may_end();
  }
  return false;
}

/// A text that the grammar allows: what must come, and else at random, with a liking for some words, without which it would
/// seldom end.
std::string some_text(const grammar& g, const std::vector<std::string>& words, nibble::rng& random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random.uniform() * double(n)); };
  nibble::grammar_parser parser(g);
  std::string text, forced;
  for (int tries = 0; tries < 60'000; ++tries) {
    if (parser.is_over() || (parser.may_end() && below(4) == 0)) return text;
    parser.forced_text(forced);
    if (!forced.empty()) {
      REQUIRE(parser.accept(forced));
      text += forced;
      continue;
    }
    const std::string& word = words[below(words.size())];
    const std::string next = below(2) == 0 ? word.substr(below(3) == 0 ? below(word.size() + 1) : 0)
                                           : std::string(1, static_cast<char>(below(12) == 0 ? '\n' : ' ' + below(95)));
    if (!next.empty() && parser.accept(next)) text += next;
  }
  FAIL("no end: " << text);
  return text;
}

std::vector<std::string> words_of(const nibble::answer_format& f) {
  std::vector<std::string> out = {"\"",     "}",     "]",       ",",     "\n",   "1",    "<|\"|>", "look",
                                  "add_up", "where", "numbers", "round", "true", "well", "badly",  "false"};
  for (std::string_view mark : {f.calls_begin, f.calls_end, f.call_begin, f.call_end, f.name_end, f.key_begin, f.key_end,
                                f.value_begin, f.value_end, f.id_end, f.text_name}) {
    out.emplace_back(mark);
    while (!mark.empty() && (mark.back() == '\n' || mark.back() == ' ')) mark.remove_suffix(1);
    while (!mark.empty() && (mark.front() == '\n' || mark.front() == ' ')) mark.remove_prefix(1);
    out.emplace_back(mark);
  }
  return out;
}

}  // namespace

TEST_CASE("calls that are required are read as calls that fit, in every format") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  nibble::rng random(5);
  for (const nibble::answer_format& f : nibble::answer_formats) {
    CAPTURE(f.name);
    answer_syntax form = answer_syntax::named(f.name);
    form.calls = &f;
    form.reasoning = {};
    for (const bool parallel : {false, true}) {
      const grammar g = nibble::tool_grammar(two_tools, form, words, {.choice = tool_choice::required, .parallel = parallel});
      std::size_t most = 0;
      for (int round = 0; round < 12; ++round) {
        const std::string text = some_text(g, words_of(f), random);
        CAPTURE(text);
        nibble::chat_parser parser(form, {}, two_tools);
        parser.feed(text);
        parser.finish();
        REQUIRE(!parser.answer().calls.empty());
        most = std::max(most, parser.answer().calls.size());
        CHECK(parser.answer().text == "");
        for (const nibble::tool_call& call : parser.answer().calls) {
          CAPTURE(call.arguments);
          CHECK(call.complete);
          CHECK(fits(call));
        }
      }
      if (!parallel) CHECK(most == 1);
    }
  }
}

TEST_CASE("arguments of every kind of schema are read as what the schema allows, in every format") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const json tools =
      json::parse(R"([{"name": "set", "parameters": {"type": "object", "$defs": {"unit": {"enum": ["celsius", "5", "true"]}},
    "properties": {"unit": {"$ref": "#/$defs/unit"}, "zip": {"type": "string", "pattern": "^[0-9]{3}$"},
                   "note": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}, "five": {"const": "5"},
                   "mixed": {"enum": ["a", 1, null, true, "null"]}, "text": {"type": "string", "minLength": 1, "maxLength": 4}},
    "required": ["unit", "zip", "note", "five", "mixed", "text"], "additionalProperties": false}}])");
  const grammar arguments = grammar::from_schema(*tools.items()[0].find("parameters"));
  nibble::rng random(7);
  for (const nibble::answer_format& f : nibble::answer_formats) {
    CAPTURE(f.name);
    answer_syntax form = answer_syntax::named(f.name);
    form.calls = &f, form.reasoning = {};
    const grammar g = nibble::tool_grammar(tools, form, words, {.choice = tool_choice::required, .parallel = false});
    for (int round = 0; round < 12; ++round) {
      const std::string text = some_text(g, words_of(f), random);
      CAPTURE(text);
      nibble::chat_parser reader(form, {}, tools);
      reader.feed(text);
      reader.finish();
      REQUIRE(reader.answer().calls.size() == 1);
      CAPTURE(reader.answer().calls[0].arguments);
      CHECK(reader.answer().calls[0].complete);
      nibble::grammar_parser parser(arguments);
      CHECK((parser.accept(reader.answer().calls[0].arguments) && parser.may_end()));
    }
  }
}

TEST_CASE("parameters that can only be texts are written as they stand, and as their schema says") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const json tools =
      json::parse(R"([{"name": "go", "parameters": {"type": "object", "$defs": {"unit": {"enum": ["celsius", "kelvin"]}},
    "properties": {"a": {"enum": ["one", "two"]}, "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                   "c": {"$ref": "#/$defs/unit"}, "d": {"type": "string", "pattern": "^\\d{5}$"}, "e": {"type": ["string"], "maxLength": 2},
                   "f": {"type": "string", "enum": ["ok", 5]}, "g": {"type": "string", "minLength": 1}}}}])");
  const auto takes = [&](const char* key, const std::string& value) {
    const answer_syntax form = answer_syntax::named("qwen3-coder");
    nibble::grammar_parser parser(nibble::tool_grammar(tools, form, words, {.choice = tool_choice::required}));
    return parser.accept(std::string("<tool_call>\n<function=go>\n<parameter=") + key + ">\n" + value + "\n</parameter>\n");
  };
  CHECK(takes("a", "one"));
  CHECK_FALSE(takes("a", "\"one\""));
  CHECK_FALSE(takes("a", "three"));
  CHECK(takes("b", "\"x\""));
  CHECK(takes("b", "null"));
  CHECK_FALSE(takes("b", "x"));
  CHECK(takes("c", "kelvin"));
  CHECK_FALSE(takes("c", "\"kelvin\""));
  CHECK(takes("d", "12345"));
  CHECK_FALSE(takes("d", "1234"));
  CHECK(takes("e", "ab"));
  CHECK_FALSE(takes("e", "abc"));
  CHECK_FALSE(takes("f", "5"));
  CHECK(takes("g", "a < b </param\n"));
  CHECK_FALSE(takes("g", ""));
}

TEST_CASE("what a format of calls cannot write of a schema is refused by its keyword") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const auto said = [&](const char* format, const std::string& parameters) {
    const json tools = json::parse(R"([{"name": "go", "parameters": )" + parameters + "}]");
    const auto made = nibble::try_tool_grammar(tools, answer_syntax::named(format), words);
    return made ? std::string() : std::string(made.failure().what());
  };
  const auto of_x = [](const char* schema) { return std::string(R"({"properties": {"x": )") + schema + "}}"; };
  CHECK(said("lfm2", of_x(R"({"allOf": [{"type": "array"}]})")) ==
        "tool \"go\": \"x\": \"allOf\" is not supported in this format of calls");
  CHECK(said("lfm2", of_x(R"({"type": "array", "minItems": 2000})")) ==
        "tool \"go\": \"x\": \"minItems\" is no number up to 1000");
  CHECK(said("minicpm", of_x(R"({"type": "array", "uniqueItems": true})")) ==
        "tool \"go\": \"x\": \"uniqueItems\" is not supported in this format of calls");
  CHECK(said("gemma4", of_x(R"({"type": "object", "patternProperties": {"a": {}}})")) ==
        "tool \"go\": \"x\": \"patternProperties\" is not supported in this format of calls");
  for (const char* format : {"qwen3-coder", "gemma4", "lfm2"}) {
    CAPTURE(format);
    const std::string unsupported = " is not supported in this format of calls";
    CHECK(said(format, R"({"properties": {"x": {}}, "anyOf": [{"required": ["x"]}]})") ==
          "tool \"go\": \"anyOf\"" + unsupported);
    CHECK(said(format, R"({"properties": {"x": {}}, "minProperties": 1})") == "tool \"go\": \"minProperties\"" + unsupported);
    CHECK(said(format, R"({"properties": {"x": {}}, "required": ["y"]})") ==
          "tool \"go\": \"required\" names \"y\", which \"properties\" does not");
    CHECK(said(format, R"({"properties": {"x": {}}, "required": ["x"], "minProperties": 1})") == "");
  }
  CHECK(said("hermes", R"({"properties": {"x": {}}, "anyOf": [{"required": ["x"]}]})") == "");
}

TEST_CASE("texts between marks are as their schema says") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const json tools = json::parse(
      R"([{"name": "go", "parameters": {"type": "object", "required": ["zip"], "$defs": {"n": {"enum": [1, "2", 3]}},
    "properties": {"zip": {"type": "string", "pattern": "^\\d{5}$"}, "n": {"$ref": "#/$defs/n"}}}}])");
  const auto takes = [&](const std::string& inside) {
    nibble::grammar_parser parser(
        nibble::tool_grammar(tools, answer_syntax::named("gemma4"), words, {.choice = tool_choice::required}));
    return parser.accept("<|tool_call>call:go{" + inside + "}<tool_call|>");
  };
  CHECK(takes("zip:<|\"|>12345<|\"|>"));
  CHECK_FALSE(takes("zip:<|\"|>hello<|\"|>"));
  CHECK(takes("zip:<|\"|>12345<|\"|>,n:<|\"|>2<|\"|>"));
  CHECK(takes("zip:<|\"|>12345<|\"|>,n:3"));
  CHECK_FALSE(takes("zip:<|\"|>12345<|\"|>,n:2"));
}

TEST_CASE("what cannot be a tool, or cannot be called, is an error that names it") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  const auto said = [&](std::string_view tools, const answer_syntax& form, const nibble::tool_rules& rules) {
    const auto made = nibble::try_tool_grammar(json::parse(tools), form, words, rules);
    return made ? std::string() : std::string(made.failure().what());
  };
  const answer_syntax hermes = answer_syntax::named("hermes");
  const nibble::tool_rules required{.choice = tool_choice::required};
  CHECK(said("[{\"type\": \"function\"}]", hermes, {}) == "tool 0: it has no name");
  CHECK(said("[{\"name\": \"a\"}]", hermes, {.only = "b"}) == "tools: there is no \"b\" among them");
  CHECK(said("[]", hermes, required) == "tools: there is none, and a call is required");
  CHECK(said("[{\"name\": \"a\"}]", {}, required) == "a call is required, and how the model writes calls is not known");
  CHECK(said("[{\"name\": \"a\"}]", {}, {}) == "");
  CHECK(said("[7]", hermes, {}) == "tool 0: expected an object, found the number 7");
  CHECK(said(R"([{"name": "a"}, {"function": {"name": "b"}}, {"name": "a"}])", hermes, {}) ==
        "tool 2: another one is called 'a', too");
  CHECK(said(R"([{"name": "a", "parameters": null}])", hermes, {}) == "");
  std::string deep = "{}";
  for (int i = 0; i < 40; ++i) deep = "{\"type\": \"array\", \"items\": " + deep + "}";
  const std::string tools = R"([{"name": "a", "parameters": {"properties": {"x": )" + deep + "}}}]";
  CHECK(said(tools, answer_syntax::named("lfm2"), {}) == "tool \"a\": \"x\": its values are within each other too deeply");
}

TEST_CASE("parameters that are no schema of an object are refused in every format, with the keyword and its place") {
  const nibble::tokenizer words = letters_and({"<|end|>"});
  struct row {
    std::string_view parameters, says;
  };
  const row rows[] = {
      {"[]", "expected a schema as an object, found an array"},
      {"\"object\"", "expected a schema as an object, found the text 'object'"},
      {"true", "expected a schema as an object, found true"},
      {"3", "expected a schema as an object, found the number 3"},
      {R"({"type": "array"})", "/type: arguments are an object, found the text 'array'"},
      {R"({"type": ["string", "null"]})", "/type: arguments are an object, found an array"},
      {R"({"type": "objekt"})",
       "/type: 'objekt' is no type: expected one of null, boolean, integer, number, string, array, object"},
      {R"({"properties": ["x"]})", "/properties: expected an object of schemas, found an array"},
      {R"({"properties": {"x": {"type": "object", "properties": {"y": {"enum": "z"}}}}})",
       "/properties/x/properties/y/enum: expected an array of values, found the text 'z'"},
      {R"({"properties": {"x": {"required": "y"}}})", "/properties/x/required: expected an array of names, found the text 'y'"},
      {R"({"properties": {"x": {}}, "required": "x"})", "/required: expected an array of names, found the text 'x'"},
      {R"({"properties": {"x": {"type": "array", "minItems": -1}}})",
       "/properties/x/minItems: expected a whole number that is not negative, found the number -1"},
  };
  for (const nibble::answer_format& f : nibble::answer_formats) {
    CAPTURE(f.name);
    for (const row& r : rows) {
      const auto made =
          nibble::try_tool_grammar(json::parse(R"([{"name": "look", "parameters": )" + std::string(r.parameters) + "}]"),
                                   answer_syntax::named(f.name), words);
      REQUIRE_FALSE(made);
      CHECK(made.failure().code() == nibble::errc::bad_value);
      CHECK(std::string(made.failure().what()) == "tool \"look\": parameters: " + std::string(r.says));
    }
  }
}

TEST_CASE("what published templates write of a call is what the grammar allows") {
  const std::filesystem::path folder = nibble_test::shared("templates");
  NIBBLE_NEEDS(folder);
  const nibble::tokenizer words = letters_and({"<|nothing|>"});
  const std::string arguments = R"({"where": "up", "far": 7})";
  std::size_t read = 0;
  std::string differ;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    const std::string name = entry.path().stem().string(), source = nibble_test::text_of(entry.path());
    const auto form = nibble::chat_template::try_parse(source);
    if (!form || !form->answers().calls) continue;
    const auto text_of = [&](const std::vector<nibble::chat_message>& talk, bool prompt) {
      const auto parts = form->try_render(talk, {.tools = two_tools, .add_generation_prompt = prompt});
      std::string text;
      if (parts)
        for (const nibble::prompt_part& part : *parts) text += part.text;
      return text;
    };
    for (const bool as_object : {true, false}) {
      const json given = as_object ? json::parse(arguments) : json(arguments);
      const json call = json::object(
          {{"id", "call12345"}, {"type", "function"}, {"function", json::object({{"name", "look"}, {"arguments", given}})}});
      const nibble::chat_message answer{"assistant", "", json::object({{"tool_calls", json::array({call})}})};
      const std::string prompt = text_of({{"user", "Look."}}, true), whole = text_of({{"user", "Look."}, answer}, false);
      if (prompt.empty() || !whole.starts_with(prompt)) continue;
      const std::string said = whole.substr(prompt.size());
      nibble::chat_parser reader(form->answers(), prompt, two_tools);
      reader.feed(said), reader.finish();
      if (reader.answer().calls.size() != 1 || !reader.answer().calls[0].complete) continue;
      nibble::grammar_parser parser(nibble::tool_grammar(two_tools, form->answers(), words, {.prompt_end = prompt}));
      std::size_t at = 0;
      while (at < said.size() && parser.accept(said.substr(at, 1))) ++at;
      nibble::chat_parser again(form->answers(), prompt, two_tools);
      again.feed(said.substr(0, at)), again.finish();
      if (again.answer().calls.size() != 1 || !again.answer().calls[0].complete)
        differ += name + ": " + said.substr(0, at) + "[here]" + said.substr(at) + "\n";
      ++read;
      break;
    }
  }
  CHECK(differ == "");
  CHECK(read > 10);
}
