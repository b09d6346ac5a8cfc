/// Answers in channels: gpt-oss.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "text/answers.hpp"

using namespace nibble_test;

TEST_CASE("channels: what is thought, said and called") {
  const chat_answer answer =
      read("gpt-oss",
           "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I look."
           "<|end|><|start|>assistant<|channel|>analysis<|message|> More.<|end|>");
  CHECK(answer.reasoning == "Hm.More.");
  CHECK(answer.text == "I look.");
  CHECK(read("gpt-oss", "<|channel|>final<|message|>Hi<|return|>").text == "Hi");
  CHECK(read("gpt-oss", "<|channel|>final <|constrain|>json<|message|>{}<|return|>").text == "{}");
}

TEST_CASE("channels: calls in each place where their receiver may stand, at the beginning too, and of the model's own tools") {
  const std::string_view prompt = "<|end|><|start|>assistant";
  const auto of = [&](std::string_view said) {
    const chat_answer answer = read("gpt-oss", said, prompt);
    return answer.text + '|' + answer.reasoning + '|' + calls_of(answer);
  };
  CHECK(of(" to=functions.look<|channel|>commentary json<|message|>{\"a\":1}<|call|>") == "||look {\"a\":1}\n");
  CHECK(of("<|channel|>analysis to=functions.look <|constrain|>json<|message|>{}<|call|>") == "||look {}\n");
  CHECK(of("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>analysis to=python code<|message|>print(1)"
           "<|call|>") == "|Hm.|python {\"code\":\"print(1)\"}\n");
  CHECK(of(" to=browser.search<|channel|>analysis code<|message|>{\"query\":\"x\"}<|call|>") ==
        "||browser.search {\"query\":\"x\"}\n");
  CHECK(of("<|channel|>commentary to=functions.python<|message|>{\"x\":1}<|call|>") == "||python {\"x\":1}\n");
  CHECK(of("<|channel|>final<|message|>Hi") == "Hi||");
  CHECK(of("Hi") == "Hi||");
  CHECK(read("gpt-oss", " to=functions.look").text == " to=functions.look");
}
