/// Calls that write each parameter on its own: Qwen3-Coder, GLM, DeepSeek V3.2, ...
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "text/answers.hpp"

using namespace nibble_test;

TEST_CASE("a call whose outer mark was left out is one, if there is such a tool") {
  const std::string call = "<function=look>\n<parameter=where>\nup\n</parameter>\n</function>\n";
  for (const std::string_view end : {"", "</tool_call>", "<function=stop>\n</function>\n</tool_call>"}) {
    chat_parser parser(answer_syntax::named("qwen3-coder"), {}, some_tools);
    parser.feed("So.\n" + call + std::string(end)), parser.finish();
    CHECK(parser.answer().text == "So.");
    CHECK(calls_of(parser.answer()).starts_with("look {\"where\":\"up\"}\n"));
    CHECK(parser.answer().calls.size() == (end.starts_with("<f") ? 2u : 1u));
  }
  const std::string other = "Write <function=name> so.";
  CHECK(read("qwen3-coder", other).text == other);
  chat_parser parser(answer_syntax::named("qwen3-coder"), {}, some_tools);
  parser.feed(other), parser.finish();
  CHECK(parser.answer().text == other);
}

TEST_CASE("parameters are texts, unless they are JSON") {
  const auto of = [](std::string value) {
    const auto answer =
        read("qwen3-coder", "<tool_call><function=f><parameter=x>\n" + value + "\n</parameter></function></tool_call>");
    return answer.calls.empty() ? std::string() : answer.calls[0].arguments;
  };
  CHECK(of("12") == "{\"x\":12}");
  CHECK(of("1e5") == "{\"x\":1e5}");
  CHECK(of("True") == "{\"x\":true}");
  CHECK(of("None") == "{\"x\":null}");
  CHECK(of("01") == "{\"x\":\"01\"}");
  CHECK(of("1,2") == "{\"x\":\"1,2\"}");
  CHECK(of("\"a\"") == "{\"x\":\"\\\"a\\\"\"}");
  CHECK(of("{\"a\": 1}") == "{\"x\":{\"a\": 1}}");
  CHECK(of("{a: 1}") == "{\"x\":\"{a: 1}\"}");
  CHECK(of("  two\n\nlines") == "{\"x\":\"  two\\n\\nlines\"}");
  CHECK(of("") == "{\"x\":\"\"}");
  const auto typed =
      read("deepseek-v3.2",
           "<｜DSML｜function_calls><｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"a\" string=\"true\">12"
           "</｜DSML｜parameter><｜DSML｜parameter name=\"b\" string=\"false\">12</｜DSML｜parameter></｜DSML｜invoke>"
           "</｜DSML｜function_calls>");
  CHECK(calls_of(typed) == "f {\"a\":\"12\",\"b\":12}\n");
}

TEST_CASE("a parameter that the tool's schema calls a string is one") {
  const auto tools = nibble::json::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": "string"}, "n": {"type": "integer"}}}}},
          {"name": "g", "parameters": {"properties": {"y": {"type": "string"}}}}, {"name": 1}, 7])");
  chat_parser parser(answer_syntax::named("glm-4"), {}, tools);
  parser.feed(
      "<tool_call>f<arg_key>x</arg_key><arg_value>12</arg_value><arg_key>n</arg_key><arg_value>12</arg_value></tool_call>");
  parser.feed(
      "<tool_call>g<arg_key>y</arg_key><arg_value>true</arg_value><arg_key>x</arg_key><arg_value>1</arg_value></tool_call>");
  parser.finish();
  CHECK(calls_of(parser.answer()) == "f {\"x\":\"12\",\"n\":12}\ng {\"y\":\"true\",\"x\":1}\n");
}

TEST_CASE("a parameter that may be something else than a text is JSON, texts in quotes included") {
  const auto tools = nibble::json::parse(
      R"([{"name": "f", "parameters": {"$defs": {"s": {"type": "string"}}, "properties": {
          "choice": {"enum": ["celsius", 1]}, "words": {"enum": ["1", "a"]}, "either": {"type": ["string", "null"]},
          "optional": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "referred": {"$ref": "#/$defs/s"}, "any": {}}}}])");
  const auto of = [&](std::string_view format, std::string_view key, std::string_view value) {
    const bool typed = format == "deepseek-v3.2";
    std::string said = "<tool_call><function=f>\n<parameter=" + std::string(key) + ">\n" + std::string(value) +
                       "\n</parameter>\n</function>\n</tool_call>";
    if (typed)
      said = "<｜DSML｜function_calls><｜DSML｜invoke name=\"f\"><｜DSML｜parameter name=\"" + std::string(key) +
             "\" string=\"false\">" + std::string(value) + "</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>";
    chat_parser parser(answer_syntax::named(format), {}, typed ? nibble::json() : tools);
    parser.feed(said), parser.finish();
    REQUIRE(parser.answer().calls.size() == 1);
    const auto arguments = nibble::json::try_parse(parser.answer().calls[0].arguments);
    REQUIRE(arguments);
    return arguments->find(key)->text();
  };
  for (const char* key : {"choice", "either", "optional", "any"}) {
    CAPTURE(key);
    CHECK(of("qwen3-coder", key, "\"celsius\"") == "\"celsius\"");
    CHECK(of("qwen3-coder", key, "celsius") == "\"celsius\"");
    CHECK(of("qwen3-coder", key, "None") == "null");
  }
  for (const char* key : {"words", "referred"}) {
    CAPTURE(key);
    CHECK(of("qwen3-coder", key, "1") == "\"1\"");
    CHECK(of("qwen3-coder", key, "\"a\"") == R"("\"a\"")");
  }
  CHECK(of("qwen3-coder", "unknown", "\"a\"") == R"("\"a\"")");
  CHECK(of("deepseek-v3.2", "either", "\"a\"") == "\"a\"");
}

TEST_CASE("a call whose name or key is too long ends behind a whole character") {
  std::string text = "<tool_call>look<arg_key>";
  for (int i = 0; i < 300; ++i) text += "\xEF\xBF\xBD";
  for (const std::size_t size : {text.size(), std::size_t{1}}) {
    chat_parser parser(answer_syntax::named("glm-4"));
    for (std::size_t at = 0; at < text.size(); at += size) {
      for (const nibble::answer_delta& d : parser.feed(std::string_view(text).substr(at, size))) CHECK(nibble::is_utf8(d.text));
    }
    for (const nibble::answer_delta& d : parser.finish()) CHECK(nibble::is_utf8(d.text));
    CHECK(nibble::is_utf8(parser.answer().text));
  }
}
