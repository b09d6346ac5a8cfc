/// Calls as JSON, and with arguments as JSON behind a name: Hermes, Llama, functionary, Mistral, Kimi, ...
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "text/answers.hpp"

using namespace nibble_test;

TEST_CASE("what is no call is text") {
  CHECK(read("hermes", "Use <tool_call> for that.").text == "Use <tool_call> for that.");
  CHECK(read("hermes", "Use\n<tool_call>\n{\"nam\": 1}\n</tool_call>").text.starts_with("Use\n<tool_call>\n{\"nam\": 1}"));
  CHECK(read("llama-3", "{\"a\": [1, 2]}").text == "{\"a\": [1, 2]}");
  CHECK(read("llama-3", "{ \"name\": \"look\" } is an object").calls.size() == 1);
  for (const std::string_view said :
       {"{\"name\": \"Ada\", \"age\": 36}", "{\"name\": \"Ada\", \"parameters\": {}} is one", "<function=Ada>{}</function>"}) {
    CHECK(read("llama-3", said).text == said);
    CHECK(read("functionary-v3.1", said).text == said);
  }
  CHECK(read("functionary-v3.2", "all\nType\n>>> print(1)\n1", ">>>").text == "Type\n>>> print(1)\n1");
  CHECK(calls_of(read("functionary-v3.2", "python\nprint(1)\n>>> 2", ">>>")) == "python {\"code\":\"print(1)\\n>>> 2\"} ...\n");
  CHECK(calls_of(read("functionary-v3.1", "So.<|python_tag|>{1}\nprint(\"</function>\")")) ==
        "python {\"code\":\"{1}\\nprint(\\\"</function>\\\")\"} ...\n");
  CHECK(calls_of(read("functionary-v3.2", "python\n{\"code\": 1}", ">>>")) == "python {\"code\": 1} ...\n");
  CHECK(read("llama-3", "See {\"name\": \"f\", \"parameters\": {}}").calls.empty());
  CHECK(read("functionary-v3.2", "Hello", ">>>").text == "Hello");
  CHECK(read("functionary-v3.2", "all\nHello", "<|end_header_id|>\n\n>>>").text == "Hello");
  CHECK(calls_of(read("functionary-v3.2", "look\n{}", ">>>")) == "look {}\n");
  CHECK(read("lfm2", "<|tool_call_start|>[it's]<|tool_call_end|>").text == "<|tool_call_start|>[it's]<|tool_call_end|>");
  CHECK(read("gemma4", "<|tool_call>call:{}<tool_call|>").calls.empty());
  CHECK(read("qwen3-coder", "<tool_call>" + std::string(5000, 'x')).calls.empty());
  CHECK(read("qwen3-coder", "<tool_call><function=" + std::string(5000, 'x')).calls.empty());
}

TEST_CASE("without tools an answer that looks like a call without marks is text, as it comes") {
  const std::string said = "{\"name\": \"look\", \"parameters\": {\"far\": 1}}";
  for (const char* format : {"llama-3", "functionary-v3.1", "functionary-v3.2"}) {
    chat_parser parser(answer_syntax::named(format));
    std::string text;
    for (const char c : said) {
      for (const nibble::answer_delta& d : parser.feed({&c, 1})) text += d.text;
      CHECK(text.size() == parser.answer().text.size());
    }
    CHECK(text == said);
  }
  chat_parser plain(answer_syntax::named("llama-3"));
  CHECK(plain.feed("{\"na").size() == 1);  // it does not wait for a name
  chat_parser parser(answer_syntax::named("llama-3"), {}, some_tools);
  CHECK(parser.feed("{\"name\": \"Ada\", ").size() == 1);  // it waits no longer than for the name
}

TEST_CASE("arguments that are no object make a call incomplete; a string with an object in it is that") {
  const auto of = [](std::string arguments) {
    return calls_of(read("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": " + arguments + "}</tool_call>"));
  };
  CHECK(of("\"{\\\"a\\\": \\\"\\u00fc\\\"}\"") == "f {\"a\": \"\u00fc\"}\n");
  CHECK(of("[1]") == "f [1] ...\n");
  CHECK(of("12") == "f 12 ...\n");
  CHECK(of("\"x\"") == "f \"x\" ...\n");
  CHECK(of("{\"a\": 01}") == "f {\"a\": 0 ...\n");
  CHECK(calls_of(read("functionary-v3.1", "<function=look>\"{\\\"a\\\":1}\"</function>")) == "look {\"a\":1}\n");
  CHECK(calls_of(read("functionary-v3.1", "<function=look>[]</function>")) == "look [] ...\n");
  CHECK(calls_of(read("hermes", "<tool_call>{\"arguments\": {\"a\": 1}, \"id\": 7, \"name\": \"f\"}</tool_call>")) ==
        "f {\"a\": 1}\n");
  CHECK(calls_of(read("hermes", "<tool_call>{\"name\": \"f\", \"parameters\": {}}</tool_call>")) == "f {}\n");
  CHECK(calls_of(read("hermes", "<tool_call>{\"name\": \"f\"}</tool_call>")) == "f {}\n");
}

TEST_CASE("ids are the model's, or numbered") {
  CHECK(read("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>functions.a.b:3<|tool_call_argument_begin|>{}")
            .calls[0]
            .id == "functions.a.b:3");
  CHECK(read("kimi-k2", "<|tool_calls_section_begin|><|tool_call_begin|>functions.a.b:3<|tool_call_argument_begin|>{}")
            .calls[0]
            .name == "a.b");
  CHECK(read("mistral-nemo", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}, \"id\": \"abc\"}]").calls[0].id == "abc");
  CHECK(read("devstral", "[TOOL_CALLS]f[CALL_ID]xyz[ARGS]{}").calls[0].id == "xyz");
  CHECK(read("solar-open", "<|tool_calls|><|tool_call:begin|>c9<|tool_call:name|>f<|tool_call:args|>{}").calls[0].id == "c9");
  CHECK(read("hermes", "<tool_call>{\"name\": \"f\"}</tool_call><tool_call>{\"name\": \"g\"}</tool_call>").calls[1].id ==
        "call_2");
}
