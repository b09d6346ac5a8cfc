/// Answers taken apart, in all formats: whole, in pieces of any size, and hostile.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "nibble/text/answer/arguments.hpp"
#include "text/answers.hpp"

using namespace nibble_test;

TEST_CASE("each format's calls are read, whatever the pieces") {
  for (const example& e : examples) {
    CAPTURE(e.format);
    const chat_answer answer = read(e.format, e.written);
    CHECK(calls_of(answer) == expected_calls);
    CHECK(answer.text == (e.format == "llama-3" ? "" : "Sure."));
    CHECK(answer.reasoning.empty());
    for (const tool_call& call : answer.calls) CHECK(!call.id.empty());
  }
  for (const nibble::answer_format& f : nibble::answer_formats)
    CHECK_MESSAGE(std::any_of(examples.begin(), examples.end(), [&](const example& e) { return e.format == f.name; }), f.name);
}

TEST_CASE("a call that breaks off at any byte is text before it has a name, and incomplete behind it") {
  for (const example& e : examples)
    for (std::size_t size = 0; size < e.written.size(); ++size) {
      CAPTURE(e.format);
      const chat_answer answer = read_in_pieces(answer_syntax::named(e.format), e.written.substr(0, size), 5);
      CHECK(answer.calls.size() <= 2);
      for (const tool_call& call : answer.calls) {
        const bool known = call.name.size() <= 4 &&
                           (std::string_view("look").starts_with(call.name) || std::string_view("stop").starts_with(call.name));
        CHECK(known);
        if (call.complete) CHECK(nibble::json::try_parse(call.arguments));
      }
    }
}

namespace {
/// Where in an answer the call begins that has its name at a place: with the mark of the call, or with that of all, in front.
std::size_t begin_of_call(const nibble::answer_format& f, std::string_view written, std::size_t name, bool first) {
  const auto bare = [](std::string_view mark) { return nibble::detail::without_blanks(mark); };
  if (first && !f.calls_begin.empty()) return written.find(bare(f.calls_begin));
  std::size_t begin = 0;
  const auto add = [&](std::string_view mark) {
    const std::size_t at = mark.empty() ? mark.npos : written.rfind(mark, name - 1);
    if (at != mark.npos) begin = std::max(begin, at);
  };
  add(bare(f.call_begin)), add(bare(f.calls_begin));
  for (const std::string_view mark : f.other_begins) add(bare(mark));
  if (f.shape == nibble::call_shape::json || f.shape == nibble::call_shape::keyed_json) add("{");
  return begin;
}
std::string_view without_end(std::string_view text) { return text.substr(0, text.find_last_not_of(" \n") + 1); }
}  // namespace

TEST_CASE("what comes of a call before its name is text where the answer ends there, with its marks, and nothing is lost") {
  for (const example& e : examples) {
    CAPTURE(e.format);
    const answer_syntax syntax = answer_syntax::named(e.format);
    for (const std::string_view name : {"look", "stop"}) {
      const bool first = name == "look";
      const std::size_t at = first ? e.written.find(name) : e.written.rfind(name);
      const std::size_t begin = begin_of_call(*syntax.calls, e.written, at, first);
      REQUIRE(begin < at);
      for (std::size_t size = begin + 1; size <= at + name.size(); ++size) {
        const std::string_view said = e.written.substr(0, size);
        if (!nibble::is_utf8(said)) continue;
        for (const std::size_t piece : {std::size_t{1}, std::size_t{9}, size}) {
          const chat_answer answer = read_in_pieces(syntax, said, piece);
          CHECK(answer.calls.size() <= (first ? 0u : 1u));
          if (syntax.calls->shape == nibble::call_shape::python && answer.calls.size() == 1)
            continue;  // a whole one, and no more
          std::string_view expected = without_end(said.substr(begin));
          for (const std::string_view mark : syntax.calls->ignored)  // of the answer's structure, and no part of the call's
            if (const auto turn = nibble::detail::without_blanks(mark); !turn.empty() && expected.starts_with(turn))
              expected = nibble::detail::without_blanks(expected.substr(turn.size()));
          const bool is_there = without_end(answer.text).ends_with(expected);
          CHECK_MESSAGE(is_there, said << " ---> " << answer.text);
        }
      }
    }
  }
}

TEST_CASE("no call has an empty name") {
  for (const example& e : examples) {
    CAPTURE(e.format);
    std::string written(e.written);
    for (const std::string_view name : {"look", "stop"})
      for (std::size_t at; (at = written.find(name)) != written.npos;) written.erase(at, name.size());
    const chat_answer answer = read_in_pieces(answer_syntax::named(e.format), written, 3);
    for (const tool_call& call : answer.calls) CHECK(!call.name.empty());
    CHECK(answer.text.size() >= 5);
  }
}

TEST_CASE("marks that are doubled, cut out or mixed up break nothing") {
  std::uint32_t seed = 1;
  const auto random = [&](std::size_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; };
  for (const example& e : examples)
    for (int round = 0; round < 60; ++round) {
      std::string text(e.written);
      for (int change = 0; change < 3; ++change) {
        const std::size_t from = random(text.size()), size = std::min(random(12), text.size() - from), to = random(text.size());
        const std::string part = text.substr(from, size);
        if (random(2) == 0) text.erase(from, size);
        text.insert(std::min(to, text.size()), random(3) == 0 ? "\xFF\x80\"{" : part);
        if (text.empty()) text = "<";
      }
      CAPTURE(text);
      const answer_syntax syntax = answer_syntax::named(e.format);
      const chat_answer whole = read_in_pieces(syntax, text, text.size());
      for (const std::size_t size : std::initializer_list<std::size_t>{1, 3, 11}) {
        const bool same = read_in_pieces(syntax, text, size) == whole;
        REQUIRE(same);
      }
      for (const tool_call& call : whole.calls)
        if (call.complete) CHECK(nibble::json::try_parse(call.arguments));
    }
}

TEST_CASE("text stays as it is where there are no marks") {
  const std::string text = "  if (a < b) {\n    <b>x</b> ;\n\n}  \n";
  for (const nibble::answer_format& f : nibble::answer_formats) CHECK(read(f.name, text).text == text);
  CHECK(read("none", text).text == text);
  CHECK(read(answer_syntax{}, text).text == text);
  CHECK(read(answer_syntax{}, "<think>a</think>").text == "<think>a</think>");
}

TEST_CASE("reasoning stands at the beginning, and white space beside marks is dropped") {
  const chat_answer answer = read("hermes", "\n<think>\nHm, <tool_call> is a mark.\n\n</think>\n\n Yes.\n");
  CHECK(answer.reasoning == "Hm, <tool_call> is a mark.");
  CHECK(answer.text == "Yes.\n");
  CHECK(answer.calls.empty());
  CHECK(read("hermes", "I write <think> here.").text == "I write <think> here.");
  CHECK(read("hermes", "<think>").text.empty());
  CHECK(read("hermes", "<think>no end \n").reasoning == "no end \n");
  CHECK(read("hermes", "Hm.</think>Yes.", "<|im_start|>assistant\n<think>\n").reasoning == "Hm.");
  CHECK(read("hermes", "<think>Hm.</think>Yes.", "<think>\n").reasoning == "Hm.");
  CHECK(read("hermes", "</think>Yes.").text == "Yes.");
  CHECK(read("hermes", "\n\nYes.", "<think>\n\n</think>").text == "Yes.");
  CHECK(read("gemma4", "<|channel>thought\nHm.<channel|>Yes.").reasoning == "Hm.");
  CHECK(read("seed-oss", "<seed:think>Hm.</seed:think>Yes.").reasoning == "Hm.");
  const chat_answer twice = read("hermes", "<think>a</think><tool_call>{\"name\": \"f\"}</tool_call><think>b</think>c");
  CHECK(twice.reasoning == "ab");
  CHECK(twice.text == "c");
}

TEST_CASE("a call of a tool that there is not is never complete") {
  for (const example& e : examples) {
    CAPTURE(e.format);
    const auto syntax = answer_syntax::named(e.format);
    chat_parser parser(syntax, {}, nibble::json::parse(R"([{"type": "function", "function": {"name": "stop"}}])"));
    parser.feed(e.written), parser.finish();
    for (const tool_call& call : parser.answer().calls) CHECK(call.complete == (call.name == "stop"));
    if (syntax.calls->whole || syntax.calls->plain_marks) continue;
    CHECK(parser.answer().calls.size() == 2);
  }
}

TEST_CASE("a long hostile answer takes time in proportion") {
  for (const char* part : {"<tool_call>", "<", "<tool_call>{\"name\":", "\xF0\x9F", "{", "<|tool_call>call:f{", "<function=f>{",
                           "[TOOL_CALLS]["}) {
    std::string text;
    while (text.size() < 300'000) text += part;
    for (const nibble::answer_format& f : nibble::answer_formats)
      static_cast<void>(read_in_pieces(answer_syntax::named(f.name), text, 4096));
  }
}

TEST_CASE("a scanner of JSON takes what is JSON and nothing else") {
  using nibble::detail::is_json;
  for (const char* good :
       {"1", "-0.5e+10", " true ", "null", "\"a\\u00e9\\n\"", "[]", "{}", "[1,[2,{\"a\":[]}]]", "{\"a\":{},\"b\":-1}"})
    CHECK(is_json(good));
  for (const char* bad :
       {"",     " ",       "01",         "1.",    ".5",  "+1",  "1e", "tru", "truee", "\"a", "\"\\x\"", "\"\\u12g4\"",
        "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "1 2", "[1}", "]",  "1]",  "\"\n\""})
    CHECK_FALSE(is_json(bad));
  CHECK(nibble::detail::is_json_object("{\"a\": 1}"));
  CHECK_FALSE(nibble::detail::is_json_object("{\"a\": 1} "));
  CHECK_FALSE(nibble::detail::is_json_object("[]"));
  CHECK(is_json(std::string(200, '[') + std::string(200, ']')));
  CHECK_FALSE(is_json(std::string(300, '[') + std::string(300, ']')));
}
