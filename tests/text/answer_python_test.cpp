/// Calls in Python's way: LFM2, MiniCPM, and behind Llama's mark.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "text/answers.hpp"

using namespace nibble_test;

TEST_CASE("calls in Python: literals of all kinds") {
  const auto of = [](std::string_view call) {
    return calls_of(read("lfm2", "<|tool_call_start|>[" + std::string(call) + "]<|tool_call_end|>"));
  };
  CHECK(of("f(a='it\\'s', b=\"\\x41\\u00fc\\n\", c=(1, -2.5,), d={'k': [True]})") ==
        "f {\"a\":\"it's\",\"b\":\"A\u00fc\\n\",\"c\":[1,-2.5],\"d\":{\"k\":[true]}}\n");
  CHECK(of("f(a=\"1\\/2\", b=\"\\ud83d\\ude00\", c='\\ud83d', d='\\ud83d\\u0041', e='\\U0001F600\\x4')") ==
        "f {\"a\":\"1/2\",\"b\":\"\U0001F600\",\"c\":\"\\\\ud83d\",\"d\":\"\\\\ud83dA\",\"e\":\"\U0001F600\\\\x4\"}\n");
  CHECK(of("f(a=[1 2])").empty());
  CHECK(of("f(a=[[] []])").empty());
  CHECK(of("f(a=1 b=2)").empty());
  CHECK(of("f(a='x' 'y')").empty());
  CHECK(of("f(a=1 , b=2,)") == "f {\"a\":1,\"b\":2}\n");
  CHECK(of("a.b.c()") == "a.b.c {}\n");
  CHECK(of("f(x=g)") == "f {\"x\":g} ...\n");
  CHECK(of("f(1)").empty());
  CHECK(of("f(a=[1)").empty());
  CHECK(of("f(a={'b': [1}])").empty());
  CHECK(of("f(a=" + std::string(1000, '[') + ")").empty());
}

TEST_CASE("behind Llama's mark of Python stand a call as JSON, one in Python's way, or code") {
  const auto syntax = answer_syntax::of("<|python_tag|> ipython");
  const auto read = [&](std::string_view said, std::size_t size) {
    nibble::chat_parser parser(syntax);
    for (std::size_t i = 0; i < said.size(); i += size) parser.feed(said.substr(i, size));
    parser.finish();
    return parser.answer();
  };
  struct row {
    std::string_view said, name, arguments;
  };
  const row rows[] = {
      {"<|python_tag|>{\"name\": \"look\", \"parameters\": {\"a\": 1}}", "look", "{\"a\": 1}"},
      {"<|python_tag|>brave_search.call(query=\"bees\", most=3)", "brave_search", "{\"query\":\"bees\",\"most\":3}"},
      {"<|python_tag|>print(\"a\")\nprint(f(x))", "code_interpreter", "{\"code\":\"print(\\\"a\\\")\\nprint(f(x))\"}"},
      {"<|python_tag|>look.call(", "code_interpreter", "{\"code\":\"look.call(\"}"},
  };
  for (const row& r : rows) {
    CAPTURE(r.said);
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, r.said.size()}) {
      const nibble::chat_answer answer = read(r.said, size);
      REQUIRE(answer.calls.size() == 1);
      CHECK(answer.calls[0].name == r.name);
      CHECK(answer.calls[0].arguments == r.arguments);
      CHECK(answer.calls[0].complete);
      CHECK(answer.text == "");
    }
  }
  CHECK(read("I say <|python_tag|>x = 1", 3).text == "I say");
  CHECK(read("<|python_tag|>", 3).calls.empty());
  chat_parser parser(syntax, {}, some_tools);
  parser.feed("<|python_tag|>x = 1"), parser.finish();
  REQUIRE(parser.answer().calls.size() == 1);
  CHECK_FALSE(parser.answer().calls[0].complete);
}
