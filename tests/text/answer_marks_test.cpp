/// Marks of answers: how models spell them, and those that a prompt ends with.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "text/answers.hpp"

using namespace nibble_test;
using part = nibble::answer_beginning::part;

TEST_CASE("DeepSeek's marks are read in every spelling that its models write") {
  std::size_t read_so = 0;
  for (const example& e : examples) {
    if (!e.format.starts_with("deepseek")) continue;
    CAPTURE(e.format);
    REQUIRE(answer_syntax::named(e.format).calls->ascii_marks);
    for (const nibble::mark_spelling& how : nibble::mark_spellings) {
      const std::string written = nibble::detail::spelled(e.written, how);
      CAPTURE(written);
      const chat_answer answer = read(e.format, written);
      CHECK(calls_of(answer) == expected_calls);
      CHECK(answer.text == "Sure.");
      ++read_so;
    }
  }
  CHECK(read_so == 24);
  CHECK(calls_of(read("deepseek-r1",
                      "<\uFF5Ctool\u2581calls\uFF5C><\uFF5Ctool\u2581call\u2581begin\uFF5C>function<\uFF5Ctool\u2581sep\uFF5C>"
                      "look\n```json\n{}\n```<|tool_call_end|><|tool_calls_end|>")) == "look {}\n");
  const std::string other = "<|tool_call|>, <|tool-calls-begin|> and <tool_calls_begin>";
  CHECK(read("deepseek-v3.1", other).text == other);
  CHECK(read("kimi-k2", "<|tool_calls_section\\_begin|>").text == "<|tool_calls_section\\_begin|>");
}

TEST_CASE("a mark in another spelling is that mark, or not yet, or no more") {
  using nibble::detail::match_mark;
  const std::string_view mark = "<\uFF5Ca\u2581b\uFF5C>";
  for (const nibble::mark_spelling& how : nibble::mark_spellings) {
    const std::string text = nibble::detail::spelled(mark, how);
    for (std::size_t size = 0; size < text.size(); ++size) {
      const auto m = match_mark(mark, std::string_view(text).substr(0, size), how);
      CHECK(m.fits);
      CHECK_FALSE(m.whole);
      CHECK_FALSE(match_mark(mark, text.substr(0, size) + "#", how).fits);
    }
    const auto m = match_mark(mark, text + "#", how);
    CHECK(m.whole);
    CHECK(m.bytes == text.size());
  }
}

TEST_CASE("where an answer begins is what its prompt ended with") {
  for (const nibble::answer_format& f : nibble::answer_formats) {
    CAPTURE(f.name);
    const answer_syntax syntax = answer_syntax::named(f.name);
    CHECK(syntax.behind("").where == part::text);
    CHECK(syntax.behind("<|im_start|>assistant\n").where == part::text);
    CHECK(syntax.behind("Hi " + std::string(syntax.reasoning.begin) + "\n").where == part::reasoning);
    CHECK_FALSE(syntax.behind(std::string(syntax.reasoning.begin)).reasoned);
    const auto reasoned =
        syntax.behind(std::string(syntax.reasoning.begin) + "\n\n" + std::string(syntax.reasoning.end) + "\n\n");
    CHECK(reasoned.where == part::text);
    CHECK(reasoned.reasoned);
    const auto call = syntax.behind("Hi\n" + std::string(f.call_begin));
    CHECK((call.where == part::call) == (f.calls_begin.empty() && !f.call_begin.empty()));
  }
  CHECK(answer_syntax::named("gpt-oss").behind("<|end|><|start|>assistant\n").turn == "<|start|>assistant");
  CHECK(answer_syntax::named("gpt-oss").behind("<|end|>").turn.empty());
  CHECK(answer_syntax::named("solar-open").behind("<|begin|>assistant").turn.empty());
  CHECK(answer_syntax{}.behind("<think>").where == part::text);
}
